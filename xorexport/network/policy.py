"""The dtypes that a model computes in."""

from __future__ import annotations

from collections.abc import Iterable

import keras

OTHER_FLOATS = ("float16", "bfloat16", "float64")
SINGLE = 2.0**-24
"""Of float32. Engines compute in nothing finer."""


def policy_of(model: keras.Model) -> str:
    """The policies of the layers that do not compute in float32, or nothing where all do."""
    policies = {
        layer.dtype_policy.name
        for layer in model._flatten_layers()
        if layer.compute_dtype in OTHER_FLOATS and not isinstance(layer, keras.layers.InputLayer)
    }
    return ", ".join(sorted(policies))


def unit_roundoff(model: keras.Model, others: Iterable[str] = ()) -> float:
    """Half the distance from 1 to the next number, in the coarsest float dtype that a layer computes in.

    Args:
        others: dtypes that are used besides.
    """
    roundoff = {"bfloat16": 2.0**-8, "float16": 2.0**-11}
    dtypes = (*(layer.compute_dtype or "float32" for layer in model._flatten_layers()), *others)
    return max(roundoff.get(dtype, SINGLE) for dtype in dtypes)
