"""Operations of `keras.ops` in a graph of layers: mostly what one of the converters has no op for."""

import keras
import numpy as np
from keras import layers, ops

from zoo.registry import everywhere, kind


def hidden_of(shape=(6,), units=5):
    """An input, and a dense layer's output."""
    x = keras.Input(shape, name="x")
    return x, layers.Dense(units)(x)


@kind(sample=True)
def logarithms():
    """log1p, expm1 and their kin, which lose digits near zero where they are written out."""
    x, hidden = hidden_of()
    positive = ops.softplus(hidden)
    return keras.Model(
        x,
        {
            "log1p": ops.log1p(positive),
            "expm1": ops.expm1(hidden),
            "log": ops.log(positive + 0.5),
            "log2": ops.log2(positive + 0.5),
            "log10": ops.log10(positive + 0.5),
        },
    )


@kind()
def logsumexp():
    """logsumexp, log_softmax and logaddexp."""
    x, hidden = hidden_of()
    return keras.Model(
        x,
        {"all": ops.logsumexp(hidden, axis=-1), "two": ops.logaddexp(hidden, -hidden), "log": ops.log_softmax(hidden)},
    )


@kind(sample=True)
def error_function():
    """erf, and the normal distribution's inverse of it."""
    x, hidden = hidden_of()
    return keras.Model(x, {"erf": ops.erf(hidden), "inverse": ops.erfinv(ops.tanh(hidden) * 0.9)})


@kind()
def trigonometry():
    """Sines, hyperbolic ones and inverses."""
    x, hidden = hidden_of()
    inner = ops.tanh(hidden) * 0.9
    functions = {
        "sin": ops.sin,
        "cos": ops.cos,
        "sinh": ops.sinh,
        "cosh": ops.cosh,
        "arcsin": lambda v: ops.arcsin(inner),
        "arccos": lambda v: ops.arccos(inner),
        "arctan": ops.arctan,
        "arcsinh": ops.arcsinh,
        "arctanh": lambda v: ops.arctanh(inner),
        "arctan2": lambda v: ops.arctan2(v, inner),
    }
    return keras.Model(x, {name: function(hidden) for name, function in functions.items()})


@kind()
def rounding():
    """Rounding, signs, remainders and clipping."""
    x, hidden = hidden_of()
    return keras.Model(
        x,
        {
            "floor": ops.floor(hidden),
            "ceil": ops.ceil(hidden),
            "round": ops.round(hidden),
            "sign": ops.sign(hidden),
            "mod": ops.mod(hidden, 0.7),
            "clip": ops.clip(hidden, -0.5, 0.8),
            "whole": ops.floor_divide(hidden, 0.7),
        },
    )


@kind(sample=True)
def top_k():
    """The three largest values, and their places as integers."""
    x, hidden = hidden_of(units=9)
    values, places = ops.top_k(hidden, 3)
    return keras.Model(x, {"values": values, "places": places})


@kind(sample=True)
def argmax():
    """argmax and argmin of two axes: integers out of floats."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(x, {"largest": ops.argmax(hidden, axis=-1), "smallest": ops.argmin(hidden, axis=1)})


@kind(sample=True)
def sorting():
    """sort and argsort, along two axes."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(
        x,
        {"sorted": ops.sort(hidden, axis=-1), "order": ops.argsort(hidden, axis=-1), "rows": ops.sort(hidden, axis=1)},
    )


@kind()
def order_statistics():
    """Median and quantiles."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(
        x, {"median": ops.median(hidden, axis=-1), "quantile": ops.quantile(hidden, [0.1, 0.75], axis=-1)[0]}
    )


@kind()
def cumulative():
    """cumsum and cumprod."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(x, {"sums": ops.cumsum(hidden, axis=1), "products": ops.cumprod(ops.tanh(hidden), axis=-1)})


@kind(sample=True)
def einsum():
    """einsum in two forms, and EinsumDense."""
    x, hidden = hidden_of((4, 6), 8)
    y = layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de")(hidden)
    return keras.Model(
        x,
        {
            "heads": y,
            "scores": ops.einsum("bqhd,bkhd->bhqk", y, y),
            "outer": ops.einsum("bi,bj->bij", x[:, 0], x[:, 1]),
        },
    )


@kind()
def one_hot():
    """one_hot and multi_hot of integers."""
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    spread = layers.Dense(3)(layers.Flatten()(ops.one_hot(tokens, 5)))
    return keras.Model(tokens, {"one": spread, "many": layers.Dense(3)(ops.multi_hot(tokens, 5))})


@kind(sample=True)
def segments():
    """Sums and maxima over segments of a row's steps, which graph networks have."""
    x, hidden = hidden_of((6, 4), 3)
    steps = ops.transpose(hidden, (1, 0, 2))
    groups = np.array([0, 0, 1, 2, 2, 2], "int32")
    total = ops.segment_sum(steps, groups, num_segments=3)
    largest = ops.segment_max(steps, groups, num_segments=3)
    return keras.Model(x, {name: ops.transpose(y, (1, 0, 2)) for name, y in {"sum": total, "max": largest}.items()})


@kind()
def unfold():
    """Windows as columns; Keras has no graph of it for a batch of any size."""
    x = keras.Input(batch_shape=(4, 6, 5, 2), name="x")
    planes = ops.transpose(layers.Conv2D(2, 1)(x), (0, 3, 1, 2))
    return keras.Model(x, ops.unfold(planes, (2, 2), stride=1))


