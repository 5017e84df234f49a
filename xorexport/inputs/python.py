"""Inputs from a user's Python: a function that returns or yields them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from xorexport.errors import UsageError, brief
from xorexport.importing import import_attribute
from xorexport.inputs.base import Inputs, by_name, described, listed
from xorexport.inputs.values import assemble
from xorexport.spec import TensorSpec

MOST_PARTS = 100_000
"""Generators for training never end; one that yields more than this is taken for such a one."""


def read_function(source: str, specs: Sequence[TensorSpec]) -> Inputs:
    """Read what `package.module:function` yields, which is imported from the current folder as well.

    Each value is one row or one batch of rows: a dict by name, a tuple in the inputs' order, or the array of the only
    input. What can be iterated may stand in place of the function, and one value may be returned instead of yielded.

    Raises:
        UsageError: there is no such function, it fails, or what it yields does not fit the inputs.
    """
    subject = f"inputs '{source}'"
    made = _call(import_attribute(source, subject), subject)
    parts = [_part(value, specs, f"{subject}, value {place}") for place, value in enumerate(_values(made, subject))]
    if not parts:
        raise UsageError(subject, expected="at least one row", found="none", remedy="yield one row or batch at a time")
    return Inputs({spec.name: _joined([part[spec.name] for part in parts], spec, subject) for spec in specs})


def _call(function: Any, subject: str) -> Any:
    try:
        return function() if callable(function) else function
    except (Exception, SystemExit) as error:
        raise _failed(error, subject) from error


def _values(made: Any, subject: str) -> Iterator[Any]:
    """What was yielded, one after the other; what the user's code raises becomes an error of ours."""
    if isinstance(made, (Mapping, tuple)):
        made = (made,)
    if not isinstance(made, Iterable):
        raise UsageError(
            subject, expected="something that yields arrays", found=type(made).__name__, remedy="use yield, or a list"
        )
    try:
        for place, value in enumerate(made):
            if place == MOST_PARTS:
                raise UsageError(
                    subject,
                    expected=f"a generator that ends within {MOST_PARTS:,} values",
                    found="one that goes on",
                    remedy="let it end, for example with itertools.islice",
                )
            yield value
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(error, subject) from error


def _part(value: Any, specs: Sequence[TensorSpec], subject: str) -> dict[str, np.ndarray]:
    if isinstance(value, Mapping):
        names = by_name(value, specs, subject)
        return assemble({name: value[given] for name, given in names.items()}, specs, subject)
    arrays = value if isinstance(value, tuple) else (value,)
    if len(arrays) != len(specs):
        raise UsageError(
            subject,
            expected=f"a dict by name or a tuple for {described(specs)}",
            found=f"{len(arrays)} arrays" if isinstance(value, tuple) else type(value).__name__,
            remedy=f"yield {listed([spec.name for spec in specs])} in this order, and no targets",
        )
    return assemble(dict(zip((spec.name for spec in specs), arrays, strict=True)), specs, subject)


def _joined(arrays: Sequence[np.ndarray], spec: TensorSpec, subject: str) -> np.ndarray:
    for array in arrays:
        if array.shape[1:] != arrays[0].shape[1:]:
            raise UsageError(
                f"{subject}, input '{spec.name}'",
                expected="rows of one shape",
                found=f"{list(arrays[0].shape[1:])} and {list(array.shape[1:])}",
                remedy="pad the shorter ones",
            )
    return np.concatenate(arrays)


def _failed(error: BaseException, subject: str) -> UsageError:
    return UsageError(
        subject,
        expected="a function that yields inputs",
        found=brief(error),
        remedy="call it in Python to see where it fails",
    )
