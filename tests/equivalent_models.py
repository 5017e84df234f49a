"""Small Keras models, each with one of the ops that a format lacks, through Keras' own functions where it has one."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from sample_models import randomised


class Raw(layers.Layer):
    """Calls a function of TensorFlow's that Keras has none of."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, x):
        return self.function(x)


def raw(function):
    """The function as a layer."""
    return lambda x: Raw(function)(x)


def tiny(function):
    """The function itself, and how it grows near zero, where a formula that adds 1 first has no digits left."""
    return lambda x: ops.concatenate([function(x), 1e5 * function(1e-5 * x)], axis=-1)


def inner(x):
    """Between -1 and 1, the ends left out."""
    return 0.95 * ops.tanh(x)


def tokens(x):
    """Whole numbers from 0 to 5."""
    return ops.cast(ops.floor(ops.clip(x + 3.0, 0.0, 5.0)), "int32")


def bits(x):
    """Whole numbers of both signs, of about 20 bits."""
    return ops.cast(x * 1e6, "int32")


def long(x):
    """Whole numbers of 64 bits, some of them zero."""
    return ops.cast(ops.round(2.0 * x) * 2.0**33, "int64")


def colours(x):
    """From 0 to 1, three channels."""
    return ops.sigmoid(x)


def complex_of(x):
    """Complex numbers whose parts are different."""
    return tf.complex(x, x[..., ::-1] + 0.5)


def parts(z):
    """Both parts as one tensor."""
    return tf.concat([tf.math.real(z), tf.math.imag(z)], -1)


def counted(x):
    """How often each of four tokens is there, as integers, and with weights."""
    values = tokens(x)
    plain = tf.math.bincount(values, minlength=4, maxlength=4, axis=-1)
    return tf.cast(plain, tf.float32) + tf.math.bincount(values, weights=x, minlength=4, maxlength=4, axis=-1)


def patches(x):
    return tf.image.extract_patches(x, [1, 2, 3, 1], [1, 2, 1, 1], [1, 1, 1, 1], "SAME")


TURN = np.float32([[0.9, -0.3, 1.2, 0.25, 1.1, -0.7, 0, 0]])
LINE, SQUARE, IMAGE, VOLUME = (6,), (4, 6), (5, 8, 3), (5, 6, 4, 2)

