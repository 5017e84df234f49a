"""Attention, and what transformers are made of."""

import keras
from keras import layers, ops

from zoo.registry import kind


def sequence(length=6, width=8):
    return keras.Input((length, width), name="sequence")


@kind()
def dot_attention():
    """Attention by dot products with a learned scale, over query, value and key."""
    query, value = keras.Input((4, 6), name="query"), keras.Input((5, 6), name="value")
    key = layers.Dense(6)(value)
    return keras.Model([query, value], layers.Attention(use_scale=True, name="y")([query, value, key]))


@kind(sample=True)
def additive_attention():
    """AdditiveAttention, and its scores as an output."""
    query, value = keras.Input((4, 6), name="query"), keras.Input((5, 6), name="value")
    attended, scores = layers.AdditiveAttention()([query, layers.Dense(6)(value)], return_attention_scores=True)
    return keras.Model([query, value], {"attended": attended, "scores": scores})


@kind()
def multi_head_attention():
    """MultiHeadAttention of a sequence with itself."""
    x = sequence()
    return keras.Model(x, layers.Dense(2, name="y")(layers.MultiHeadAttention(2, 4)(x, x)))


@kind(sample=True)
def causal_attention():
    """MultiHeadAttention that looks back only, in another width of values, with its scores."""
    x = sequence()
    attended, scores = layers.MultiHeadAttention(2, 4, value_dim=3)(
        x, x, use_causal_mask=True, return_attention_scores=True
    )
    return keras.Model(x, {"attended": attended, "scores": scores})


@kind()
def cross_attention():
    """MultiHeadAttention over another sequence, with a mask that is an input."""
    x, context = sequence(), keras.Input((5, 7), name="context")
    mask = keras.Input((6, 5), dtype="bool", name="mask")
    attended = layers.MultiHeadAttention(2, 4)(x, context, attention_mask=mask)
    return keras.Model([x, context, mask], layers.Dense(2, name="y")(attended))


@kind()
def attention_over_two_axes():
    """MultiHeadAttention over both axes of an image."""
    x = keras.Input((4, 3, 6), name="image")
    return keras.Model(x, layers.MultiHeadAttention(2, 3, attention_axes=(1, 2), name="y")(x, x))


@kind(sample=True)
def grouped_query_attention():
    """GroupedQueryAttention: several query heads share a key."""
    x = sequence()
    return keras.Model(x, layers.Dense(2, name="y")(layers.GroupQueryAttention(4, 4, 2)(x, x, use_causal_mask=True)))


@kind(sample=True)
def attention_variable_length():
    """A causal transformer block over a sequence of unknown length."""
    x = keras.Input((None, 16), name="sequence")
    attended = layers.MultiHeadAttention(2, 8)(x, x, use_causal_mask=True)
    hidden = layers.LayerNormalization()(layers.Add()([x, attended]))
    return keras.Model(x, layers.Dense(2, name="y")(hidden))


@kind()
def attention_masked_tokens():
    """MultiHeadAttention over tokens whose padding is masked by the embedding, with positions."""
    tokens = keras.Input((7,), dtype="int32", name="tokens")
    hidden = layers.Embedding(12, 8, mask_zero=True)(tokens)
    hidden = hidden + layers.Embedding(7, 8)(ops.arange(7))
    attended = layers.MultiHeadAttention(2, 4)(hidden, hidden)
    return keras.Model(tokens, layers.Dense(2, name="y")(layers.LayerNormalization()(attended)))


@kind()
def rotary_positions():
    """Positions by rotation, as the Llama family has them."""
    x = sequence()
    angles = ops.outer(ops.arange(6, dtype="float32"), 1.0 / 10.0 ** (ops.arange(4, dtype="float32") / 4))
    sine, cosine = ops.sin(angles), ops.cos(angles)
    hidden = layers.Dense(8)(x)
    even, odd = hidden[..., ::2], hidden[..., 1::2]
    turned = ops.stack([even * cosine - odd * sine, even * sine + odd * cosine], axis=-1)
    return keras.Model(x, layers.Dense(2, name="y")(ops.reshape(turned, (-1, 6, 8))))


@kind()
def tied_embedding():
    """ReversibleEmbedding: tokens in, and scores of tokens out by the same table."""
    tokens = keras.Input((5,), dtype="int32", name="tokens")
    table = layers.ReversibleEmbedding(11, 6)
    return keras.Model(tokens, table(layers.Dense(6, activation="tanh")(table(tokens)), reverse=True))
