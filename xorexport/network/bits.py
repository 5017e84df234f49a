"""Compares arrays bit for bit: NaN equals itself, and 0.0 is not -0.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def array_difference(first: np.ndarray, second: np.ndarray) -> str | None:
    """The first difference between two arrays, row first, or None where every bit is the same.

    Args:
        first: of any dtype; objects are strings.
        second: the same.
    """
    for field in ("dtype", "shape"):
        values = getattr(first, field), getattr(second, field)
        if values[0] != values[1]:
            return f"{field} is {values[0]} in the first model, {values[1]} in the second"
    if first.dtype.kind == "O":
        wide = np.result_type(first.astype(str), second.astype(str))
        first, second = first.astype(wide), second.astype(wide)
    if first.tobytes() == second.tobytes():
        return None
    different = (_bytes(first) != _bytes(second)).any(axis=-1)
    index = tuple(int(axis) for axis in np.argwhere(different)[0])
    values = _texts(first[index], second[index])
    if first.size == 1:
        return f"it is {values[0]} in the first model, {values[1]} in the second"
    return (
        f"{np.count_nonzero(different):,} of {first.size:,} values differ, first at {list(index)}, "
        f"which is {values[0]} in the first model, {values[1]} in the second"
    )


def list_difference(first: Sequence[np.ndarray], second: Sequence[np.ndarray], names: Sequence[str]) -> str | None:
    """The first difference between two equally long lists of arrays, with the name of the array in front."""
    for name, one, other in zip(names, first, second, strict=True):
        found = array_difference(one, other)
        if found is not None:
            return f"{name}: {found}"
    return None


def _bytes(array: np.ndarray) -> np.ndarray:
    """The same array with its bytes on a last axis: shape (..., itemsize)."""
    flat = np.frombuffer(array.tobytes(), np.uint8)
    return flat.reshape(*array.shape, array.dtype.itemsize)


def _texts(first: Any, second: Any) -> tuple[str, str]:
    """Two values as text: the shortest that tells them apart, and their bits where none does (NaN)."""
    texts = str(first), str(second)
    if texts[0] != texts[1]:
        return texts
    return f"{first} (0x{_hexadecimal(first)})", f"{second} (0x{_hexadecimal(second)})"


def _hexadecimal(value: Any) -> str:
    return np.asarray(value).tobytes()[::-1].hex()
