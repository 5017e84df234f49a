"""What every reader of inputs returns and raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xorexport.errors import UsageError
from xorexport.spec import TensorSpec


@dataclass(frozen=True)
class Inputs:
    """Rows for every input of a model.

    Attributes:
        arrays: by canonical name, each of its spec's dtype and of shape (rows, ...), with equally many rows.
        notes: what was done to the data on the way, each in one line.
        names: a name for each row, or empty.
    """

    arrays: dict[str, np.ndarray]
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows, the same for all inputs."""
        return len(next(iter(self.arrays.values())))


def listed(names: Sequence[str], limit: int = 6) -> str:
    """Names in one line, for example `x_0, x_1, ... x_783`; `none` where there are none."""
    if len(names) > limit:
        names = [*names[: limit - 1], f"... {names[-1]}"]
    return ", ".join(names) or "none"


def described(specs: Sequence[TensorSpec]) -> str:
    """The inputs as a user has to give them, for example `x float32[batch, 2]`."""
    return ", ".join(spec.describe() for spec in specs)


def by_name(given: Mapping[str, object], specs: Sequence[TensorSpec], subject: str) -> dict[str, str]:
    """Which name of `given` is which input: its canonical name or its Keras name.

    Returns:
        The name in `given` by canonical name, in the signature's order.

    Raises:
        UsageError: an input is missing or there twice, or a name belongs to none.
    """
    found = {}
    for spec in specs:
        names = [name for name in dict.fromkeys((spec.name, spec.keras_name)) if name is not None and name in given]
        if len(names) != 1:
            raise _wrong_names(given, specs, subject)
        found[spec.name] = names[0]
    if len(found) != len(given):
        raise _wrong_names(given, specs, subject)
    return found


def _wrong_names(given: Mapping[str, object], specs: Sequence[TensorSpec], subject: str) -> UsageError:
    return UsageError(
        subject,
        expected=f"one array for each of {listed([spec.name for spec in specs])}",
        found=listed(list(map(str, given))),
        remedy="name the arrays after the inputs, and leave out what is no input",
    )


def unreadable(path: Path, kind: str, reason: str) -> UsageError:
    """The error for a file that is not what its name says, or cannot be read."""
    return UsageError(str(path), expected=kind, found=reason, remedy="check the path, or write the file again")
