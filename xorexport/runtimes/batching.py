"""Runs any number of rows on an engine, also where an artifact takes batches of one size only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xorexport.errors import UsageError
from xorexport.runtimes.base import Session
from xorexport.spec import Signature

Arrays = dict[str, np.ndarray]


def fixed_batch(signature: Signature) -> int | None:
    """The size of the batches that a signature fixes, or `None` where it takes any.

    Raises:
        UsageError: its inputs fix different ones, so no rows fit all of them.
    """
    fixed = {spec.name: spec.shape[0] for spec in signature.inputs if spec.shape and spec.shape[0] is not None}
    if len(set(fixed.values())) > 1:
        raise UsageError(
            "inputs",
            expected="one size of batches",
            found=", ".join(f"{size} for '{name}'" for name, size in fixed.items()),
            remedy="export the model with a dynamic batch",
        )
    return next(iter(fixed.values()), None)


def run_rows(session: Session, signature: Signature, inputs: Mapping[str, np.ndarray], batch: int | None) -> Arrays:
    """Run rows in batches, and put the outputs together again.

    Where the signature fixes another size, batches are of that one: the last is filled up with its last row, and what
    comes out for the filling is dropped.

    Args:
        signature: the artifact's.
        inputs: by canonical name, of the signature's dtypes, each of shape (rows, ...).
        batch: the size of the batches where the signature fixes none; `None` for all rows at once.

    Returns:
        Outputs by canonical name, one batch's after the other along the first axis; nothing where there are no rows.

    Raises:
        UsageError: the batch has to be filled up, and an output has not one row for each of the input's.
        XorexportError: as `Session.run`.
    """
    rows = len(next(iter(inputs.values())))
    fixed = fixed_batch(signature)
    size = fixed or batch or max(rows, 1)
    parts = []
    for start in range(0, rows, size):
        part = {name: array[start : start + size] for name, array in inputs.items()}
        lacking = size - min(size, rows - start) if fixed else 0
        outputs = session.run({name: _filled(array, lacking) for name, array in part.items()})
        parts.append({name: _without(array, lacking, size, name) for name, array in outputs.items()})
    return {name: _joined([part[name] for part in parts]) for name in parts[0]} if parts else {}


def _filled(array: np.ndarray, lacking: int) -> np.ndarray:
    """The rows and, `lacking` times, the last of them."""
    return np.concatenate([array, np.repeat(array[-1:], lacking, axis=0)]) if lacking else array


def _without(array: np.ndarray, lacking: int, size: int, name: str) -> np.ndarray:
    """An output without the rows that belong to the filling."""
    if not lacking:
        return array
    if array.ndim == 0 or len(array) != size:
        raise UsageError(
            "rows",
            expected=f"a multiple of {size}, since output '{name}' has not one row for each of the input's",
            found=f"{size - lacking} left over",
            remedy=f"give a multiple of {size} rows",
        )
    return array[: size - lacking]


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
