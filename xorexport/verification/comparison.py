"""Compares two arrays: pure functions, no I/O. Whatever cannot be compared is a failure, never a pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from xorexport.results import Comparison, Outcome
from xorexport.spec import Decision, Tolerance

THRESHOLD = 0.5


def compare(
    name: str,
    actual: np.ndarray | None,
    expected: np.ndarray,
    tolerance: Tolerance,
    decision: Decision | None = None,
) -> Comparison:
    """Hold one output against its reference.

    `|actual - expected| <= atol + rtol * |expected|` must be true of every float; values that are not finite, whole
    numbers, truth values and strings must be the same in the same place.

    Args:
        actual: of any shape, or `None` where the engine returned no such output.
        expected: of shape (rows, ...).
    """
    reason = _incomparable(actual, expected)
    if actual is None or reason:
        return Comparison(output=name, outcome=Outcome.FAIL, reason=reason)
    found, wanted = _numbers(actual, expected)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.abs(found - wanted)
        difference[found == wanted] = 0.0  # equal infinities
        difference[np.isnan(found) & np.isnan(wanted)] = 0.0
        difference[np.isnan(difference)] = np.inf  # NaN on one side
        allowed = tolerance.atol + tolerance.rtol * np.abs(wanted)
        allowed[~np.isfinite(allowed)] = tolerance.atol
    if expected.dtype.kind != "f":
        # float64 cannot tell large neighbouring whole numbers apart.
        difference = np.where(actual == expected, 0.0, np.maximum(difference, 1.0))
        allowed = np.zeros_like(difference)
    excess = _ratio(difference, allowed)
    worst = np.unravel_index(int(np.argmax(excess)), excess.shape)
    matches = bool(np.all(difference <= allowed))
    return Comparison(
        output=name,
        outcome=Outcome.PASS if matches else Outcome.FAIL,
        max_abs=float(difference.max()),
        max_rel=float(_ratio(difference, np.abs(wanted)).max()),
        max_ulp=max_ulp(actual, expected),
        worst=tuple(int(index) for index in worst),
        flips=flips(actual, expected, decision),
        reason="" if matches else _misses(actual, expected, difference, allowed, worst),
    )


def max_ulp(actual: np.ndarray, expected: np.ndarray) -> int | None:
    """Largest distance in units in the last place; `None` for integers, and where a value is not finite."""
    dtype = expected.dtype
    if dtype.kind != "f" or actual.dtype != dtype:
        return None
    if not (np.isfinite(actual).all() and np.isfinite(expected).all()):
        return None
    ordered = [_ordered(array) for array in (actual, expected)]
    return int(np.abs(ordered[0] - ordered[1]).max())


def flips(actual: np.ndarray, expected: np.ndarray, decision: Decision | None) -> int | None:
    """Rows in which the two arrays decide for different classes; `None` where the output makes no decision."""
    if decision is None:
        return None
    return int(np.count_nonzero(decide(actual, decision) != decide(expected, decision)))


def decide(array: np.ndarray, decision: Decision) -> np.ndarray:
    """The class of each row: shape (rows, ...) without the last axis."""
    if decision is Decision.THRESHOLD:
        return np.asarray(array[..., 0] > THRESHOLD, dtype=np.int64)
    return np.asarray(np.argmax(array, axis=-1))


def _incomparable(actual: np.ndarray | None, expected: np.ndarray) -> str:
    if actual is None:
        return "the engine returned no such output"
    if actual.shape != expected.shape:
        return f"shape {list(actual.shape)} instead of {list(expected.shape)}"
    if actual.dtype != expected.dtype:
        return f"dtype {actual.dtype} instead of {expected.dtype}"
    if expected.size == 0:
        return "there is nothing to compare"
    return ""


def _ratio(value: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """`value / unit`, where 0 / 0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(value == 0.0, 0.0, value / unit)


def _ordered(array: np.ndarray) -> np.ndarray:
    """Map floats to integers so that neighbouring floats are neighbouring integers, over zero as well.

    Method: the bits of a float, read as a sign and a magnitude; see B. Dawson, "Comparing Floating Point
    Numbers, 2012 Edition".
    """
    if array.dtype.itemsize == 8:
        # Differences of 64-bit patterns may not fit; float64 resolves any that could matter.
        bits = array.view(np.int64).astype(object)
        return np.where(bits < 0, -(bits + 2**63), bits)
    bits = array.view(f"i{array.dtype.itemsize}").astype(np.int64)
    return np.where(bits < 0, -(bits + (1 << (8 * array.dtype.itemsize - 1))), bits)


def _numbers(actual: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64; of strings, 1 where they are the expected ones."""
    if expected.dtype.kind == "O":
        return (actual == expected).astype(np.float64), np.ones(expected.shape)
    return actual.astype(np.float64), expected.astype(np.float64)


def _misses(
    actual: np.ndarray,
    expected: np.ndarray,
    difference: np.ndarray,
    allowed: np.ndarray,
    worst: tuple[np.intp, ...],
) -> str:
    count = int(np.count_nonzero(~(difference <= allowed)))
    return (
        f"{count} of {difference.size} values differ; at {[int(index) for index in worst]} "
        f"expected {_shown(expected[worst])} +- {allowed[worst]:.2g}, found {_shown(actual[worst])}"
    )


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:.9g}"
