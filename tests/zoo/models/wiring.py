"""How layers are wired: branches that merge, shared layers, models inside models, and models without a graph."""

import keras
from keras import layers, ops

from zoo.registry import kind


@kind(sample=True)
def merging():
    """Every layer that merges two branches."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    a, b = layers.Dense(3)(left), layers.Dense(3)(right)
    merges = (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum)
    outputs = {merge.__name__.lower(): merge()([a, b]) for merge in merges}
    return keras.Model([left, right], {**outputs, "joined": layers.Concatenate()([a, b, a])})


@kind()
def dot_products():
    """Dot of vectors and of sequences, plain and normalised."""
    left, right = keras.Input((5, 4), name="left"), keras.Input((3, 4), name="right")
    a, b = layers.Dense(4)(left), layers.Dense(4)(right)
    return keras.Model(
        [left, right],
        {
            "pairs": layers.Dot(axes=2)([a, b]),
            "cosine": layers.Dot(axes=-1, normalize=True)([layers.Flatten()(a)[:, :6], layers.Flatten()(b)[:, :6]]),
        },
    )


@kind()
def reshaping():
    """Permute, Reshape, RepeatVector and Flatten, with a size that is left open."""
    x = keras.Input((4, 6), name="x")
    hidden = layers.Reshape((-1, 3))(layers.Permute((2, 1))(layers.Dense(6)(x)))
    repeated = layers.RepeatVector(3)(layers.Dense(4)(layers.Flatten()(hidden)))
    return keras.Model(x, {"reshaped": hidden, "repeated": repeated})


@kind()
def shared_layers():
    """One layer that several inputs go through."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    shared = layers.Dense(5, activation="tanh")
    return keras.Model([left, right], layers.Dense(2, name="y")(layers.Subtract()([shared(left), shared(right)])))


@kind(sample=True)
def nested_models():
    """A Functional model inside a Sequential inside a Functional one, which calls it twice."""
    source = keras.Input((4,))
    inner = keras.Model(source, layers.Add()([source, layers.Dense(4, activation="relu")(source)]), name="inner")
    middle = keras.Sequential([keras.Input((4,)), inner, layers.Dense(3)], name="middle")
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    return keras.Model([left, right], layers.Multiply(name="both")([middle(left), middle(right)]))


@kind(refused={"keras": "a model that Keras can load"})
def model_shared_across_levels():
    """A model that is called by another one and inside it: what Keras itself saves of it, Keras cannot load."""
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="relu")], name="inner")
    middle = keras.Sequential([keras.Input((4,)), inner, layers.Dense(3)], name="middle")
    x = keras.Input((4,), name="x")
    return keras.Model(x, [middle(x), inner(x)])


@kind()
def transfer_learning():
    """A backbone called with training=False, which some of its layers are frozen in, under a head."""
    backbone = keras.Sequential(
        [keras.Input((12, 12, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()], name="backbone"
    )
    backbone.trainable = False
    image = keras.Input((12, 12, 3), name="image")
    hidden = layers.GlobalAveragePooling2D()(backbone(image, training=False))
    return keras.Model(image, layers.Dense(3, activation="softmax", name="class")(layers.Dropout(0.2)(hidden)))


@kind()
def residual_blocks():
    """Blocks with a way around them, one with a convolution on it."""
    x = keras.Input((8, 8, 3), name="image")
    hidden = layers.Conv2D(4, 3, padding="same")(x)
    for filters in (4, 6):
        way = hidden if filters == 4 else layers.Conv2D(filters, 1)(hidden)
        block = layers.Conv2D(filters, 3, padding="same")(layers.ReLU()(layers.BatchNormalization()(hidden)))
        hidden = layers.Add()([way, block])
    return keras.Model(x, layers.Dense(2, name="y")(layers.GlobalMaxPooling2D()(hidden)))


@kind(sample=True, refused={"keras": "Python code would run"})
def lambda_layer():
    """Lambda layers, whose Python code a file holds."""
    x = keras.Input((4,), name="x")
    hidden = layers.Lambda(lambda v: ops.square(v) - 0.5)(layers.Dense(3)(x))
    return keras.Model(x, layers.Dense(2, name="y")(hidden))


@keras.saving.register_keras_serializable("zoo")
class Gate(layers.Layer):
    """A layer with weights and a layer of its own."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.inner = layers.Dense(units, activation="sigmoid")

    def build(self, shape):
        self.inner.build(shape)
        self.strength = self.add_weight(shape=(self.units,), initializer="ones", name="strength")

    def call(self, x):
        return x * self.inner(x) * self.strength

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@kind(sample=True)
def custom_layer():
    """A registered layer of one's own."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Dense(2, name="y")(Gate(4)(x)))


@keras.saving.register_keras_serializable("zoo")
class Perceptron(keras.Model):
    """A subclassed model, as most code examples write one."""

    def __init__(self, width=5, **options):
        super().__init__(**options)
        self.width = width
        self.hidden = layers.Dense(width, activation="relu")
        self.gate = Gate(width)
        self.drop = layers.Dropout(0.5)
        self.head = layers.Dense(2)

    def call(self, x, training=None):
        return self.head(self.drop(self.gate(self.hidden(x)), training=training))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


@kind(sample=True)
def subclassed():
    """A subclassed model that was built by a call."""
    model = Perceptron(name="perceptron")
    model(keras.ops.ones((3, 4)))
    return model


@kind()
def subclassed_wrapped():
    """A subclassed model inside a Functional one, as is advised for export."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, Perceptron(name="perceptron")(x))


@keras.saving.register_keras_serializable("zoo")
class TwoTowers(keras.Model):
    """Takes a dict and returns one."""

    def __init__(self, **options):
        super().__init__(**options)
        self.user, self.film = layers.Dense(3), layers.Dense(3)

    def call(self, inputs):
        user, film = self.user(inputs["user"]), self.film(inputs["film"])
        return {"score": ops.sum(user * film, axis=-1), "user_vector": user}


@kind(sample=True)
def subclassed_dict():
    """A subclassed model of dicts, built by a call."""
    model = TwoTowers(name="two_towers")
    model({"user": ops.ones((3, 4)), "film": ops.ones((3, 5))})
    return model


@kind()
def subclassed_list():
    """A subclassed model of two inputs in a list, that returns a tuple."""

    @keras.saving.register_keras_serializable("zoo")
    class Pair(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.left, self.right = layers.Dense(3), layers.Dense(3)

        def call(self, inputs):
            left, right = inputs
            return self.left(left), self.right(right)

    model = Pair(name="pair")
    model([ops.ones((3, 4)), ops.ones((3, 5))])
    return model


@keras.saving.register_keras_serializable("zoo")
class Reader(keras.Model):
    """Takes tokens."""

    def __init__(self, **options):
        super().__init__(**options)
        self.words = layers.Embedding(9, 4, mask_zero=True)
        self.memory, self.head = layers.LSTM(3), layers.Dense(2)

    def call(self, tokens, training=None):
        return self.head(self.memory(self.words(tokens)))


@kind()
def subclassed_tokens():
    """A subclassed model of tokens, whose dtype Keras does not keep."""
    model = Reader(name="reader")
    model(ops.ones((2, 6), "int32"))
    return model


@kind(sample=True)
def sequential_called():
    """A Sequential without Input, built by its first call, on a batch of three."""
    model = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(2, name="y")], name="called")
    model(ops.ones((3, 4)))
    return model


@kind()
def sequential_built():
    """A Sequential without Input, built by a shape."""
    model = keras.Sequential([layers.Dense(5, activation="relu"), layers.Dense(2, name="y")], name="built")
    model.build((None, 4))
    return model
