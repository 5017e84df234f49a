"""Turns what a user gives into an array as a model takes it: the same numbers in the model's dtype and shape."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from xorexport.dtypes import STRING, name_of, numpy_dtype, texts
from xorexport.errors import UsageError, brief
from xorexport.inputs.base import described, listed
from xorexport.spec import TensorSpec

KINDS = {"b": "truth values", "i": "integers", "u": "integers", "f": "floats", "c": "complex numbers"}
KINDS |= {"M": "dates", "m": "durations", "U": "text", "S": "text", "O": "values that are no numbers, or missing"}

_INTEGER = re.compile(r"\s*[+-]?\d+\s*")


def parsed(text: str, dtype: str) -> float | int | str:
    """A value as a dtype can hold it: a whole number is kept exactly, also beyond float64.

    Raises:
        ValueError: it is no number, or none that the dtype holds.
    """
    if dtype == STRING:
        return text
    if np.dtype(dtype).kind == "f":
        return float(text)
    value = int(text) if _INTEGER.fullmatch(text) else float(text)
    try:
        whole = int(value)
    except OverflowError as error:
        raise ValueError(text) from error
    low, high = _limits(dtype)
    if whole != value or not low <= whole <= high:
        raise ValueError(text)
    return whole


def kind_of(dtype: str) -> str:
    """What `parsed` takes, in words."""
    return "numbers" if np.dtype(dtype).kind == "f" else f"whole numbers that {dtype} holds"


def assemble(arrays: Mapping[str, object], specs: Sequence[TensorSpec], subject: str) -> dict[str, np.ndarray]:
    """Fit the arrays of all inputs, and hold their rows against each other.

    Args:
        arrays: by canonical name, one for every input.

    Raises:
        UsageError: one does not fit its input, or they have not equally many rows.
    """
    fitted = {spec.name: fit(arrays[spec.name], spec, subject) for spec in specs}
    rows = {name: len(array) for name, array in fitted.items()}
    if len(set(rows.values())) > 1:
        raise UsageError(
            subject,
            expected="equally many rows for every input",
            found=listed([f"{count} for '{name}'" for name, count in rows.items()]),
            remedy="give every input a value for every row",
        )
    return fitted


def fit(value: object, spec: TensorSpec, subject: str) -> np.ndarray:
    """An array of the spec's dtype and of shape (rows, ...) from an array, or from nested lists of numbers.

    Where the first axis is missing, it is one row. The first dimension of the spec does not count: a fixed one is a
    matter of the batches that rows are run in.

    Raises:
        UsageError: the shape is another, nothing is in it, or the dtype cannot hold the numbers.
    """
    subject = f"{subject}, input '{spec.name}'"
    array = _as_array(value, subject)
    if _matches(array.shape, spec.shape[1:]):
        array = array[np.newaxis]
    elif not _matches(array.shape[1:], spec.shape[1:]):
        raise UsageError(
            subject,
            expected=described([spec]),
            found=f"the shape {list(array.shape)}",
            remedy="give one row after another along the first axis",
        )
    if array.size == 0:
        raise UsageError(
            subject, expected="at least one row with values", found=f"the shape {list(array.shape)}", remedy="add rows"
        )
    return cast(array, spec.dtype, subject)


def cast(array: np.ndarray, dtype: str, subject: str) -> np.ndarray:
    """The same values in another dtype.

    Floats may be rounded to shorter floats. Everything else has to be exact: whole numbers as floats, floats as whole
    numbers, numbers as truth values, text.

    Raises:
        UsageError: a number would change, or these are no values of such a kind.
    """
    target = numpy_dtype(dtype)
    if dtype == STRING and name_of(array.dtype) == STRING:
        return _text(array, subject)
    if array.dtype == target:
        return array
    if dtype == STRING or array.dtype.kind not in "biuf":
        found = KINDS.get(array.dtype.kind, str(array.dtype))
        expected, remedy = ("text", "write strings") if dtype == STRING else (dtype, "give numbers")
        raise UsageError(subject, expected=expected, found=found, remedy=remedy)
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(target)
        lost = _lost(array, result)
    if lost.any():
        worst = array[lost].flat[0]
        raise UsageError(
            subject,
            expected=f"{array.dtype} that {dtype} holds without loss",
            found=f"{worst}",
            remedy="round or scale the values first",
        )
    return result


def _text(array: np.ndarray, subject: str) -> np.ndarray:
    """Strings, of which none is something else."""
    other = next((value for value in array.flat if not isinstance(value, (str, bytes))), None)
    if array.dtype.kind == "O" and (other is not None or None in array):
        raise UsageError(subject, expected="text", found=f"{other}", remedy="write strings, and leave no value out")
    return texts(array)


def _lost(array: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Where a cast changed a number by more than rounding floats to floats."""
    source, target = array.dtype.kind, result.dtype.kind
    if source == "b":
        return np.zeros(array.shape, dtype=bool)
    if source == target == "f":
        return np.asarray(np.isfinite(array) & ~np.isfinite(result))
    if target == "f":
        wide = result.astype(np.float64)
        held = _within(wide, array.dtype)
        return np.asarray(~held | (np.where(held, wide, 0).astype(array.dtype) != array))
    if source == "f":
        wide = array.astype(np.float64)
        return np.asarray(~(_within(wide, result.dtype) & (np.floor(wide) == wide)))
    (low, high), (own_low, own_high) = _limits(result.dtype.name), _limits(array.dtype.name)
    return np.asarray((array < max(low, own_low)) | (array > min(high, own_high)))


def _within(floats: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Where integers of a dtype can be made of floats: 2**63 is a float64 and the first one that int64 lacks."""
    low, high = _limits(dtype.name)
    return np.asarray((floats >= float(low)) & (floats < float(high + 1)))


def _limits(dtype: str) -> tuple[int, int]:
    if np.dtype(dtype).kind == "b":
        return 0, 1
    limits = np.iinfo(dtype)
    return int(limits.min), int(limits.max)


def _as_array(value: object, subject: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError, RuntimeError) as error:
        ragged = "inhomogeneous" in str(error)
        raise UsageError(
            subject,
            expected="numbers, or lists of them that are equally long",
            found="lists of different lengths" if ragged else brief(error),
            remedy="pad the shorter ones, or give them one by one",
        ) from error


def _matches(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == actual for size, actual in zip(wanted, shape, strict=True)
    )
