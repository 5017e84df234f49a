"""Dtypes by name: those of NumPy, and `string`, whose values are Python's `str` in an array of objects."""

from __future__ import annotations

from typing import Any

import numpy as np

STRING = "string"
KINDS = "fiub"
"""Floats, integers, unsigned integers, truth values."""


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of arrays that hold values of a dtype.

    Raises:
        TypeError: there is none of that name.
    """
    return np.dtype(object if name == STRING else name)


def name_of(dtype: Any) -> str:
    """The name of an array's dtype; whatever holds text is `string`."""
    dtype = np.dtype(dtype)
    return STRING if dtype.kind in "OSU" else dtype.name


def known(name: str) -> bool:
    """Whether inputs and outputs may be of a dtype: numbers, truth values or strings."""
    try:
        return name == STRING or (np.dtype(name).kind in KINDS and np.dtype(name).name == name)
    except TypeError:
        return False


def texts(array: Any) -> np.ndarray:
    """An array whose strings, if it holds any, are Python's: TensorFlow and Arrow return bytes, or their own types.

    Bytes that are no UTF-8 become marks of replacement.
    """
    found: np.ndarray = np.asarray(array)
    if name_of(found.dtype) != STRING:
        return found
    decoded: Any = [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in found.flat]
    result: np.ndarray = np.array(decoded, dtype=object).reshape(found.shape)
    return result
