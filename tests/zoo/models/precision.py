"""Policies and dtypes: a model's own arithmetic, and integers and truth values at its ends."""

import keras
from keras import layers, ops

from zoo.registry import kind


def under(policy):
    """A small network of all that policies treat differently, built under one."""
    keras.config.set_dtype_policy(policy)
    x = keras.Input((8, 6, 3), name="image")
    hidden = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    hidden = layers.LayerNormalization()(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(x, layers.Dense(3, activation="softmax", name="y")(hidden))


@kind(sample=True)
def float16_policy():
    """Everything in half precision, input and output too."""
    return under("float16")


@kind()
def bfloat16_policy():
    """Everything in bfloat16, a dtype that NumPy lacks."""
    return under("bfloat16")


@kind()
def mixed_float16_policy():
    """Half-precision arithmetic on float32 weights, as GPUs train."""
    return under("mixed_float16")


@kind(sample=True)
def mixed_bfloat16_policy():
    """bfloat16 arithmetic on float32 weights, as TPUs train."""
    return under("mixed_bfloat16")


@kind(sample=True)
def float64_policy():
    """Double precision, as physics has it."""
    return under("float64")


@kind()
def mixed_with_float32_end():
    """Mixed precision with a last layer in float32, as Keras' guide on it recommends."""
    keras.config.set_dtype_policy("mixed_float16")
    x = keras.Input((6,), name="x")
    return keras.Model(x, layers.Dense(3, activation="softmax", dtype="float32", name="y")(layers.Dense(5)(x)))


@kind()
def one_float64_layer():
    """One layer that computes in double precision."""
    x = keras.Input((6,), name="x")
    return keras.Model(x, layers.Dense(3, name="y")(layers.Dense(5, dtype="float64", activation="tanh")(x)))


@kind(sample=True)
def integers_in_and_out():
    """Integers of several widths in, and an integer out."""
    narrow, wide = keras.Input((3,), dtype="int32", name="narrow"), keras.Input((3,), dtype="int64", name="wide")
    total = layers.Dense(4)(ops.cast(narrow, "float32") + ops.cast(wide, "float32"))
    return keras.Model([narrow, wide], {"sum": ops.add(narrow, narrow), "best": ops.argmax(total, axis=-1)})


@kind()
def uint8_pixels():
    """Pixels as cameras have them."""
    x = keras.Input((6, 5, 3), dtype="uint8", name="image")
    return keras.Model(x, layers.Dense(2, name="y")(layers.Flatten()(layers.Rescaling(1 / 255)(x))))


@kind(sample=True)
def booleans_in_and_out():
    """Truth values in and out."""
    x, known = keras.Input((4,), name="x"), keras.Input((4,), dtype="bool", name="known")
    score = layers.Dense(3)(ops.where(known, x, ops.zeros_like(x)))
    return keras.Model([x, known], {"score": score, "alarm": ops.greater(score, 0.3)})
