"""Activations: a converter writes each as one op, or as the arithmetic that makes it up."""

import keras
from keras import activations, layers, ops

from zoo.registry import kind


def each(**functions):
    """Every function over the same numbers, wide enough to reach the ends, each an output of its own."""
    x = keras.Input((6,), name="x")
    hidden = layers.Rescaling(3.0)(layers.Dense(8)(x))
    return keras.Model(x, {name: layers.Activation(function)(hidden) for name, function in functions.items()})


@kind(sample=True)
def relu_kinds():
    """ReLU and its variants as layers: with a limit, a slope, a threshold, and slopes that are learned."""
    x = keras.Input((6,), name="x")
    hidden = layers.Dense(8)(x)
    kinds = {
        "relu": layers.ReLU(),
        "six": layers.ReLU(max_value=6.0),
        "all": layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.3),
        "leaky": layers.LeakyReLU(negative_slope=0.2),
        "learned": layers.PReLU(),
        "exponential": layers.ELU(alpha=0.7),
    }
    return keras.Model(x, {name: layer(hidden) for name, layer in kinds.items()})


@kind()
def prelu_shared():
    """PReLU with one slope a channel."""
    x = keras.Input((6, 5, 3), name="x")
    return keras.Model(x, layers.PReLU(shared_axes=[1, 2], name="y")(layers.Conv2D(4, 3)(x)))


@kind(sample=True)
def exact_gelu():
    """GELU by the error function: the converter to ONNX writes an op that does not exist."""
    return each(gelu=activations.gelu)


@kind()
def tanh_gelu():
    """GELU by the hyperbolic tangent."""
    x = keras.Input((6,), name="x")
    return keras.Model(x, ops.gelu(layers.Dense(8)(x), approximate=True))


@kind()
def smooth_activations():
    """Activations without a corner."""
    return each(
        swish=activations.swish,
        mish=activations.mish,
        softplus=activations.softplus,
        softsign=activations.softsign,
        tanh=activations.tanh,
        sigmoid=activations.sigmoid,
        log_sigmoid=activations.log_sigmoid,
        squareplus=activations.squareplus,
        tanh_shrink=activations.tanh_shrink,
    )


@kind()
def exponential_activations():
    """Activations that are exponential on one side."""
    return each(elu=activations.elu, selu=activations.selu, celu=activations.celu)


@kind(sample=True)
def hard_activations():
    """Activations made of straight lines."""
    return each(
        relu6=activations.relu6,
        leaky_relu=activations.leaky_relu,
        hard_sigmoid=activations.hard_sigmoid,
        hard_swish=activations.hard_swish,
        hard_tanh=activations.hard_tanh,
        hard_shrink=activations.hard_shrink,
        soft_shrink=activations.soft_shrink,
        sparse_plus=activations.sparse_plus,
        sparse_sigmoid=activations.sparse_sigmoid,
    )


@kind()
def sparsemax():
    """Sparsemax, which sorts."""
    return each(sparsemax=activations.sparsemax)


@kind()
def exponential():
    """The plain exponential, of small numbers."""
    x = keras.Input((6,), name="x")
    return keras.Model(x, layers.Dense(3, activation="exponential", name="y")(x))


@kind(sample=True)
def softmax_axes():
    """Softmax over the last axis, another one and two at once, and with a mask."""
    x = keras.Input((4, 5), name="x")
    hidden = layers.Dense(3)(x)
    return keras.Model(
        x,
        {
            "last": layers.Softmax()(hidden),
            "first": layers.Softmax(axis=1)(hidden),
            "both": layers.Softmax(axis=(1, 2))(hidden),
            "masked": layers.Softmax()(hidden, mask=hidden > 0.0),
            "log": layers.Activation("log_softmax")(hidden),
        },
    )


@kind()
def gated_linear():
    """GLU, which halves its axis."""
    x = keras.Input((6,), name="x")
    return keras.Model(x, layers.Dense(2, name="y")(ops.glu(layers.Dense(8)(x))))
