"""Pooling of one to three dimensions: with windows that overlap, with padding, global, and adaptive."""

import keras
from keras import layers

from zoo.registry import kind


def over_all(shape, **poolings):
    """Every pooling layer over one convolution's output, each an output of its own."""
    x = keras.Input(shape, name="x")
    hidden = layers.Dense(3, activation="tanh")(x)
    return keras.Model(x, {name: layer(hidden) for name, layer in poolings.items()})


@kind()
def pooling_1d():
    """MaxPooling1D and AveragePooling1D, with and without padding, and the global ones."""
    return over_all(
        (9, 2),
        max_valid=layers.MaxPooling1D(2),
        max_same=layers.MaxPooling1D(3, strides=2, padding="same"),
        average_same=layers.AveragePooling1D(4, strides=2, padding="same"),
        global_max=layers.GlobalMaxPooling1D(),
        global_average=layers.GlobalAveragePooling1D(keepdims=True),
    )


@kind(sample=True)
def pooling_2d():
    """MaxPooling2D and AveragePooling2D: padding does not count in the average."""
    return over_all(
        (9, 7, 2),
        max_valid=layers.MaxPooling2D(2),
        max_same=layers.MaxPooling2D(3, strides=2, padding="same"),
        average_valid=layers.AveragePooling2D((2, 3), strides=1),
        average_same=layers.AveragePooling2D(3, strides=2, padding="same"),
        global_max=layers.GlobalMaxPooling2D(keepdims=True),
        global_average=layers.GlobalAveragePooling2D(),
    )


@kind(sample=True)
def pooling_3d():
    """MaxPooling3D and AveragePooling3D: TFLite's built-in ops have neither."""
    return over_all(
        (6, 5, 4, 2),
        max_valid=layers.MaxPooling3D(2),
        max_same=layers.MaxPooling3D(3, strides=2, padding="same"),
        average_valid=layers.AveragePooling3D(2),
        average_same=layers.AveragePooling3D(3, strides=2, padding="same"),
        global_max=layers.GlobalMaxPooling3D(),
        global_average=layers.GlobalAveragePooling3D(),
    )


@kind()
def pooling_unknown_size():
    """Pooling over images of unknown size, down to one vector."""
    x = keras.Input((None, None, 2), name="x")
    hidden = layers.AveragePooling2D(2)(layers.MaxPooling2D(3, strides=2, padding="same")(layers.Conv2D(3, 3)(x)))
    return keras.Model(x, layers.Dense(2, name="y")(layers.GlobalAveragePooling2D()(hidden)))


@kind()
def pooling_masked():
    """GlobalAveragePooling1D over tokens, where 0 is padding and does not count."""
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    return keras.Model(
        tokens,
        layers.Dense(2, name="y")(layers.GlobalAveragePooling1D()(layers.Embedding(9, 4, mask_zero=True)(tokens))),
    )


@kind()
def pooling_adaptive():
    """Adaptive pooling to sizes that do not divide the input's."""
    return over_all(
        (9, 7, 2),
        average=layers.AdaptiveAveragePooling2D((4, 3)),
        maximum=layers.AdaptiveMaxPooling2D((2, 5)),
    )


@kind()
def pooling_adaptive_1d():
    """Adaptive pooling of sequences."""
    return over_all((9, 2), average=layers.AdaptiveAveragePooling1D(4), maximum=layers.AdaptiveMaxPooling1D(3))


@kind()
def pooling_adaptive_3d():
    """Adaptive pooling of volumes."""
    return over_all(
        (6, 5, 4, 2), average=layers.AdaptiveAveragePooling3D((4, 3, 2)), maximum=layers.AdaptiveMaxPooling3D(2)
    )