MODELS = {
    "Abs": (LINE, lambda x: ops.abs(long(x))),
    "Acos": (LINE, lambda x: ops.arccos(inner(x))),
    "Acosh": (LINE, lambda x: ops.arccosh(1.0 + ops.softplus(x))),
    "Asin": (LINE, tiny(lambda x: ops.arcsin(inner(x)))),
    "Asinh": (LINE, tiny(ops.arcsinh)),
    "Atan": (LINE, tiny(ops.arctan)),
    "Atanh": (LINE, tiny(lambda x: ops.arctanh(inner(x)))),
    "AvgPool3D": (VOLUME, lambda x: layers.AveragePooling3D((2, 3, 2), strides=(2, 1, 2), padding="same")(x)),
    "BatchToSpaceND": (VOLUME, lambda x: layers.Conv3D(2, 2, dilation_rate=(2, 1, 2), padding="same")(x)),
    "BitwiseAnd": (LINE, lambda x: ops.bitwise_and(bits(x), bits(x[:, ::-1]))),
    "BitwiseOr": (LINE, lambda x: ops.bitwise_or(bits(x), bits(x[:, ::-1]))),
    "BroadcastArgs": (LINE, lambda x: ops.cross(x[:, :3], x[:, 3:])),
    "Bucketize": (LINE, lambda x: layers.Discretization(bin_boundaries=[-1.0, 0.0, 0.4])(x)),
    "ComplexAbs": (LINE, raw(lambda x: tf.abs(complex_of(x)))),
    "Conj": (LINE, raw(lambda x: parts(tf.math.conj(complex_of(x))))),
    "Conv2DBackpropInput": (IMAGE, lambda x: layers.Conv2DTranspose(2, (3, 2), dilation_rate=(2, 3))(x)),
    "Cosh": (LINE, ops.cosh),
    "Cross": (LINE, lambda x: ops.cross(x[:, :3], x[:, 3:])),
    "Cumprod": (SQUARE, lambda x: ops.cumprod(x, axis=-1)),
    "DenseBincount": (LINE, raw(counted)),
    "Equal": (LINE, lambda x: ops.isposinf(-ops.log(ops.relu(x)))),
    "Erf": (LINE, tiny(ops.erf)),
    "Erfc": (LINE, ops.erfc),
    "Erfinv": (LINE, lambda x: ops.erfinv(inner(x))),
    "Expm1": (LINE, tiny(ops.expm1)),
    "ExtractImagePatches": (IMAGE, raw(patches)),
    "FFT": (LINE, raw(lambda x: parts(tf.signal.fft(complex_of(x))))),
    "FFT2D": (SQUARE, raw(lambda x: parts(tf.signal.fft2d(complex_of(x))))),
    "FloorDiv": (LINE, lambda x: ops.floor_divide(bits(x), 2 * tokens(x[:, ::-1]) - 5)),
    "HSVToRGB": (IMAGE, lambda x: ops.image.hsv_to_rgb(colours(x))),
    "IFFT": (LINE, raw(lambda x: parts(tf.signal.ifft(complex_of(x))))),
    "IFFT2D": (SQUARE, raw(lambda x: parts(tf.signal.ifft2d(complex_of(x))))),
    "Imag": (LINE, raw(lambda x: tf.math.imag(complex_of(x)))),
    "ImageProjectiveTransformV3": (IMAGE, lambda x: ops.image.affine_transform(x, TURN)),
    "InTopKV2": (LINE, lambda x: ops.in_top_k(ops.argmax(ops.sin(9.0 * x), axis=-1), x, 2)),
    "Invert": (LINE, lambda x: ops.bitwise_not(bits(x))),
    "IRFFT": (SQUARE, lambda x: ops.irfft((x, x[:, ::-1]), fft_length=9)),
    "IsInf": (LINE, lambda x: ops.isinf(ops.log(ops.relu(x)))),
    "LeftShift": (LINE, lambda x: ops.left_shift(bits(x), tokens(x))),
    "Log1p": (LINE, tiny(lambda x: ops.log1p(inner(x)))),
    "LookupTableFindV2": (LINE, lambda x: layers.IntegerLookup(vocabulary=[4, 1, 3])(tokens(x))),
    "LowerBound": (LINE, lambda x: ops.searchsorted(np.float32([-1, 0, 0.4]), x[:, 0])),
    "MatrixDiagPartV3": (SQUARE, lambda x: ops.diagonal(x, offset=1, axis1=1, axis2=2)),
    "MaxPool3D": (VOLUME, lambda x: layers.MaxPooling3D((2, 3, 2), strides=(2, 1, 2), padding="same")(x)),
    "Ndtri": (LINE, raw(lambda x: tf.math.ndtri(tf.sigmoid(3.0 * x)))),
    "OneHot": (LINE, lambda x: ops.one_hot(tokens(x), 4, dtype="int32")),
    "Real": (LINE, raw(lambda x: tf.math.real(complex_of(x)))),
    "ResizeArea": (IMAGE, lambda x: ops.image.resize(x, (3, 11), interpolation="area")),
    "ResizeBicubic": (IMAGE, lambda x: ops.image.resize(x, (7, 5), interpolation="bicubic")),
    "ResizeBilinear": (IMAGE, lambda x: ops.image.resize(x, (9, 13), interpolation="bilinear")),
    "ResizeNearestNeighbor": (IMAGE, lambda x: ops.image.resize(x, (9, 13), interpolation="nearest")),
    "RFFT": (SQUARE, lambda x: ops.concatenate(ops.rfft(x, fft_length=7), axis=-1)),
    "RGBToHSV": (IMAGE, lambda x: ops.image.rgb_to_hsv(colours(x))),
    "Roll": (SQUARE, lambda x: ops.roll(x, (2, -1), axis=(1, 2))),
    "ScaleAndTranslate": (IMAGE, lambda x: ops.image.resize(x, (7, 5), interpolation="lanczos3", antialias=True)),
    "Sign": (LINE, lambda x: ops.sign(long(x))),
    "Sinh": (LINE, tiny(ops.sinh)),
    "SpaceToBatchND": (VOLUME, lambda x: layers.Conv3D(2, 2, dilation_rate=(1, 2, 2))(x)),
    "Tan": (LINE, tiny(lambda x: ops.tan(inner(x)))),
    "UpperBound": (LINE, lambda x: ops.searchsorted(np.float32([-1, 0, 0.4]), x[:, 0], side="right")),
    "XlaDynamicUpdateSlice": (SQUARE, lambda x: ops.slice_update(x, (0, 1, 2), x[:, 2:, :3])),
    "Xlogy": (LINE, raw(lambda x: tf.math.xlogy(tf.nn.relu(x), tf.nn.softplus(x)))),
}  # fmt: skip
"""By op type: the shape of a row, and the function that has the op in it."""


def model_of(*op_types):
    """A model with an output for each op type, called as the op; its inputs have as many shapes as are needed."""
    inputs, outputs = {}, {}
    for op_type in op_types:
        shape, function = MODELS[op_type]
        name = f"x{len(shape)}_{shape[0]}"
        x = inputs.setdefault(name, keras.Input(shape, name=name)) if name not in inputs else inputs[name]
        outputs[op_type.lower()] = function(x)
    return randomised(keras.Model(list(inputs.values()), outputs, name="_".join(op_types)[:40]))
