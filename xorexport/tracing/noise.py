"""A tolerance that suits the model's own arithmetic.

Engines add in other orders than Keras does, so each of their operations may be off in the last place. A model passes
such differences on, larger or smaller: how much, is seen when each of its operations is moved by one unit in the last
place, at random.

Method: Monte Carlo arithmetic; D. S. Parker, "Monte Carlo arithmetic: exploiting randomness in floating-point
arithmetic", 1997.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.errors import XorexportError
from xorexport.network.policy import SINGLE, unit_roundoff
from xorexport.samples import SampleSet
from xorexport.spec import Tolerance
from xorexport.tracing.randomness import run
from xorexport.tracing.substitution import rewritten
from xorexport.tracing.trace import Traced, trace

BASE = 1e-5
"""Relative and absolute, in float32: some 80 units in the last place."""
HALF_UNITS = 16
"""The same in half precision, in units of its roundoff."""
SAFETY = 4
"""How much further than the model moves by itself an engine may be off."""
SEED = 1
UNIT = 2.0**-23
"""A unit in the last place of float32."""
ARITHMETIC = frozenset(
    {
        "AddV2",
        "AvgPool",
        "BatchMatMulV2",
        "BatchMatMulV3",
        "BiasAdd",
        "Conv2D",
        "Conv2DBackpropInput",
        "Conv3D",
        "Conv3DBackpropInputV2",
        "Cos",
        "DepthwiseConv2dNative",
        "Einsum",
        "Elu",
        "Erf",
        "Erfc",
        "Exp",
        "Expm1",
        "FusedBatchNormV3",
        "Log",
        "Log1p",
        "LogSoftmax",
        "MatMul",
        "Mean",
        "Mul",
        "Pow",
        "RealDiv",
        "Rsqrt",
        "Selu",
        "Sigmoid",
        "Sin",
        "Softmax",
        "Softplus",
        "Sqrt",
        "Square",
        "SquaredDifference",
        "Sub",
        "Sum",
        "Tanh",
    }
)
"""Op types that round."""
LIMIT = 100
"""The most that the tolerance is loosened by. What moves further is a step of the model, not its noise."""


def tolerances(traced: Traced, samples: SampleSet) -> dict[str, Tolerance]:
    """A tolerance for each output of float32 artifacts: `BASE`, or more where the model is less certain than that."""
    roundoff = unit_roundoff(traced.model, traced.dtypes)
    if roundoff > SINGLE:
        half = Tolerance(rtol=HALF_UNITS * roundoff, atol=HALF_UNITS * roundoff)
        return {spec.name: half for spec in traced.signature.outputs}
    still = run(traced, samples.inputs)
    moved = _moved(traced, samples.inputs)
    return {name: _tolerance(array, moved.get(name)) for name, array in still.items()}


def _tolerance(still: np.ndarray, moved: np.ndarray | None) -> Tolerance:
    if still.dtype.kind != "f" or not still.size:
        return Tolerance(rtol=BASE, atol=BASE)
    factor = 1.0 if moved is None else _rounded(SAFETY * _movement(still, moved))
    return Tolerance(
        rtol=float(f"{BASE * factor:.0e}"), atol=float(f"{BASE * max(factor, _rounded(_scale(still))):.0e}")
    )


def _rounded(factor: float) -> float:
    """To one digit, from 1 to `LIMIT`."""
    return 1.0 if factor <= 1 else min(float(f"{factor:.0e}"), LIMIT)


def _scale(output: np.ndarray) -> float:
    """The largest number of an output: a small one next to it is a sum of parts as large."""
    return float(np.abs(output[np.isfinite(output)]).max(initial=0.0))


def _movement(still: np.ndarray, moved: np.ndarray) -> float:
    """How far an output moves when every operation is off in the last place, in units of `BASE`.

    Steps do not count: where a rounding changes a decision, an output jumps, which is no noise.
    """
    with np.errstate(invalid="ignore"):
        distance = np.abs(moved.astype(np.float64) - still) / (BASE + BASE * np.abs(still))
    return float(distance[distance <= LIMIT].max(initial=0.0))


def _moved(traced: Traced, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs where every operation is off in the last place; nothing where that cannot be traced."""
    try:
        with rewritten(_Rounding(SEED)):
            return run(trace(traced.model, traced.interface, traced.plan), inputs)
    except XorexportError:
        return {}


class _Rounding:
    """Multiplies what arithmetic ops return by 1 or one unit in the last place more or less, each element at random."""

    def __init__(self, seed: int) -> None:
        self._seed, self._count = seed, 0

    def __call__(
        self, op_type: str, inputs: Sequence[Any], attributes: Mapping[str, Any], outputs: Sequence[Any]
    ) -> Sequence[Any] | None:
        if op_type not in ARITHMETIC or outputs[0].dtype != tf.float32:
            return None
        self._count += 1
        noise = tf.random.stateless_uniform(tf.shape(outputs[0]), [self._seed, self._count], -1.0, 1.0)
        return [outputs[0] * (1.0 + UNIT * noise), *outputs[1:]]
