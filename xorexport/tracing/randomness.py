"""Models that draw random numbers when they predict: no two runs agree, so no two formats can."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from xorexport.errors import ModelError
from xorexport.tracing.culprits import layers_with
from xorexport.tracing.trace import Traced

RANDOM = re.compile(r"Random|Multinomial|TruncatedNormal|Shuffle")
"""Of TensorFlow's op types, those that draw."""


def check_repeatable(traced: Traced, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuse a model that predicts something else each time.

    Args:
        inputs: by canonical name, each of shape (rows, ...).

    Raises:
        ModelError: it names the layer that draws.
    """
    drawing = sorted(op_type for op_type in traced.op_types if RANDOM.search(op_type))
    if not drawing:
        return
    first, second = (run(traced, inputs) for _ in range(2))
    changed = [name for name, array in first.items() if not np.array_equal(array, second[name], equal_nan=True)]
    if changed:
        raise ModelError(
            f"model '{traced.model.name}'",
            expected="a model that predicts the same for the same inputs",
            found=f"other values of '{changed[0]}' each time: {layers_with(traced, drawing)}",
            remedy="export the layers before the one that draws, or let it return the mean when it is not training",
        )


def run(traced: Traced, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the trace computes, by canonical name."""
    outputs = traced.concrete(*(inputs[spec.name] for spec in traced.signature.inputs))
    return {name: np.asarray(outputs[name]) for name in outputs}
