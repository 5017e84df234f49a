"""The tolerance that suits a model: loose where its own arithmetic is, and never so loose that an error passes."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sample_models import randomised

from xorexport.samples import SampleSet
from xorexport.tracing import noise
from xorexport.tracing.trace import trace

X = np.random.default_rng(8).uniform(-1, 1, (6, 3)).astype(np.float32)


def tolerance(function, x=X, dtype="float32"):
    source = keras.Input(x.shape[1:], dtype=dtype, name="x")
    model = keras.Model(source, function(source))
    return noise.tolerance(trace(model), SampleSet("samples", "", {"x": x}, (len(x),)))


def both(function, **options):
    found = tolerance(function, **options)
    return found.rtol, found.atol


def test_a_model_that_passes_noise_on_as_it_is_has_the_tolerance_of_float32():
    assert both(lambda x: layers.Dense(2)(ops.tanh(x))) == (1e-5, 1e-5)
    assert both(lambda x: x * 0.01) == (1e-5, 1e-5)


@pytest.mark.parametrize(("scale", "expected"), [(5, 1e-5), (50, 6e-5), (100, 1e-4), (300, 4e-4)])
def test_a_model_that_amplifies_noise_is_given_ten_times_what_it_moves_by(scale, expected):
    # Next to 1 a unit in the last place is 2^-23; the difference to 1 is 0.0001, so hardly anything of it is relative.
    assert both(lambda x: (x - 1.0) * scale, x=np.float32([[1.0001], [1.0]])) == (expected, expected)
    assert expected == max(float(f"{10 * 2.0**-23 * scale:.0e}"), 1e-5)


def test_one_unit_in_the_last_place_either_way_is_looked_at():
    # A step just above its input: down it does not move, up it does, by far.
    edge = np.nextafter(np.float32(0.5), np.float32(1))

    def step(x):
        return ops.where(x >= edge, x + 1e-3, x)

    assert both(step, x=np.float32([[0.5]])) == (1e-3, 1e-3)
    assert both(step, x=np.float32([[edge]])) == (1e-3, 1e-3)
    assert both(step, x=np.float32([[0.25]])) == (1e-5, 1e-5)


def test_the_limit_is_a_hundred_times_the_tolerance_of_float32():
    assert both(lambda x: ops.where(x >= 0.5, x + 100.0, x), x=np.float32([[0.5]]))[0] == 1e-3
    assert noise.LIMIT * noise.BASE == 1e-3


@pytest.mark.parametrize(("scale", "atol"), [(1.0, 1e-5), (30.0, 3e-4), (2000.0, 1e-3)])
def test_large_outputs_loosen_what_is_absolute_alone(scale, atol):
    x = np.float32([[1.0], [0.5]])
    assert both(lambda x: x * scale, x=x) == (1e-5, atol)


def test_whole_numbers_and_infinities_have_no_noise():
    assert both(lambda x: x * 1000, x=np.int32([[1], [7]]), dtype="int32") == (1e-5, 1e-5)
    assert both(lambda x: ops.cast(x * 1e6, "int32")) == (1e-5, 1e-5)
    assert both(lambda x: ops.log(ops.relu(x) * 0.0)) == (1e-5, 1e-5)


@pytest.mark.parametrize(("dtype", "units"), [("float16", 16 * 2.0**-11), ("bfloat16", 16 * 2.0**-8)])
def test_half_precision_has_sixteen_units_of_its_own(dtype, units):
    assert both(lambda x: layers.Dense(2, dtype=dtype)(x)) == (units, units)
    assert both(lambda x: layers.Dense(2)(layers.Dense(2, dtype=f"mixed_{dtype}")(x))) == (units, units)


def test_a_wrong_weight_is_no_noise():
    x = keras.Input((3,), name="x")
    model = randomised(keras.Model(x, layers.Dense(2, name="y")(layers.Dense(8, activation="tanh")(x))))
    found = noise.tolerance(trace(model), SampleSet("samples", "", {"x": X}, (6,)))
    before = np.asarray(model(X))
    kernel = model.layers[1].kernel
    kernel.assign(np.asarray(kernel) * np.float32(1.001))
    assert (np.abs(np.asarray(model(X)) - before) > found.atol + found.rtol * np.abs(before)).any()
