"""Preprocessing layers inside a model, as Keras' guides put them there so that it takes raw data."""

import keras
import numpy as np
from keras import layers

from zoo.registry import kind


def dense_behind(x, hidden, units=2):
    return keras.Model(x, layers.Dense(units, name="y")(layers.Flatten()(hidden)))


@kind(sample=True)
def adapted_normalization():
    """Normalization that was adapted to data: its statistics are constants."""
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(1).normal(3.0, 2.0, (64, 5)).astype("float32"))
    x = keras.Input((5,), name="x")
    return dense_behind(x, layer(x))


@kind()
def inverted_normalization():
    """Normalization the other way, which turns predictions into prices again."""
    x = keras.Input((5,), name="x")
    return keras.Model(x, layers.Normalization(mean=20.0, variance=9.0, invert=True, name="y")(layers.Dense(1)(x)))


@kind()
def rescaled_pixels():
    """Rescaling to -1 to 1, and of every channel by its own mean."""
    x = keras.Input((6, 5, 3), name="image")
    return dense_behind(
        x, layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 0.6, 0.7])(layers.Rescaling(1 / 127.5, -1)(x))
    )


@kind(sample=True)
def discretization():
    """Discretization into buckets, and an embedding of the bucket."""
    x = keras.Input((3,), name="x")
    buckets = layers.Discretization(bin_boundaries=[-0.8, -0.1, 0.3, 1.2])(x)
    return dense_behind(x, layers.Embedding(5, 3)(buckets))


@kind()
def adapted_discretization():
    """Discretization whose boundaries were adapted to data, one-hot."""
    layer = layers.Discretization(num_bins=4, output_mode="one_hot")
    layer.adapt(np.random.default_rng(1).normal(size=(64, 1)).astype("float32"))
    x = keras.Input((1,), name="x")
    return dense_behind(x, layer(x))


@kind(sample=True)
def category_one_hot():
    """CategoryEncoding of one category a row."""
    x = keras.Input((1,), dtype="int32", name="category")
    return dense_behind(x, layers.CategoryEncoding(6, output_mode="one_hot")(x))


@kind()
def category_multi_hot():
    """CategoryEncoding of several categories a row: a scatter, or a maximum over one-hots."""
    x = keras.Input((4,), dtype="int32", name="categories")
    return dense_behind(x, layers.CategoryEncoding(6, output_mode="multi_hot")(x))


@kind()
def category_count():
    """CategoryEncoding that counts, with weights for the counts as another input."""
    x, weight = keras.Input((4,), dtype="int32", name="categories"), keras.Input((4,), name="weights")
    counts = layers.CategoryEncoding(6, output_mode="count")
    return keras.Model([x, weight], layers.Dense(2, name="y")(counts(x, count_weights=weight)))


@kind()
def integer_lookup():
    """IntegerLookup: a table, which neither TFLite's built-in ops nor ONNX have."""
    x = keras.Input((3,), dtype="int64", name="ids")
    return dense_behind(x, layers.Embedding(5, 3)(layers.IntegerLookup(vocabulary=[0, 1, 12, 36])(x)))


@kind(refused={"tflite": "StringToHashBucketFast", "onnx": "StringToHashBucketFast"})
def hashed_integers():
    """Hashing of integers into bins."""
    x = keras.Input((3,), dtype="int32", name="ids")
    return dense_behind(x, layers.Embedding(7, 3)(layers.Hashing(7)(x)))


NO_STRINGS = {"tflite": "LookupTableFindV2 in layer", "onnx": "LookupTableFindV2 in layer"}


@kind(sample=True, refused=NO_STRINGS)
def string_lookup():
    """StringLookup: text as input, which neither TFLite nor ONNX files hold."""
    x = keras.Input((2,), dtype="string", name="words")
    return dense_behind(x, layers.Embedding(5, 3)(layers.StringLookup(vocabulary=["low", "middle", "high"])(x)))


@kind(refused=NO_STRINGS)
def string_labels():
    """StringLookup the other way round, which returns the names of classes beside their probabilities."""
    x = keras.Input((4,), name="x")
    probabilities = layers.Dense(3, activation="softmax", name="probabilities")(x)
    labels = layers.StringLookup(vocabulary=["low", "middle", "high"], num_oov_indices=0, invert=True, name="label")
    return keras.Model(x, [probabilities, labels(keras.ops.argmax(probabilities, axis=-1))])


@kind(refused=NO_STRINGS)
def text_vectorization():
    """TextVectorization: text as input, which neither TFLite nor ONNX files hold."""
    x = keras.Input((1,), dtype="string", name="text")
    layer = layers.TextVectorization(vocabulary=["the", "cat", "sat"], output_sequence_length=4)
    return dense_behind(x, layers.Embedding(6, 3)(layer(x)))


@kind(refused=dict.fromkeys(("tflite", "onnx"), "StringToHashBucketFast in layer"))
def hashed_words():
    """Hashing of words, beside numbers."""
    words, x = keras.Input((2,), dtype="string", name="words"), keras.Input((4,), name="x")
    embedded = layers.Flatten()(layers.Embedding(8, 3)(layers.Hashing(8)(words)))
    joined = layers.Concatenate()([x, embedded])
    return keras.Model({"words": words, "x": x}, layers.Dense(2, name="y")(joined))


@kind(sample=True)
def augmentation():
    """Random augmentation, which does nothing at inference."""
    x = keras.Input((8, 6, 3), name="image")
    hidden = layers.RandomZoom(0.2)(layers.RandomRotation(0.3)(layers.RandomFlip()(x)))
    hidden = layers.RandomBrightness(0.3)(layers.RandomContrast(0.4)(layers.RandomTranslation(0.1, 0.2)(hidden)))
    return dense_behind(x, hidden)


@kind()
def spectrogram():
    """MelSpectrogram of a short sound."""
    x = keras.Input((256,), name="sound")
    layer = layers.MelSpectrogram(fft_length=64, sequence_stride=32, num_mel_bins=8, sampling_rate=4000, min_freq=20)
    return dense_behind(x, layer(x))


@kind()
def stft():
    """STFTSpectrogram: short Fourier transforms as convolutions."""
    x = keras.Input((256, 1), name="sound")
    return dense_behind(x, layers.STFTSpectrogram(frame_length=32, frame_step=16, fft_length=32, window=None)(x))
