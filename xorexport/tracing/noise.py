"""A tolerance that suits the model's own arithmetic.

Engines add in other orders than Keras does, so each of their operations may be off in the last place. A model passes
such differences on, larger or smaller: how much, is seen when its inputs are moved by one unit in the last place.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xorexport.network.policy import SINGLE, unit_roundoff
from xorexport.samples import SampleSet
from xorexport.spec import Tolerance
from xorexport.tracing.randomness import run
from xorexport.tracing.trace import Traced

BASE = 1e-5
"""Relative and absolute, in float32: some 80 units in the last place."""
HALF_UNITS = 16
"""The same in half precision, in units of its roundoff."""
SAFETY = 10
"""How much further than the model moves by itself an engine may be off."""
LIMIT = 100
"""The most that the tolerance is loosened by. What moves further is a step of the model, not its noise."""


def tolerance(traced: Traced, samples: SampleSet) -> Tolerance:
    """The tolerance of float32 artifacts: `BASE`, or more where the model itself is less certain than that."""
    roundoff = unit_roundoff(traced.model)
    if roundoff > SINGLE:
        return Tolerance(rtol=HALF_UNITS * roundoff, atol=HALF_UNITS * roundoff)
    still = run(traced, samples.inputs)
    factor = _rounded(SAFETY * _movement(traced, samples.inputs, still))
    return Tolerance(
        rtol=float(f"{BASE * factor:.0e}"), atol=float(f"{BASE * max(factor, _rounded(_scale(still))):.0e}")
    )


def _rounded(factor: float) -> float:
    """To one digit, from 1 to `LIMIT`."""
    return 1.0 if factor <= 1 else min(float(f"{factor:.0e}"), LIMIT)


def _scale(outputs: Mapping[str, np.ndarray]) -> float:
    """The largest number of all float outputs: a small one next to it is a sum of parts as large."""
    largest = (np.abs(array[np.isfinite(array)]) for array in outputs.values() if array.dtype.kind == "f")
    return max((float(values.max(initial=0.0)) for values in largest), default=0.0)


def _movement(traced: Traced, inputs: Mapping[str, np.ndarray], still: Mapping[str, np.ndarray]) -> float:
    """How far float outputs move when every float input moves by one unit in the last place, in units of `BASE`."""
    if not any(array.dtype.kind == "f" for array in inputs.values()):
        return 0.0
    largest = 0.0
    for direction in (-np.inf, np.inf):
        moved = run(traced, {name: _nudged(array, direction) for name, array in inputs.items()})
        for name, array in still.items():
            if array.dtype.kind == "f" and array.size and np.isfinite(array).all():
                distance = np.abs(moved[name].astype(np.float64) - array) / (BASE + BASE * np.abs(array))
                largest = max(largest, float(np.nan_to_num(distance, nan=0.0).max()))
    return largest


def _nudged(array: np.ndarray, direction: float) -> np.ndarray:
    return np.nextafter(array, array.dtype.type(direction)) if array.dtype.kind == "f" else array
