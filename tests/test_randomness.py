"""Models that draw random numbers: refused by the layer that draws, but only where it shows."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from xorexport.errors import ModelError
from xorexport.tracing.randomness import check_repeatable, check_rows, run
from xorexport.tracing.trace import trace

X = np.random.default_rng(9).uniform(-1, 1, (5, 3)).astype(np.float32)


@keras.saving.register_keras_serializable("tests")
class Draws(layers.Layer):
    """Adds noise, at inference too."""

    def __init__(self, scale=1.0, **options):
        super().__init__(**options)
        self.scale = scale
        self.seed_generator = keras.random.SeedGenerator(3)

    def call(self, x):
        return x + self.scale * keras.random.normal(ops.shape(x), seed=self.seed_generator)


def model_of(*stack):
    x = keras.Input((3,), name="x")
    hidden = x
    for layer in stack:
        hidden = layer(hidden)
    return keras.Model(x, hidden, name="m")


def test_a_model_that_draws_is_refused_by_the_name_of_the_layer():
    model = model_of(layers.Dense(4), Draws(name="sampling"), layers.Dense(2, name="y"))
    with pytest.raises(ModelError, match=r"model 'm': .*other values of 'y' each time.*Random.* in layer 'sampling'"):
        check_repeatable(trace(model), {"x": X})


def test_the_output_that_changes_is_named_not_one_that_does_not():
    x = keras.Input((3,), name="x")
    drawn = Draws(name="drawn")(x)
    model = keras.Model(x, [layers.Dense(2, name="still")(x), layers.Dense(2, name="moving")(drawn)])
    with pytest.raises(ModelError, match="other values of 'moving' each time"):
        check_repeatable(trace(model), {"x": X})


def test_what_is_drawn_and_does_not_show_is_no_reason_to_refuse():
    for layer in (Draws(scale=0.0), layers.Dropout(0.5), layers.GaussianNoise(0.3)):
        check_repeatable(trace(model_of(layer, layers.Dense(2))), {"x": X})
    traced = trace(model_of(Draws(scale=0.0)))
    assert any("Random" in op_type for op_type in traced.op_types)


def test_a_model_that_predicts_no_number_is_repeatable():
    traced = trace(model_of(Draws(scale=0.0), layers.Lambda(lambda x: ops.log(-1.0 - ops.abs(x)), name="y")))
    assert np.isnan(run(traced, {"x": X})["y"]).all()
    check_repeatable(traced, {"x": X})


def stateful(layer):
    x = keras.Input(batch_shape=(5, 4, 3), name="x")
    return keras.Model(x, layers.Dense(2, name="y")(layer(x)), name="m")


@pytest.mark.parametrize(
    ("layer", "owner"),
    [
        (layers.LSTM(2, stateful=True, name="memory"), "memory"),
        (layers.GRU(2, stateful=True, dropout=0.5, name="memory"), "memory"),
        (layers.Bidirectional(layers.GRU(2, stateful=True, name="gru"), name="both"), "backward_gru"),
    ],
)
def test_a_layer_that_keeps_a_state_is_refused_by_name_and_has_its_state_again(layer, owner):
    model = stateful(layer)
    rows = np.random.default_rng(3).uniform(-1, 1, (5, 4, 3)).astype(np.float32)
    expected = np.asarray(model(rows))
    layer.reset_states() if hasattr(layer, "reset_states") else layer.reset_state()
    with pytest.raises(ModelError, match=f"found layer '{owner}', which keeps 'rnn_state' from .*stateful=False"):
        check_repeatable(trace(model), {"x": rows})
    np.testing.assert_array_equal(model(rows), expected)


class Counts(layers.Layer):
    """Counts its calls, and takes the number as it is."""

    def build(self, shape):
        self.calls = self.add_weight(shape=(), trainable=False, name="calls")

    def call(self, x):
        self.calls.assign(self.calls + 1.0)
        return x + 0.0 * self.calls


def test_a_variable_that_changes_is_put_back():
    layer = Counts(name="counter")
    traced = trace(model_of(layer, layers.Dense(2)))
    layer.calls.assign(40.0)
    with pytest.raises(ModelError, match="found layer 'counter', which keeps 'calls'"):
        check_repeatable(traced, {"x": X})
    assert layer.calls.numpy() == 40


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_rows_that_are_summed_up_are_refused_whatever_their_dtype(dtype):
    x = keras.Input((3,), name="x", dtype=dtype)
    rows = np.arange(15).reshape(5, 3).astype(dtype)
    for mixing, together in ((True, np.cumsum(rows, axis=0)), (False, np.cumsum(rows, axis=1))):
        traced = trace(keras.Model(x, {"total": ops.cumsum(x, axis=0 if mixing else 1)}))
        if mixing:
            with pytest.raises(ModelError, match=r"'total'.*found another one for the last row alone"):
                check_rows(traced, {"x": rows}, {"total": together})
        else:
            check_rows(traced, {"x": rows}, {"total": together})


def test_a_model_that_fails_on_the_rows_says_so_without_a_stack():
    class PerBatch(layers.Layer):
        def build(self, shape):
            self.rows = self.add_weight(shape=(4, 3))

        def call(self, x):
            return x + self.rows

    expected = r"model 'm': .*InvalidArgumentError: Incompatible shapes: .*\[4,3\].*; give the sizes .* --signature"
    with pytest.raises(ModelError, match=expected) as caught:
        run(trace(model_of(PerBatch())), {"x": X})
    assert "File" not in str(caught.value)


def test_a_trace_is_run_by_names_in_any_order():
    b, a = keras.Input((3,), name="b"), keras.Input((3,), name="a")
    model = keras.Model([b, a], {"y": layers.Subtract()([b, a]), "first": b * 1.0})
    found = run(trace(model), {"a": X, "b": 2 * X})
    assert list(found) == ["first", "y"] or set(found) == {"first", "y"}
    np.testing.assert_allclose(found["y"], X, rtol=1e-6)
    np.testing.assert_array_equal(found["first"], 2 * X)
