"""Recurrent layers in loops over plain tensors: what Keras' own loop computes, number for number."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.src import backend
from sample_models import randomised

from xorexport.tracing.equivalents.loops import plain_rnn
from xorexport.tracing.plans import Plan
from xorexport.tracing.randomness import run
from xorexport.tracing.trace import trace

RANDOM = np.random.default_rng(6)
BATCH, STEPS, UNITS = 5, 4, 3
SEQUENCE = RANDOM.uniform(-1, 1, (BATCH, STEPS, UNITS)).astype(np.float32)
STATES = [RANDOM.uniform(-1, 1, (BATCH, UNITS)).astype(np.float32) for _ in range(2)]
MASK = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 1]], bool)
"""All steps, none, a start, the first and one in between left out, and only the ends."""


def step(x, states):
    """Every output and state depends on the order in which the steps are taken."""
    first, second = states[:2]
    output = tf.tanh(x + 0.7 * first - 0.3 * second)
    return output, [output, 0.5 * second + x * first]


def both(function, *arrays, shapes=None):
    """What a function of an `rnn` returns with Keras' and with the plain one, in a graph, flat."""
    shapes = shapes or [array.shape for array in arrays]
    signature = [tf.TensorSpec(shape, array.dtype) for shape, array in zip(shapes, arrays, strict=True)]
    results = []
    for rnn in (backend.rnn, plain_rnn):
        traced = tf.function(lambda *a, rnn=rnn: function(rnn, *a), autograph=False, input_signature=signature)
        results.append([np.asarray(part) for part in tf.nest.flatten(traced(*arrays))])
    return results


def assert_equal(pair):
    expected, found = pair
    assert len(expected) == len(found) > 0
    for one, other in zip(expected, found, strict=True):
        assert (other.shape, other.dtype) == (one.shape, one.dtype)
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-6)
    return expected


UNKNOWN = [(None, None, UNITS), (None, UNITS), (None, UNITS), (None, None)]


@pytest.mark.parametrize("shapes", [None, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("masked", [False, True])
def test_every_way_to_go_through_a_sequence(masked, shapes):
    # What takes the place of masked outputs is of no account where there are none.
    flags = list(itertools.product((False, True), (False, True) if masked else (False,), (False, True)))

    def all_ways(rnn, x, first, second, mask):
        return [
            rnn(
                step,
                x,
                (first, second),
                go_backwards=backwards,
                mask=mask if masked else None,
                zero_output_for_mask=zero,
                return_all_outputs=everything,
            )
            for backwards, zero, everything in flags
        ]

    expected = assert_equal(both(all_ways, SEQUENCE, *STATES, MASK, shapes=shapes))
    by_way = {flags[i]: expected[4 * i : 4 * i + 4] for i in range(len(flags))}
    forwards, backwards = by_way[False, False, True], by_way[True, False, True]
    assert np.abs(forwards[0] - backwards[0]).max() > 0.01, "the order of the steps does not show"
    if masked:
        np.testing.assert_array_equal(forwards[2][1], STATES[0][1])
        assert not by_way[False, True, True][1][2, 2:].any()
        assert by_way[False, False, True][1][2, 2:].all()


def test_unrolling_is_the_same_loop():
    def ways(rnn, x, first, second, mask):
        return [
            rnn(step, x, (first, second), mask=given, unroll=True, zero_output_for_mask=zero)
            for given, zero in ((None, False), (mask, False), (mask, True))
        ]

    assert_equal(both(ways, SEQUENCE, *STATES, MASK))


def test_time_may_come_first():
    # Keras' own loop stops after as many rounds as the second dimension has; there are more rows than steps here.
    def along_time(rnn, x, first, second, mask):
        x, mask = tf.transpose(x, [1, 0, 2]), tf.transpose(mask)
        return [
            rnn(step, x, (first, second), mask=given, time_major=True, return_all_outputs=everything)
            for given, everything in itertools.product((None, mask), (False, True))
        ]

    expected = assert_equal(both(along_time, SEQUENCE, *STATES, MASK))
    assert [expected[i].shape[:2] for i in (1, 5)] == [(1, BATCH), (STEPS, BATCH)]


def test_a_mask_may_have_three_dimensions_or_be_of_numbers():
    def ways(rnn, x, first, second, mask):
        return [
            rnn(step, x, (first, second), mask=mask[..., None]),
            rnn(step, x, (first, second), mask=tf.cast(mask, tf.float32)),
        ]

    assert_equal(both(ways, SEQUENCE, *STATES, MASK))


@pytest.mark.parametrize("shapes", [None, UNKNOWN], ids=["known", "unknown"])
def test_a_sequence_may_have_one_step(shapes):
    def ways(rnn, x, first, second, mask):
        return [rnn(step, x, (first, second), mask=given, go_backwards=True) for given in (None, mask)]

    assert_equal(both(ways, SEQUENCE[:, :1], *STATES, MASK[:, 2:3], shapes=shapes))


def test_constants_states_of_any_structure_and_outputs_of_another_dtype():
    def other(x, states):
        (inner, (count,)), scale = states[0], states[-1]
        count = count + tf.cast(tf.math.reduce_sum(x, -1, keepdims=True) > 0, tf.int32)
        inner = tf.tanh(scale * x + inner)
        return tf.cast(count, tf.float64) + tf.cast(inner, tf.float64), [(inner, [count])]

    def ways(rnn, x, first, second):
        states = ((first, [tf.zeros([BATCH, 1], tf.int32)]),)
        return rnn(other, x, states, constants=[second])

    _, outputs, _, count = assert_equal(both(ways, SEQUENCE, *STATES))
    assert outputs.dtype == np.float64
    assert count.dtype == np.int32
    assert len(set(count.ravel())) > 1


def test_steps_may_be_images():
    def ways(rnn, x, state, mask):
        def mix(image, states):
            output = tf.nn.conv2d(image + states[0], tf.ones([2, 2, 2, 2]) / 9.0, 1, "SAME")
            return output, [output - image]

        return [rnn(mix, x, (state,), mask=given, zero_output_for_mask=True) for given in (None, mask)]

    images = RANDOM.uniform(-1, 1, (BATCH, STEPS, 4, 3, 2)).astype(np.float32)
    assert_equal(both(ways, images, images[:, 0] * 0.5, MASK))


# Keras' layers, as an exporter traces them.


@keras.saving.register_keras_serializable("tests")
class NestedCell(layers.Layer):
    """A cell with states of two ranks, which depend on the order of the steps."""

    state_size = (UNITS, (2, UNITS))

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], UNITS), name="kernel")

    def call(self, x, states, training=False):
        vector, matrix = states
        output = ops.tanh(ops.matmul(x, self.kernel) + 0.5 * vector - ops.sum(matrix, axis=1))
        matrix = 0.4 * ops.stack([matrix[:, 1], output], axis=1)
        return output, [output * vector + 0.1, matrix]

    def get_initial_state(self, batch_size=None):
        return [ops.ones((batch_size, UNITS)), ops.zeros((batch_size, 2, UNITS))]


