"""What quantising costs: pure functions on predictions. A value that is lost is never left out of the account."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from xorexport.errors import MismatchError
from xorexport.spec import Budget, Decision
from xorexport.verification.comparison import flips

SLACK = 1.25
"""How much further than the engines of the export another engine or machine may be off."""
FLOOR = 1e-6
"""What is added to it: the rounding of float32 itself."""


def excess(budget: Budget, max_error: float | None, max_flips: int | None) -> str:
    """Why this is more than what was allowed, in plain words, or empty where it is not.

    A lost value is too much even where nothing was said about errors.

    Args:
        max_error: the largest absolute error to allow, or `None` for any finite one.
        max_flips: the largest number of flipped decisions to allow, or `None` for any.
    """
    if budget.max_abs is None:
        return f"{budget.lost} values of '{budget.output}' are lost: not finite on one side alone"
    if max_error is not None and not budget.max_abs <= max_error:
        return f"the largest error of '{budget.output}' is {budget.max_abs:.3g}, more than {max_error:g}"
    if max_flips is not None and budget.flips is not None and budget.flips > max_flips:
        return f"{budget.flips} of {budget.rows} decisions of '{budget.output}' flip, more than {max_flips}"
    return ""


def measure(name: str, actual: np.ndarray, expected: np.ndarray, decision: Decision | None) -> Budget:
    """Measure one output, in float64.

    `snr_db = 10 log10(sum expected^2 / sum (actual - expected)^2)`: the ratio of mean powers in decibels, as in
    Oppenheim and Schafer, "Discrete-Time Signal Processing", on quantisation noise.

    Args:
        name: the output's canonical name.
        actual: what the quantised artifact predicts, as numbers (not as the integers of integer ends).
        expected: of the same shape (rows, ...): what the model itself predicts.
        decision: how the output chooses a class, or `None`.

    Raises:
        MismatchError: the shapes differ, or there is nothing in them.
    """
    if actual.shape != expected.shape or expected.size == 0:
        raise MismatchError(
            f"output '{name}'",
            expected=f"values of shape {list(expected.shape)}, at least one",
            found=f"shape {list(actual.shape)}",
            remedy="measure on the rows that the reference was recorded for",
        )
    found, wanted = actual.astype(np.float64), expected.astype(np.float64)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where(same, 0.0, np.abs(found - wanted))
    if expected.dtype.kind != "f":
        # float64 cannot tell large neighbouring whole numbers apart.
        error = np.where(actual == expected, 0.0, np.maximum(error, 1.0))
    lost = int(np.count_nonzero(~np.isfinite(error)))
    signal = float(np.square(np.where(np.isfinite(wanted), wanted, 0.0)).sum())
    largest = None if lost else float(error.max())
    return Budget(
        output=name,
        rows=len(expected),
        max_abs=largest,
        mean_abs=None if lost else float(error.mean()),
        snr_db=None if lost else _decibels(signal, float(np.square(error).sum())),
        lost=lost,
        flips=flips(actual, expected, decision),
        limit=None if largest is None else _rounded_up(SLACK * largest + FLOOR),
    )


def worst(budgets: Sequence[Budget]) -> Budget:
    """One output's budget on several engines: of each measure the worst."""
    lost = max(budget.lost for budget in budgets)
    flipped = [budget.flips for budget in budgets if budget.flips is not None]
    ratios = [budget.snr_db for budget in budgets if budget.snr_db is not None]
    return msgspec.structs.replace(
        budgets[0],
        max_abs=None if lost else max(budget.max_abs or 0.0 for budget in budgets),
        mean_abs=None if lost else max(budget.mean_abs or 0.0 for budget in budgets),
        snr_db=None if lost or not ratios else min(ratios),
        lost=lost,
        flips=max(flipped) if flipped else None,
        limit=None if lost else max(budget.limit or 0.0 for budget in budgets),
    )


def _rounded_up(number: float) -> float:
    """To two digits."""
    digit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / digit) * digit:.1e}")


def _decibels(signal: float, noise: float) -> float | None:
    if signal == 0.0 or noise == 0.0:
        return None
    return 10 * math.log10(signal / noise)
