"""Networks of Keras' code examples on text and on series."""

import keras
from keras import layers, ops

from zoo.registry import kind


@kind()
def imdb_bidirectional_lstm():
    """Bidirectional LSTM on IMDB, over reviews of any length."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    hidden = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(layers.Embedding(30, 8)(tokens))
    hidden = layers.Bidirectional(layers.LSTM(6))(hidden)
    return keras.Model(tokens, layers.Dense(1, activation="sigmoid", name="positive")(hidden))


@kind()
def text_convnet():
    """Text classification from scratch: convolutions over embedded tokens of any number."""
    tokens = keras.Input((None,), dtype="int64", name="tokens")
    hidden = layers.Dropout(0.5)(layers.Embedding(30, 8)(tokens))
    for _ in range(2):
        hidden = layers.Conv1D(8, 7, padding="valid", activation="relu", strides=3)(hidden)
    hidden = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(layers.GlobalMaxPooling1D()(hidden)))
    return keras.Model(tokens, layers.Dense(1, activation="sigmoid", name="positive")(hidden))


@keras.saving.register_keras_serializable("zoo")
class TransformerBlock(layers.Layer):
    """Attention and a network, each with a way around it and dropout."""

    def __init__(self, width, heads, inner, **options):
        super().__init__(**options)
        self.settings = {"width": width, "heads": heads, "inner": inner}
        self.attention = layers.MultiHeadAttention(num_heads=heads, key_dim=width)
        self.network = keras.Sequential([layers.Dense(inner, activation="relu"), layers.Dense(width)])
        self.normals = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.drops = [layers.Dropout(0.1) for _ in range(2)]

    def build(self, shape):
        self.attention.build(shape, shape)
        self.network.build(shape)
        for normal in self.normals:
            normal.build(shape)

    def call(self, inputs, training=None):
        attended = self.drops[0](self.attention(inputs, inputs), training=training)
        hidden = self.normals[0](inputs + attended)
        return self.normals[1](hidden + self.drops[1](self.network(hidden), training=training))

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable("zoo")
class TokenAndPosition(layers.Layer):
    """Embeds tokens and their positions."""

    def __init__(self, length, vocabulary, width, **options):
        super().__init__(**options)
        self.settings = {"length": length, "vocabulary": vocabulary, "width": width}
        self.token = layers.Embedding(input_dim=vocabulary, output_dim=width)
        self.position = layers.Embedding(input_dim=length, output_dim=width)

    def build(self, shape):
        self.token.build(shape)
        self.position.build(shape)

    def call(self, x):
        return self.token(x) + self.position(ops.arange(0, ops.shape(x)[-1]))

    def get_config(self):
        return {**super().get_config(), **self.settings}


@kind()
def text_transformer():
    """Text classification with a Transformer: its tokens reach an embedding inside a custom layer."""
    tokens = keras.Input((12,), dtype="int32", name="tokens")
    hidden = TransformerBlock(8, 2, 12)(TokenAndPosition(12, 30, 8)(tokens))
    hidden = layers.Dense(6, activation="relu")(layers.GlobalAveragePooling1D()(hidden))
    return keras.Model(tokens, layers.Dense(2, activation="softmax", name="class")(layers.Dropout(0.1)(hidden)))


@kind()
def seq2seq_lstm():
    """Character-level sequence to sequence: an encoder's states start a decoder, both of any length."""
    source, target = keras.Input((None, 9), name="source"), keras.Input((None, 8), name="target")
    _, *states = layers.LSTM(6, return_state=True)(source)
    hidden, _, _ = layers.LSTM(6, return_sequences=True, return_state=True)(target, initial_state=states)
    return keras.Model([source, target], layers.Dense(8, activation="softmax", name="next")(hidden))


@kind()
def addition_rnn():
    """Sequence to sequence learning for performing number addition: a vector repeated for a decoder."""
    return keras.Sequential(
        [
            keras.Input((7, 12), name="question"),
            layers.LSTM(8),
            layers.RepeatVector(4),
            layers.LSTM(8, return_sequences=True),
            layers.Dense(12, activation="softmax", name="answer"),
        ]
    )