def bidirectional(mode, **options):
    return layers.Bidirectional(layers.GRU(UNITS, return_sequences=True, **options), merge_mode=mode)


RECURRENT = {
    "lstm": lambda: layers.LSTM(UNITS, return_sequences=True, return_state=True),
    "lstm_last": lambda: layers.LSTM(UNITS, go_backwards=True, use_bias=False),
    "gru": lambda: layers.GRU(UNITS, return_sequences=True, return_state=True, go_backwards=True),
    "gru_old": lambda: layers.GRU(UNITS, reset_after=False, dropout=0.2, recurrent_dropout=0.3),
    "simple": lambda: layers.SimpleRNN(UNITS, return_sequences=True, activation="relu"),
    "concat": lambda: bidirectional("concat"),
    "both_last": lambda: layers.Bidirectional(layers.LSTM(UNITS), merge_mode="mul"),
    "nested": lambda: layers.RNN(NestedCell(), return_sequences=True),
    "stacked": lambda: layers.RNN([layers.LSTMCell(UNITS), layers.GRUCell(2)], return_sequences=True),
}


def traced_both_ways(model, inputs):
    """By the names of the outputs, flat, as `both` has it; no list of tensors is left."""
    plain = trace(model)
    other = plain.retraced(Plan(stand_ins=("rnn",)))
    assert any(op_type.startswith("TensorList") for op_type in plain.op_types)
    assert not any(op_type.startswith("TensorList") for op_type in other.op_types)
    assert "While" in other.op_types or "StatelessWhile" in other.op_types
    assert other.signature == plain.signature
    return [list(run(traced, inputs).values()) for traced in (plain, other)]


@pytest.mark.parametrize(
    ("steps", "names"), [(STEPS, list(RECURRENT)), (None, ["lstm", "gru_old", "nested"])], ids=["known", "unknown"]
)
def test_layers_predict_the_same(steps, names):
    x = keras.Input((steps, UNITS), name="x")
    model = randomised(keras.Model(x, {name: RECURRENT[name]()(x) for name in names}))
    assert_equal(traced_both_ways(model, {"x": SEQUENCE}))


def test_layers_predict_the_same_behind_a_mask():
    x = keras.Input((STEPS, UNITS), name="x")
    hidden = layers.Masking()(x)
    outputs = {name: RECURRENT[name]()(hidden) for name in ("lstm", "gru", "concat")}
    for zero in (False, True):
        cells = layers.RNN(layers.LSTMCell(UNITS), return_sequences=True, zero_output_for_mask=zero)
        outputs[f"zero_{zero}"] = cells(hidden)
    model = randomised(keras.Model(x, outputs))
    assert_equal(traced_both_ways(model, {"x": SEQUENCE * MASK[..., None]}))


def test_layers_of_images_predict_the_same():
    x, line = keras.Input((STEPS, 4, 3, 2), name="x"), keras.Input((STEPS, 5, 2), name="line")
    outputs = [
        layers.ConvLSTM2D(2, 2, padding="same", return_sequences=True)(x),
        layers.ConvLSTM1D(2, 3, go_backwards=True)(line),
    ]
    arrays = {spec.name: RANDOM.uniform(-1, 1, (BATCH, *spec.shape[1:])).astype(np.float32) for spec in (x, line)}
    assert_equal(traced_both_ways(randomised(keras.Model([x, line], outputs)), arrays))


def test_keras_has_its_own_loop_back_afterwards():
    own = backend.rnn
    x = keras.Input((STEPS, UNITS), name="x")
    trace(keras.Model(x, layers.GRU(2)(x)), plan=Plan(stand_ins=("rnn",)))
    assert backend.rnn is own is not plain_rnn
