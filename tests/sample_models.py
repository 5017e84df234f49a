"""Real models for the tests, each with random weights and biases so that no weight is zero or one.

`sample_models:convnet` can be exported by name in a process that has this folder on its path.
"""

import keras
import numpy as np
from keras import layers


def randomised(model, seed=7):
    """Gives every weight random values, and variances positive ones; returns the model."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        if not weight.dtype.startswith("float"):
            continue
        values = generator.uniform(0.15, 0.6, weight.shape) * generator.choice((-1, 1), weight.shape)
        weight.assign(np.abs(values) if "variance" in weight.path or "gamma" in weight.path else values)
    return model


def convnet():
    """Pixels to a softmax over three classes, with every layer that behaves differently in training."""
    return randomised(
        keras.Sequential(
            [
                keras.Input((10, 12, 3), name="image"),
                layers.Rescaling(1 / 255),
                layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.MaxPooling2D(2),
                layers.Dropout(0.5),
                layers.Flatten(),
                layers.Dense(3, activation="softmax", name="species"),
            ],
            name="convnet",
        )
    )


def two_by_two():
    """Two inputs and two outputs of equal shapes, whose names sort in the other order."""
    zebra, ant = keras.Input((3,), name="zebra"), keras.Input((3,), name="ant")
    mixed = layers.Concatenate()([layers.Dense(4, activation="tanh")(zebra), layers.Dense(2)(ant)])
    outputs = [layers.Dense(2, name="west")(mixed), layers.Dense(2, activation="softmax", name="east")(mixed)]
    return randomised(keras.Model([zebra, ant], outputs, name="two_by_two"))


def dict_outputs():
    """Outputs under keys that are neither the layers' names nor in sorted order."""
    source = keras.Input((3,), name="source")
    hidden = layers.Dense(4, activation="tanh", name="hidden")(source)
    outputs = {"score": layers.Dense(1, activation="sigmoid", name="first")(hidden), "code": layers.Dense(1)(hidden)}
    return randomised(keras.Model(source, outputs, name="dict_outputs"))


def embedding():
    """Integer tokens; ids beyond the vocabulary would be an error."""
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    vectors = layers.Embedding(11, 4)(tokens)
    return randomised(
        keras.Model(tokens, layers.Dense(2, name="sentiment")(layers.Flatten()(vectors)), name="embedding")
    )


def attention():
    """Self-attention over a short sequence, with layer normalisation."""
    sequence = keras.Input((5, 8), name="sequence")
    attended = layers.MultiHeadAttention(num_heads=2, key_dim=3)(sequence, sequence)
    normal = layers.LayerNormalization()(layers.Add()([sequence, attended]))
    pooled = layers.GlobalAveragePooling1D()(normal)
    return randomised(keras.Model(sequence, layers.Dense(2, name="summary")(pooled), name="attention"))


def awkward_names():
    """Names that no two formats agree on."""
    first, second = keras.Input((2,), name="a-b.c"), keras.Input((2,), name="a.b-c")
    outputs = layers.Dense(2, name="1st-out.put")(layers.Concatenate()([first, second]))
    return randomised(keras.Model([first, second], outputs, name="awkward_names"))


def unnamed():
    """A Sequential whose input Keras named itself, with a number that counts on."""
    return randomised(keras.Sequential([keras.Input((3,)), layers.Dense(2, name="result")], name="unnamed"))


def recurrent():
    """TensorFlow lowers the LSTM over a dynamic batch to tensor lists, which TFLite's built-in ops lack."""
    steps = keras.Input((4, 2), name="steps")
    return randomised(keras.Model(steps, layers.Dense(1, name="next")(layers.LSTM(3)(steps)), name="recurrent"))


def exact_gelu():
    """The converter to ONNX writes an op that does not exist for erfc, and raises nothing."""
    values = keras.Input((3,), name="values")
    hidden = layers.Activation(lambda x: keras.activations.gelu(x, approximate=False))(layers.Dense(4)(values))
    return randomised(keras.Model(values, layers.Dense(1, name="result")(hidden), name="exact_gelu"))
