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
    return only(noise.tolerances(trace(model), SampleSet("samples", "", {"x": x}, (len(x),))))


def only(tolerances):
    """The tolerance of the only output."""
    (found,) = tolerances.values()
    return found


def both(function, **options):
    found = tolerance(function, **options)
    return found.rtol, found.atol


def test_a_model_that_passes_noise_on_as_it_is_has_the_tolerance_of_float32():
    assert both(lambda x: layers.Dense(2)(ops.tanh(x))) == (1e-5, 1e-5)
    assert both(lambda x: x * 0.01) == (1e-5, 1e-5)


ONES = np.ones((1000, 1), np.float32)


def difference(scale):
    """Zero for ones; where the product is off by one unit in the last place, that is left of it."""
    return lambda x: (x * 2.0 - 2.0) * scale


@pytest.mark.parametrize(("scale", "expected"), [(7, 1e-5), (60, 6e-5), (150, 1e-4), (450, 4e-4), (975, 9e-4)])
def test_a_model_that_amplifies_rounding_is_given_four_times_what_it_moves_by(scale, expected):
    assert both(difference(scale), x=ONES) == (expected, expected)
    assert expected == max(float(f"{4 * 2.0**-22 * scale:.0e}"), 1e-5)


def test_the_limit_is_a_hundred_times_the_tolerance_of_float32():
    assert both(difference(5000), x=ONES) == (1e-3, 1e-3)
    assert noise.LIMIT * noise.BASE == 1e-3


def test_rounding_inside_of_a_loop_counts_too():
    def loop(x):
        return ops.fori_loop(0, 9, lambda _, value: value * 2.0 - 1.0, x)

    rtol, _ = both(lambda x: loop(x), x=ONES)
    # Of 9 rounds, each of which doubles what the others were off by.
    assert 4 * 2.0**-23 * 2**9 < rtol < 4 * 2.0**-23 * 2**11


def test_a_jump_is_no_noise():
    assert both(lambda x: ops.where(x * 1.0 < 1.0, x + 0.01, x), x=ONES) == (1e-5, 1e-5)
    # One that is as small as noise may be is taken for noise.
    rtol, _ = both(lambda x: ops.where(x * 1.0 < 1.0, x + 3e-5, x), x=ONES)
    assert rtol == pytest.approx(6e-5, rel=0.2)


def test_the_tolerance_is_the_same_every_time():
    assert len({both(difference(187), x=ONES) for _ in range(3)}) == 1


def test_whole_numbers_infinities_and_doubles_have_no_noise_of_float32():
    assert both(lambda x: x * 1000, x=np.int32([[1], [7]]), dtype="int32") == (1e-5, 1e-5)
    assert both(lambda x: ops.cast(x * 1e6, "int32")) == (1e-5, 1e-5)
    assert both(lambda x: ops.log(ops.relu(x) * 0.0)) == (1e-5, 1e-5)
    assert both(difference(300), x=ONES.astype(np.float64), dtype="float64") == (1e-5, 1e-5)


def test_the_model_is_as_it_was_afterwards():
    source = keras.Input((1,), name="x")
    model = keras.Model(source, difference(300)(source))
    traced = trace(model)
    noise.tolerances(traced, SampleSet("samples", "", {"x": ONES}, (1000,)))
    assert not any("Random" in op_type for op_type in (*traced.op_types, *trace(model).op_types))


@pytest.mark.parametrize(("scale", "atol"), [(1.0, 1e-5), (30.0, 3e-4), (2000.0, 1e-3)])
def test_large_outputs_loosen_what_is_absolute_alone(scale, atol):
    x = np.float32([[1.0], [0.5]])
    assert both(lambda x: x * scale, x=x) == (1e-5, atol)


@pytest.mark.parametrize(("dtype", "units"), [("float16", 16 * 2.0**-11), ("bfloat16", 16 * 2.0**-8)])
def test_half_precision_has_sixteen_units_of_its_own(dtype, units):
    assert both(lambda x: layers.Dense(2, dtype=dtype)(x)) == (units, units)
    assert both(lambda x: layers.Dense(2)(layers.Dense(2, dtype=f"mixed_{dtype}")(x))) == (units, units)


def test_a_wrong_weight_is_no_noise():
    x = keras.Input((3,), name="x")
    model = randomised(keras.Model(x, layers.Dense(2, name="y")(layers.Dense(8, activation="tanh")(x))))
    found = only(noise.tolerances(trace(model), SampleSet("samples", "", {"x": X}, (6,))))
    before = np.asarray(model(X))
    kernel = model.layers[1].kernel
    kernel.assign(np.asarray(kernel) * np.float32(1.001))
    assert (np.abs(np.asarray(model(X)) - before) > found.atol + found.rtol * np.abs(before)).any()


def test_each_output_has_its_own():
    source = keras.Input((3,), name="x")
    outputs = {"large": source * 1000.0, "small": ops.softmax(source)}
    found = noise.tolerances(trace(keras.Model(source, outputs)), SampleSet("samples", "", {"x": X}, (6,)))
    assert found["small"].atol == 1e-5
    assert found["large"].atol > 1e-4
