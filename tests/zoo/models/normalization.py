"""Normalisation by statistics that were learned, and by those of the row at hand; noise that is off at inference."""

import keras
from keras import layers

from zoo.registry import kind


def behind_convolution(*stack):
    """Layers behind a convolution, and a dense layer behind them."""
    return keras.Sequential(
        [
            keras.Input((6, 5, 3), name="image"),
            layers.Conv2D(8, 3),
            *stack,
            layers.Flatten(),
            layers.Dense(3, name="y"),
        ]
    )


@kind(sample=True)
def batch_normalization():
    """BatchNormalization of channels, of another axis, and of a dense layer's output."""
    x = keras.Input((6, 5, 3), name="image")
    hidden = layers.BatchNormalization(axis=1)(layers.BatchNormalization(epsilon=0.01)(layers.Conv2D(4, 3)(x)))
    return keras.Model(x, layers.BatchNormalization(name="y")(layers.Dense(3)(layers.Flatten()(hidden))))


@kind()
def layer_normalization():
    """LayerNormalization over one axis and over three."""
    return behind_convolution(layers.LayerNormalization(), layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-6))


@kind(sample=True)
def group_normalization():
    """GroupNormalization in groups, by instance, and over all channels."""
    return behind_convolution(layers.GroupNormalization(4), layers.GroupNormalization(-1), layers.GroupNormalization(1))


@kind()
def rms_normalization():
    """RMSNormalization."""
    return behind_convolution(layers.RMSNormalization())


@kind()
def unit_normalization():
    """UnitNormalization of one axis and of two, as embeddings are compared."""
    x = keras.Input((4, 6), name="x")
    hidden = layers.Dense(5)(x)
    return keras.Model(
        x, {"rows": layers.UnitNormalization()(hidden), "planes": layers.UnitNormalization(axis=(1, 2))(hidden)}
    )


@kind()
def spectral_normalization():
    """SpectralNormalization around a convolution, whose kernel is divided by its largest singular value."""
    x = keras.Input((6, 5, 3), name="image")
    return keras.Model(x, layers.SpectralNormalization(layers.Conv2D(4, 3), name="y")(x))


@kind()
def weight_constraints():
    """Constraints and regularisers, which play no role at inference."""
    x = keras.Input((6,), name="x")
    hidden = layers.Dense(
        5, kernel_constraint="max_norm", kernel_regularizer=keras.regularizers.L1L2(), activity_regularizer="l2"
    )(x)
    return keras.Model(x, layers.ActivityRegularization(l2=0.1, name="y")(hidden))


@kind(sample=True)
def noise_and_dropout():
    """Noise and dropout of every kind: nothing is left of them at inference."""
    x = keras.Input((6, 5, 3), name="image")
    hidden = layers.SpatialDropout2D(0.4)(layers.GaussianNoise(1.0)(layers.Conv2D(4, 3)(x)))
    hidden = layers.GaussianDropout(0.3)(layers.AlphaDropout(0.3)(layers.Dropout(0.5)(hidden)))
    hidden = layers.SpatialDropout1D(0.5)(layers.Reshape((12, 4))(hidden))
    return keras.Model(x, layers.Dense(2, name="y")(layers.Flatten()(hidden)))
