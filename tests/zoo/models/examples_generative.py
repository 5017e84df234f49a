"""Networks of Keras' code examples that make something: images, sound, text."""

import keras
from keras import layers, ops

from zoo.models.operations import Sampling
from zoo.registry import everywhere, kind


@kind()
def autoencoder():
    """Convolutional autoencoder for denoising images."""
    return keras.Sequential(
        [
            keras.Input((16, 16, 1), name="noisy"),
            layers.Conv2D(6, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2D(6, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"),
            layers.Conv2DTranspose(6, 3, strides=2, activation="relu", padding="same"),
            layers.Conv2DTranspose(6, 3, strides=2, activation="relu", padding="same"),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same", name="clean"),
        ]
    )


@kind(refused=everywhere("a model that predicts the same"))
def vae_encoder():
    """Variational autoencoder, the encoder: it draws, so that no two runs agree."""
    x = keras.Input((16, 16, 1), name="image")
    hidden = layers.Conv2D(4, 3, activation="relu", strides=2, padding="same")(x)
    hidden = layers.Dense(8, activation="relu")(layers.Flatten()(hidden))
    mean, log_variance = layers.Dense(2, name="mean")(hidden), layers.Dense(2, name="log_variance")(hidden)
    return keras.Model(x, [mean, log_variance, Sampling(name="drawn")([mean, log_variance])])


@kind()
def vae_decoder():
    """Variational autoencoder, the decoder."""
    x = keras.Input((2,), name="code")
    hidden = layers.Reshape((4, 4, 6))(layers.Dense(96, activation="relu")(x))
    for filters in (6, 4):
        hidden = layers.Conv2DTranspose(filters, 3, activation="relu", strides=2, padding="same")(hidden)
    return keras.Model(x, layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same", name="image")(hidden))


@kind()
def dcgan_generator():
    """DCGAN, the generator."""
    x = keras.Input((12,), name="noise")
    hidden = layers.Reshape((4, 4, 8))(layers.Dense(128)(x))
    for filters in (8, 12):
        hidden = layers.Conv2DTranspose(filters, 4, strides=2, padding="same")(hidden)
        hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
    return keras.Model(x, layers.Conv2D(3, 5, padding="same", activation="sigmoid", name="image")(hidden))


@kind()
def dcgan_discriminator():
    """DCGAN, the discriminator."""
    x = keras.Input((16, 16, 3), name="image")
    hidden = x
    for filters in (6, 8):
        hidden = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(filters, 4, strides=2, padding="same")(hidden))
    hidden = layers.Dropout(0.2)(layers.Flatten()(hidden))
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="is_real")(hidden))


@kind()
def cyclegan_generator():
    """CycleGAN, the generator: reflected edges, normalisation by instance and residual blocks."""
    x = keras.Input((16, 16, 3), name="photo")
    hidden = ops.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)), mode="reflect")
    hidden = layers.Activation("relu")(layers.GroupNormalization(-1)(layers.Conv2D(6, 7, use_bias=False)(hidden)))
    hidden = layers.GroupNormalization(-1)(layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(hidden))
    around = layers.GroupNormalization(-1)(layers.Conv2D(8, 3, padding="same", use_bias=False)(layers.ReLU()(hidden)))
    hidden = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(layers.Add()([hidden, around]))
    return keras.Model(x, layers.Conv2D(3, 3, padding="same", activation="tanh", name="painting")(hidden))


@kind()
def nerf():
    """3D volumetric rendering with NeRF: encoded positions of rays into colours and densities."""
    x = keras.Input((20, 9), name="rays")
    hidden = x
    for number in range(4):
        hidden = layers.Dense(16, activation="relu")(hidden)
        if number == 2:
            hidden = layers.concatenate([hidden, x], axis=-1)
    return keras.Model(x, layers.Dense(4, name="colour_and_density")(hidden))


@kind()
def diffusion_step():
    """Denoising diffusion: an image and a noise level, which is embedded by sines, through a small U-Net."""
    image, noise = keras.Input((16, 16, 3), name="noisy"), keras.Input((1, 1, 1), name="variance")
    angles = 2.0 * 3.14159 * ops.exp(ops.linspace(0.0, 3.0, 4))
    waves = ops.concatenate([ops.sin(angles * noise), ops.cos(angles * noise)], axis=3)
    hidden = layers.Concatenate()([layers.Conv2D(6, 1)(image), layers.UpSampling2D(16)(waves)])
    first = layers.Conv2D(6, 3, padding="same", activation="swish")(layers.BatchNormalization(center=False)(hidden))
    deep = layers.Conv2D(8, 3, padding="same", activation="swish")(layers.AveragePooling2D(2)(first))
    hidden = layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(deep), first])
    return keras.Model([image, noise], layers.Conv2D(3, 1, name="noise")(hidden))


@kind(sample=True)
def miniature_gpt():
    """Text generation with a miniature GPT: causal attention over tokens and their positions."""
    tokens = keras.Input((10,), dtype="int32", name="tokens")
    hidden = layers.Embedding(20, 8)(tokens) + layers.Embedding(10, 8)(ops.arange(10))
    attended = layers.MultiHeadAttention(2, 8)(hidden, hidden, use_causal_mask=True)
    hidden = layers.LayerNormalization(epsilon=1e-6)(hidden + layers.Dropout(0.1)(attended))
    forward = layers.Dense(8)(layers.Dense(12, activation="relu")(hidden))
    hidden = layers.LayerNormalization(epsilon=1e-6)(hidden + forward)
    return keras.Model(tokens, [layers.Dense(20, name="next")(hidden), hidden])


@kind()
def character_lstm():
    """Character-level text generation with LSTM, over one-hot characters."""
    return keras.Sequential(
        [
            keras.Input((8, 12), name="characters"),
            layers.LSTM(10),
            layers.Dense(12, activation="softmax", name="next"),
        ]
    )


@kind()
def wavenet():
    """A small WaveNet: causal dilated convolutions with gates, over sound of any length."""
    x = keras.Input((None, 1), name="sound")
    hidden, skips = layers.Conv1D(6, 2, padding="causal")(x), []
    for rate in (1, 2, 4):
        gated = [
            layers.Conv1D(6, 2, padding="causal", dilation_rate=rate, activation=a)(hidden) for a in ("tanh", "sigmoid")
        ]
        out = layers.Multiply()(gated)
        skips.append(layers.Conv1D(6, 1)(out))
        hidden = layers.Add()([hidden, layers.Conv1D(6, 1)(out)])
    return keras.Model(x, layers.Conv1D(4, 1, activation="softmax", name="next")(layers.ReLU()(layers.Add()(skips))))