@kind()
def norms():
    """Norms of vectors and matrices, and rows of length one."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(
        x,
        {
            "euclid": ops.norm(hidden, axis=-1),
            "taxi": ops.norm(hidden, ord=1, axis=-1),
            "frobenius": ops.linalg.norm(hidden, axis=(1, 2)),
            "unit": ops.normalize(hidden, axis=-1),
        },
    )


@kind(refused={"tflite": "MatrixInverse", "onnx": "Cholesky"})
def linear_algebra():
    """Inverse, determinant, Cholesky factor and a solved system, of a matrix a row."""
    x, hidden = hidden_of((4, 6), 4)
    square = ops.matmul(hidden, ops.transpose(hidden, (0, 2, 1))) + 4.0 * ops.eye(4)
    return keras.Model(
        x,
        {
            "inverse": ops.inv(square),
            "factor": ops.cholesky(square),
            "solved": ops.solve(square, hidden),
        },
    )


@kind(refused={"tflite": "MatrixDeterminant"})
def determinant():
    """A determinant, scaled to the size of its matrix."""
    x, hidden = hidden_of((3, 6), 3)
    return keras.Model(x, ops.det(ops.tanh(hidden) + 2.0 * ops.eye(3)))


@kind()
def fourier():
    """A spectrum's magnitudes: complex numbers inside the graph."""
    x, hidden = hidden_of((16,), 16)
    real, imaginary = ops.rfft(hidden)
    return keras.Model(x, ops.sqrt(real * real + imaginary * imaginary + 1e-3))


@kind()
def comparisons():
    """Comparisons, logic and a choice by them."""
    x, hidden = hidden_of()
    small, large = ops.less(hidden, -0.2), ops.greater_equal(hidden, 0.4)
    return keras.Model(
        x,
        {
            "chosen": ops.where(ops.logical_or(small, large), hidden, 10.0 * hidden),
            "any": ops.any(small, axis=-1),
            "count": ops.count_nonzero(large, axis=-1),
        },
    )


@kind()
def gathering():
    """Rows and elements by fixed and by computed places."""
    x, hidden = hidden_of((5, 6), 4)
    places = ops.argsort(hidden[..., 0], axis=-1)
    return keras.Model(
        x,
        {
            "fixed": ops.take(hidden, [3, 0, 3], axis=1),
            "computed": ops.take_along_axis(hidden, ops.expand_dims(places, -1), axis=1),
        },
    )


@kind()
def shuffling_axes():
    """flip, roll, tile, repeat, pad, stack, split, moveaxis and slices with a step."""
    x, hidden = hidden_of((4, 6))
    first, second = ops.split(hidden, 2, axis=1)
    return keras.Model(
        x,
        {
            "flipped": ops.flip(hidden, axis=1),
            "rolled": ops.roll(hidden, 2, axis=-1),
            "tiled": ops.tile(hidden, (1, 2, 1)),
            "repeated": ops.repeat(hidden, 2, axis=1),
            "padded": ops.pad(hidden, ((0, 0), (1, 2), (0, 0)), constant_values=0.5),
            "mirrored": ops.pad(hidden, ((0, 0), (1, 1), (2, 2)), mode="reflect"),
            "stacked": ops.stack([first, second], axis=1),
            "moved": ops.moveaxis(hidden, -1, 1),
            "sliced": hidden[:, 1::2, ::-1],
        },
    )


@kind()
def triangles():
    """tril, triu, diagonal and trace."""
    x, hidden = hidden_of((4, 6), 4)
    return keras.Model(
        x, {"lower": ops.tril(hidden), "upper": ops.triu(hidden, k=1), "trace": ops.trace(hidden, axis1=1, axis2=2)}
    )


@kind()
def statistics():
    """Means, variances, products and extremes over axes, also over the whole row."""
    x, hidden = hidden_of((4, 6))
    return keras.Model(
        x,
        {
            "mean": ops.mean(hidden, axis=(1, 2)),
            "std": ops.std(hidden, axis=1),
            "var": ops.var(hidden, axis=-1, keepdims=True),
            "prod": ops.prod(ops.tanh(hidden) + 1.5, axis=1),
            "span": ops.max(hidden, axis=1) - ops.min(hidden, axis=1),
        },
    )


@kind()
def integer_arithmetic():
    """Integers in and out: quotients, remainders, powers and bits."""
    x = keras.Input((5,), dtype="int32", name="x")
    y = 7 * x + 3
    return keras.Model(
        x,
        {
            "quotient": ops.floor_divide(y, 4),
            "remainder": ops.mod(y, 4),
            "bits": ops.bitwise_xor(ops.bitwise_and(y, x + 6), y),
            "shifted": ops.left_shift(y, x + 2),
        },
    )


@keras.saving.register_keras_serializable("zoo")
class Sampling(layers.Layer):
    """Draws from the distribution that an encoder found."""

    def __init__(self, **options):
        super().__init__(**options)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


@kind(sample=True, refused=everywhere("a model that predicts the same"))
def random_normals():
    """A layer that draws random numbers at inference: no two runs agree, so nothing can be proved."""
    x, hidden = hidden_of()
    return keras.Model(x, layers.Dense(2, name="y")(Sampling()([hidden, layers.Dense(5)(hidden)])))


@keras.saving.register_keras_serializable("zoo")
class Repeated(layers.Layer):
    """Goes through a loop of four turns."""

    def call(self, x):
        return ops.fori_loop(0, 4, lambda _, value: ops.tanh(1.3 * value + 0.1), x)


@kind()
def while_loop():
    """A loop of fixed length in the graph."""
    x, hidden = hidden_of()
    return keras.Model(x, Repeated(name="y")(hidden))


@kind()
def distances():
    """Distances between the rows of two sets."""
    x, hidden = hidden_of((4, 6))
    between = ops.expand_dims(hidden, 2) - ops.expand_dims(x[..., :5], 1)
    return keras.Model(x, ops.sqrt(ops.sum(ops.square(between), axis=-1) + 1e-3))
