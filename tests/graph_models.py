"""Small networks that can be built with one thing changed, for comparing them with each other."""

import keras
from keras import layers
from sample_models import randomised


def branches(swap=False, reverse=False, shared=False, names="ab", swap_outputs=False, b=None, structure=list):
    """Two branches of the same shapes over two inputs, and two outputs; made in either order."""
    left, right = keras.Input((4,)), keras.Input((4,))
    one = layers.Dense(5, activation="relu", name=names[0])
    other = one if shared else layers.Dense(5, **{"activation": "relu", "name": names[1], **(b or {})})
    sources = (right, left) if swap else (left, right)
    if reverse:
        second, first = other(sources[1]), one(sources[0])
    else:
        first, second = one(sources[0]), other(sources[1])
    joined = layers.Concatenate()([first, second])
    outputs = [layers.Dense(2, name="p")(joined), layers.Dense(2, activation="tanh", name="q")(joined)]
    if swap_outputs:
        outputs.reverse()
    if structure is dict:
        outputs = dict(zip("pq", outputs, strict=True))
    return randomised(keras.Model([left, right], outputs))


def nested(activation="relu", functional=False, twice=False):
    """An encoder, itself a model, that both inputs go through."""

    def encoder():
        source = keras.Input((4,))
        stack = [layers.Dense(3, activation=activation, name="d"), layers.Dense(2, name="e")]
        if not functional:
            return keras.Sequential([source, *stack], name="encoder")
        return keras.Model(source, stack[1](stack[0](source)), name="other_name")

    one, left, right = encoder(), keras.Input((4,)), keras.Input((4,))
    other = encoder() if twice else one
    other.name = "other_name"
    return randomised(keras.Model([left, right], layers.Subtract()([one(left), other(right)])))


def convolution(**changes):
    conv = {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu", **changes}
    norm = layers.BatchNormalization(momentum=0.9)
    stack = [layers.Conv2D(**conv), norm, layers.Dropout(0.5), layers.Flatten(), layers.Dense(3)]
    return randomised(keras.Sequential([keras.Input((6, 6, 1)), *stack]))


def wrapped(activation):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(2, activation=activation, name="d")], name="inner")
    return keras.Sequential([keras.Input((5, 4)), layers.TimeDistributed(inner, name="steps")])


def called_with(training):
    source = keras.Input((4,))
    return keras.Model(source, layers.Dropout(0.5)(source, training=training))


def shifted(constant):
    source = keras.Input((4,))
    return keras.Model(source, source + constant)
