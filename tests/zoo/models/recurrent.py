"""Recurrent layers: the converters unroll or lower their loops, each in its own way, with a dynamic batch."""

import keras
from keras import layers, ops

from zoo.registry import everywhere, kind


def over_steps(layer, steps=6, features=3):
    """A recurrent layer over a sequence, and a dense layer behind it."""
    x = keras.Input((steps, features), name="steps")
    return keras.Model(x, layers.Dense(2, name="next")(layer(x)))


@kind(sample=True)
def lstm():
    """LSTM: TensorFlow lowers its loop to tensor lists, which TFLite's built-in ops lack for a dynamic batch."""
    return over_steps(layers.LSTM(4))


@kind(sample=True)
def gru():
    """GRU with its reset after the product, which has two biases."""
    return over_steps(layers.GRU(4))


@kind()
def gru_reset_before():
    """GRU with its reset before the product, which is another graph."""
    return over_steps(layers.GRU(4, reset_after=False))


@kind()
def simple_rnn():
    """SimpleRNN."""
    return over_steps(layers.SimpleRNN(4))


@kind(sample=True)
def bidirectional_lstm():
    """Bidirectional LSTM: the other direction reads reversed, and its outputs are reversed again."""
    return over_steps(keras.Sequential([layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.Flatten()]))


@kind()
def bidirectional_gru_sum():
    """Bidirectional GRU whose directions are added, with another layer backwards."""
    backward = layers.GRU(3, go_backwards=True, activation="relu")
    return over_steps(layers.Bidirectional(layers.GRU(3), backward_layer=backward, merge_mode="sum"))


@kind()
def stacked_lstm():
    """Two LSTM, the first of which returns sequences."""
    return over_steps(keras.Sequential([layers.LSTM(4, return_sequences=True), layers.LSTM(3)]))


@kind()
def lstm_backwards():
    """LSTM that goes backwards and returns its sequence in that order."""
    return over_steps(layers.LSTM(4, go_backwards=True, return_sequences=True))


@kind()
def lstm_unrolled():
    """LSTM without a loop: a cell for each step."""
    return over_steps(layers.LSTM(3, unroll=True))


@kind(sample=True)
def lstm_states():
    """Sequence and both states as outputs."""
    x = keras.Input((5, 3), name="steps")
    sequence, hidden, cell = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    return keras.Model(x, {"sequence": sequence, "hidden": hidden, "cell": cell})


@kind()
def lstm_initial_state():
    """States as inputs, as a decoder is run step by step."""
    x = keras.Input((5, 3), name="steps")
    states = [keras.Input((4,), name="hidden"), keras.Input((4,), name="cell")]
    y, *after = layers.LSTM(4, return_state=True)(x, initial_state=states)
    return keras.Model([x, *states], [layers.Dense(2, name="next")(y), *after])


@kind(sample=True)
def lstm_variable_length():
    """LSTM over sequences whose length is unknown."""
    return over_steps(layers.LSTM(4), steps=None)


@kind()
def gru_variable_length_sequence():
    """Bidirectional GRU over an unknown length, which returns a sequence of it."""
    return over_steps(layers.Bidirectional(layers.GRU(3, return_sequences=True)), steps=None)


@kind()
def lstm_masked():
    """LSTM that skips steps of zeros; what is masked keeps the state before it."""
    x = keras.Input((6, 3), name="steps")
    kept = layers.Masking(mask_value=0.0)(layers.ReLU()(x))
    return keras.Model(x, layers.Dense(2, name="next")(layers.LSTM(4)(kept)))


@kind(sample=True)
def gru_masked_embedding():
    """GRU over tokens, where 0 is padding."""
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    hidden = layers.GRU(4)(layers.Embedding(12, 3, mask_zero=True)(tokens))
    return keras.Model(tokens, layers.Dense(2, name="next")(hidden))


@kind()
def bidirectional_masked_variable_length():
    """Bidirectional LSTM over tokens of unknown number with padding: the text classifier of the guides."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    hidden = layers.Bidirectional(layers.LSTM(3))(layers.Embedding(12, 4, mask_zero=True)(tokens))
    return keras.Model(tokens, layers.Dense(1, activation="sigmoid", name="positive")(hidden))


@kind()
def stacked_cells():
    """RNN over stacked cells of two kinds."""
    return over_steps(layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)]))


@keras.saving.register_keras_serializable("zoo")
class MinimalCell(layers.Layer):
    """A cell as the guide on recurrent networks writes it."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units, self.state_size = units, units

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], self.units), name="kernel")
        self.inner = self.add_weight(shape=(self.units, self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        output = ops.tanh(ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.inner))
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@kind()
def custom_cell():
    """RNN over a registered cell of one's own."""
    return over_steps(layers.RNN(MinimalCell(4), return_sequences=True))


@kind()
def conv_lstm_1d():
    """ConvLSTM1D: a convolution in every step of the loop."""
    x = keras.Input((3, 6, 2), name="frames")
    return keras.Model(x, layers.Flatten(name="maps")(layers.ConvLSTM1D(2, 3, padding="same")(x)))


@kind(sample=True)
def conv_lstm_2d():
    """ConvLSTM2D that returns every frame, with batch normalisation behind it."""
    x = keras.Input((3, 6, 5, 1), name="frames")
    hidden = layers.ConvLSTM2D(2, 3, padding="same", return_sequences=True)(x)
    return keras.Model(x, layers.Conv3D(1, 3, padding="same", name="next")(layers.BatchNormalization()(hidden)))


@kind(sample=True)
def time_distributed():
    """TimeDistributed convolutions, as video classifiers have before their LSTM."""
    x = keras.Input((4, 8, 8, 1), name="frames")
    frame = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, strides=2), layers.Flatten()], name="frame")
    return keras.Model(x, layers.Dense(2, name="action")(layers.GRU(3)(layers.TimeDistributed(frame)(x))))


@kind(refused=everywhere("layer 'memory', which keeps 'rnn_state'"))
def lstm_stateful():
    """A state that goes on from one prediction to the next."""
    x = keras.Input(batch_shape=(3, 6, 2), name="x")
    return keras.Model(x, layers.Dense(2)(layers.LSTM(4, stateful=True, name="memory")(x)))