@kind()
def translation_transformer():
    """English-to-Spanish translation with a Transformer: encoder, decoder and cross attention."""
    source, target = (keras.Input((8,), dtype="int64", name=name) for name in ("encoder_inputs", "decoder_inputs"))
    encoded = TransformerBlock(8, 2, 12)(TokenAndPosition(8, 25, 8)(source))
    hidden = TokenAndPosition(8, 25, 8)(target)
    attended = layers.MultiHeadAttention(2, 8)(hidden, hidden, use_causal_mask=True)
    hidden = layers.LayerNormalization()(hidden + attended)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 8)(hidden, encoded))
    return keras.Model([source, target], layers.Dense(25, activation="softmax", name="next")(hidden))


@kind()
def quora_siamese():
    """Similar questions: one recurrent tower for both, compared by the exponential of their distance."""
    left, right = (keras.Input((8,), dtype="int32", name=name) for name in ("left", "right"))
    table, tower = layers.Embedding(30, 6, mask_zero=True), layers.LSTM(5)
    distance = ops.sum(ops.abs(tower(table(left)) - tower(table(right))), axis=1, keepdims=True)
    return keras.Model([left, right], ops.exp(-distance))


@kind(sample=True)
def timeseries_transformer():
    """Timeseries classification with a Transformer: attention, convolutions of width one, channels pooled away."""
    x = keras.Input((24, 1), name="series")
    hidden = x
    for _ in range(2):
        attended = layers.Dropout(0.25)(layers.MultiHeadAttention(2, 8, dropout=0.25)(hidden, hidden))
        around = layers.LayerNormalization(epsilon=1e-6)(attended) + hidden
        forward = layers.Conv1D(1, 1)(layers.Dropout(0.25)(layers.Conv1D(4, 1, activation="relu")(around)))
        hidden = layers.LayerNormalization(epsilon=1e-6)(forward) + around
    hidden = layers.GlobalAveragePooling1D(data_format="channels_first")(hidden)
    return keras.Model(
        x, layers.Dense(2, activation="softmax", name="class")(layers.Dense(8, activation="relu")(hidden))
    )


@kind()
def timeseries_convnet():
    """Timeseries classification from scratch: a fully convolutional network."""
    x = keras.Input((24, 1), name="series")
    hidden = x
    for _ in range(3):
        hidden = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(8, 3, padding="same")(hidden)))
    return keras.Model(x, layers.Dense(2, activation="softmax", name="class")(layers.GlobalAveragePooling1D()(hidden)))


@kind()
def anomaly_autoencoder():
    """Timeseries anomaly detection with a convolutional autoencoder."""
    return keras.Sequential(
        [
            keras.Input((24, 1), name="series"),
            layers.Conv1D(6, 7, padding="same", strides=2, activation="relu"),
            layers.Dropout(0.2),
            layers.Conv1D(4, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(4, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(6, 7, padding="same", strides=2, activation="relu"),
            layers.Conv1DTranspose(1, 7, padding="same", name="rebuilt"),
        ]
    )


@kind()
def weather_lstm():
    """Timeseries forecasting for weather."""
    x = keras.Input((24, 7), name="hours")
    return keras.Model(x, layers.Dense(1, name="temperature")(layers.LSTM(8)(x)))


@kind()
def keyword_spotter():
    """Speaker recognition: residual blocks of Conv1D over a sound's spectrum."""
    x = keras.Input((64, 1), name="spectrum")
    hidden = x
    for filters, count in ((4, 2), (6, 2)):
        way = layers.Conv1D(filters, 1, padding="same")(hidden)
        for _ in range(count - 1):
            hidden = layers.Activation("relu")(layers.Conv1D(filters, 3, padding="same")(hidden))
        hidden = layers.Add()([layers.Conv1D(filters, 3, padding="same")(hidden), way])
        hidden = layers.MaxPool1D(pool_size=2, strides=2)(layers.Activation("relu")(hidden))
    hidden = layers.Flatten()(layers.AveragePooling1D(pool_size=3, strides=3)(hidden))
    return keras.Model(
        x, layers.Dense(4, activation="softmax", name="speaker")(layers.Dense(8, activation="relu")(hidden))
    )
