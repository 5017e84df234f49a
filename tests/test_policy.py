"""The dtypes that a model computes in, and how fine they are."""

import keras
import numpy as np
import pytest
from keras import layers

from xorexport.network.policy import SINGLE, policy_of, unit_roundoff


def model_of(*dtypes, **options):
    x = keras.Input((3,), name="x", **options)
    hidden = x
    for dtype in dtypes:
        hidden = layers.Dense(2, dtype=dtype)(hidden)
    return keras.Model(x, hidden, name="m")


def test_a_model_in_float32_has_none_to_speak_of():
    assert policy_of(model_of("float32", "float32")) == ""
    # What comes in is no layer's policy.
    for dtype in ("float16", "float64", "int32"):
        assert policy_of(model_of("float32", dtype=dtype)) == ""


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"])
def test_another_policy_is_named_once(dtype):
    assert policy_of(model_of("float32", dtype, dtype)) == dtype


def test_other_dtypes_may_be_coarser():
    assert unit_roundoff(model_of("float32"), {"float64", "float32"}) == SINGLE
    assert unit_roundoff(model_of("float16"), ["bfloat16"]) == 2.0**-8


def test_several_are_named_in_order_of_their_names():
    assert policy_of(model_of("mixed_float16", "bfloat16", "float32", "float64")) == "bfloat16, float64, mixed_float16"


def test_models_inside_are_looked_into():
    x = keras.Input((3,), name="x")
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="float16")])
    assert policy_of(keras.Model(x, inner(x))) == "float16"
    assert unit_roundoff(keras.Model(x, inner(x))) == 2.0**-11


@pytest.mark.parametrize(
    ("dtypes", "roundoff"),
    [
        (["float32"], 2.0**-24),
        (["float64"], 2.0**-24),
        (["float16"], 2.0**-11),
        (["mixed_bfloat16"], 2.0**-8),
        (["float32", "mixed_float16", "float64"], 2.0**-11),
        (["bfloat16", "float16"], 2.0**-8),
    ],
)
def test_the_coarsest_dtype_says_how_fine_a_model_is(dtypes, roundoff):
    assert unit_roundoff(model_of(*dtypes)) == roundoff


def test_half_a_unit_is_what_rounding_may_lose():
    import ml_dtypes

    for dtype, roundoff in ((np.float32, SINGLE), (np.float16, 2.0**-11), (ml_dtypes.bfloat16, 2.0**-8)):
        assert float(ml_dtypes.finfo(dtype).eps) / 2 == roundoff
