"""Networks of Keras' code examples on tables, recommendations, graphs and games."""

import keras
import numpy as np
from keras import layers, ops

from zoo.registry import kind

NUMBERS = ("age", "pressure", "cholesterol")
CATEGORIES = {"sex": 2, "chest_pain": 5, "slope": 3}


def table(numbers=NUMBERS, categories=CATEGORIES):
    """An input of one column each."""
    inputs = {name: keras.Input((1,), name=name) for name in numbers}
    return inputs | {name: keras.Input((1,), dtype="int64", name=name) for name in categories}


def normalised(tensor, seed):
    """A column through a layer that was adapted to it."""
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(seed).normal(0.3, 1.4, (50, 1)).astype("float32"))
    return layer(tensor)


@kind(sample=True)
def structured_data():
    """Structured data classification: normalised numbers and encoded categories."""
    inputs = table()
    columns = [normalised(inputs[name], seed) for seed, name in enumerate(NUMBERS)]
    for name, size in CATEGORIES.items():
        columns.append(layers.CategoryEncoding(size, output_mode="one_hot")(inputs[name]))
    hidden = layers.Dropout(0.5)(layers.Dense(8, activation="relu")(layers.concatenate(columns)))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="disease")(hidden))


@kind()
def wide_and_deep():
    """Wide, deep and cross networks: sparse categories beside a tower of embeddings."""
    inputs = table()
    numbers = [inputs[name] for name in NUMBERS]
    wide = layers.concatenate([*numbers, *(ops.one_hot(inputs[n][:, 0], s) for n, s in CATEGORIES.items())])
    embedded = [layers.Flatten()(layers.Embedding(size, 3)(inputs[name])) for name, size in CATEGORIES.items()]
    deep = layers.concatenate([*numbers, *embedded])
    for units in (12, 8):
        deep = layers.Dropout(0.1)(layers.ReLU()(layers.BatchNormalization()(layers.Dense(units)(deep))))
    merged = layers.concatenate([layers.BatchNormalization()(wide), deep])
    return keras.Model(inputs, layers.Dense(4, activation="softmax", name="cover")(merged))


@kind()
def deep_and_cross():
    """Wide, deep and cross networks: products of a layer's output with the first one."""
    x = keras.Input((6,), name="features")
    cross = x
    for _ in range(2):
        cross = x * layers.Dense(6)(cross) + cross
    deep = layers.Dense(5, activation="relu")(x)
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="click")(layers.concatenate([cross, deep])))


@kind()
def tab_transformer():
    """Structured data learning with TabTransformer: attention over a row's categories."""
    inputs = table()
    embedded = ops.stack([layers.Embedding(size, 8)(inputs[n])[:, 0] for n, size in CATEGORIES.items()], axis=1)
    attended = layers.MultiHeadAttention(2, 8)(embedded, embedded)
    hidden = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([attended, embedded]))
    numbers = layers.LayerNormalization(epsilon=1e-6)(layers.concatenate([inputs[name] for name in NUMBERS]))
    hidden = layers.Dense(8, activation="selu")(layers.concatenate([layers.Flatten()(hidden), numbers]))
    return keras.Model(inputs, layers.Dense(1, activation="sigmoid", name="income")(hidden))


@kind()
def collaborative_filtering():
    """Collaborative filtering for films: a user's vector times a film's, and their biases."""
    user, film = (keras.Input((1,), dtype="int32", name=name) for name in ("user", "film"))
    vectors = [layers.Flatten()(layers.Embedding(15, 4)(tensor)) for tensor in (user, film)]
    biases = [layers.Flatten()(layers.Embedding(15, 1)(tensor)) for tensor in (user, film)]
    match = layers.Dot(axes=1)(vectors)
    return keras.Model([user, film], layers.Activation("sigmoid", name="match")(layers.Add()([match, *biases])))


@kind()
def fraud_detection():
    """Imbalanced classification: a deep stack with dropout."""
    hidden = [layer for _ in range(2) for layer in (layers.Dense(16, activation="relu"), layers.Dropout(0.3))]
    return keras.Sequential(
        [keras.Input((30,), name="transaction"), *hidden, layers.Dense(1, activation="sigmoid", name="fraud")]
    )


@kind()
def actor_critic():
    """Actor critic for a pole on a cart: two heads on one layer."""
    x = keras.Input((4,), name="state")
    common = layers.Dense(12, activation="relu")(x)
    return keras.Model(
        x, [layers.Dense(2, activation="softmax", name="action")(common), layers.Dense(1, name="critic")(common)]
    )


@kind()
def deep_q_network():
    """Deep Q-learning for Atari: channels come first and are moved last."""
    x = keras.Input((4, 36, 36), name="frames")
    hidden = layers.Permute((2, 3, 1))(x)
    for filters, size, stride in ((6, 8, 4), (8, 4, 2)):
        hidden = layers.Conv2D(filters, size, strides=stride, activation="relu")(hidden)
    return keras.Model(x, layers.Dense(4, name="action")(layers.Dense(16, activation="relu")(layers.Flatten()(hidden))))


@kind()
def graph_convolution():
    """Node classification with a graph network: neighbours are averaged by a matrix that is an input."""
    nodes, adjacency = keras.Input((7, 5), name="nodes"), keras.Input((7, 7), name="adjacency")
    hidden = nodes
    for units in (6, 3):
        hidden = layers.Activation("gelu")(ops.matmul(ops.softmax(adjacency), layers.Dense(units)(hidden)))
    return keras.Model([nodes, adjacency], layers.Dense(2, activation="softmax", name="class")(hidden))


@kind()
def mixture_of_experts():
    """Experts, of which a gate's softmax takes a weighted mean."""
    x = keras.Input((6,), name="x")
    gate = layers.Dense(3, activation="softmax")(x)
    experts = ops.stack([layers.Dense(4, activation="relu")(x) for _ in range(3)], axis=1)
    return keras.Model(x, layers.Dense(2, name="y")(ops.sum(experts * ops.expand_dims(gate, -1), axis=1)))


@kind()
def gated_residual_network():
    """Classification with gated residual networks and variable selection."""
    x = keras.Input((6,), name="features")
    hidden = layers.Dense(6)(layers.Dropout(0.2)(layers.Dense(6, activation="elu")(x)))
    gated = layers.Dense(6)(hidden) * layers.Dense(6, activation="sigmoid")(hidden)
    return keras.Model(x, layers.Dense(1, name="y")(layers.LayerNormalization()(x + gated)))
