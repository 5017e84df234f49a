"""Convolutions of one to three dimensions: strides, dilation, groups, padding, and their transposes."""

import keras
from keras import layers

from zoo.registry import kind


def over(shape, *stack):
    """A stack of layers over one input; the last layer's output is the model's."""
    return keras.Sequential([keras.Input(shape, name="x"), *stack])


@kind()
def conv1d():
    """Conv1D: strided, dilated, and causal, which pads on the left only."""
    return over(
        (16, 3),
        layers.Conv1D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv1D(4, 3, dilation_rate=2, padding="causal"),
        layers.Conv1D(2, 2, name="y"),
    )


@kind()
def conv2d():
    """Conv2D: strided with padding on one side only, dilated, and with a window that is not square."""
    return over(
        (12, 10, 3),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.Conv2D(2, (1, 3), name="y"),
    )


@kind(sample=True)
def conv2d_grouped():
    """Conv2D in groups: neither ONNX's converter nor every TFLite kernel has them."""
    return over((8, 8, 6), layers.Conv2D(6, 3, groups=3, padding="same"), layers.Conv2D(4, 1, groups=2, name="y"))


@kind()
def conv1d_grouped():
    """Conv1D in groups."""
    return over((8, 6), layers.Conv1D(6, 3, groups=3, padding="same", name="y"))


@kind(sample=True)
def conv2d_unknown_size():
    """A fully convolutional network over images whose height and width are unknown."""
    return over(
        (None, None, 3),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(2, 1, name="y"),
    )


@kind(sample=True)
def conv3d():
    """Conv3D, strided and dilated, between pooling layers."""
    return over(
        (8, 8, 8, 1),
        layers.Conv3D(3, 3, padding="same", activation="relu"),
        layers.MaxPooling3D(2),
        layers.Conv3D(3, 2, dilation_rate=2),
        layers.AveragePooling3D(2, strides=1, padding="same"),
        layers.Flatten(),
        layers.Dense(2, name="y"),
    )


@kind(sample=True)
def depthwise():
    """DepthwiseConv2D with a multiplier, strided, and DepthwiseConv1D."""
    x = keras.Input((8, 8, 3), name="x")
    flat = layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, padding="same", activation="relu6")(x)
    rows = layers.DepthwiseConv1D(3, depth_multiplier=2)(layers.Reshape((16, 6))(flat))
    return keras.Model(x, [layers.Conv2D(2, 1, name="map")(flat), layers.Dense(2, name="row")(rows)])


@kind()
def separable():
    """SeparableConv2D and SeparableConv1D, the first dilated."""
    x = keras.Input((8, 8, 3), name="x")
    flat = layers.SeparableConv2D(4, 3, dilation_rate=2, padding="same", activation="relu")(x)
    rows = layers.SeparableConv1D(3, 3, strides=2, padding="same")(layers.Reshape((64, 4))(flat))
    return keras.Model(x, [layers.Conv2D(2, 1, name="map")(flat), layers.Dense(2, name="row")(rows)])


@kind()
def conv1d_transpose():
    """Conv1DTranspose: its output's length is computed from the input's."""
    return over((6, 3), layers.Conv1DTranspose(4, 3, strides=2, padding="same"), layers.Conv1D(1, 3, name="y"))


@kind(sample=True)
def conv2d_transpose():
    """Conv2DTranspose with both paddings, as decoders have them."""
    return over(
        (5, 4, 3),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(2, 3, strides=2, padding="valid", output_padding=1, name="y"),
    )


@kind()
def conv2d_transpose_unknown_size():
    """Conv2DTranspose over images of unknown size: the output's shape is arithmetic in the graph."""
    return over((None, None, 2), layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="y"))


@kind()
def conv2d_transpose_dilated():
    """Conv2DTranspose, dilated."""
    return over((6, 6, 2), layers.Conv2DTranspose(3, 3, dilation_rate=2, name="y"))


@kind()
def conv3d_transpose():
    """Conv3DTranspose."""
    return over((3, 4, 4, 2), layers.Conv3DTranspose(3, 3, strides=2, padding="same"), layers.Conv3D(1, 1, name="y"))


@kind()
def conv2d_without_bias():
    """Convolutions without bias before batch normalisation, which converters fold into the kernels."""
    return over(
        (8, 8, 3),
        layers.Conv2D(4, 3, use_bias=False),
        layers.BatchNormalization(scale=False),
        layers.ReLU(max_value=6),
        layers.SeparableConv2D(4, 3, use_bias=False),
        layers.BatchNormalization(center=False, name="y"),
    )


@kind()
def locally_padded():
    """ZeroPadding and Cropping of one to three dimensions."""
    x = keras.Input((4, 6, 5, 2), name="x")
    cube = layers.Cropping3D(((1, 0), (0, 1), (1, 1)))(layers.ZeroPadding3D((1, 2, 1))(x))
    plane = layers.Reshape((20, 12))(x)
    line = layers.Cropping1D((1, 2))(layers.ZeroPadding1D((2, 3))(plane))
    picture = layers.Reshape((20, 6, 2))(x)
    picture = layers.Cropping2D(((0, 3), (1, 2)))(layers.ZeroPadding2D(((1, 0), (2, 3)))(picture))
    return keras.Model(
        x,
        [
            layers.Conv3D(1, 2, name="cube")(cube),
            layers.Conv1D(1, 2, name="line")(line),
            layers.Conv2D(1, 2, name="picture")(picture),
        ],
    )
