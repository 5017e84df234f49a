"""What a model takes and returns: lists, dicts, dicts of lists, scalars a row, fixed batches, one tensor twice."""

import keras
from keras import layers, ops

from zoo.registry import everywhere, kind


@kind()
def list_of_inputs():
    """Inputs and outputs in a list that is not in alphabetical order."""
    zebra, ant = keras.Input((3,), name="zebra"), keras.Input((4,), name="ant")
    both = layers.Concatenate()([zebra, ant])
    return keras.Model([zebra, ant], [layers.Dense(3, name="west")(both), layers.Dense(2, name="east")(both)])


@kind(sample=True)
def dict_of_inputs():
    """Inputs and outputs in dicts whose keys are not the layers' names."""
    inputs = {"zebra": keras.Input((3,), name="striped"), "ant": keras.Input((4,), name="small")}
    both = layers.Concatenate()([inputs["zebra"], inputs["ant"]])
    return keras.Model(
        inputs, {"west": layers.Dense(3, name="first")(both), "east": layers.Dense(2, name="second")(both)}
    )


@kind()
def dict_of_named_inputs():
    """Inputs in a dict under their own names."""
    inputs = {name: keras.Input((3,), name=name) for name in ("zebra", "ant")}
    return keras.Model(inputs, layers.Dense(2, name="y")(layers.Concatenate()([inputs["zebra"], inputs["ant"]])))


@kind(sample=True)
def nested_structures():
    """A dict of a list and a dict in, a list of a tuple and a dict out."""
    pictures = [keras.Input((3,), name="front"), keras.Input((3,), name="back")]
    inputs = {"pictures": pictures, "meta": {"age": keras.Input((1,), name="age")}}
    both = layers.Concatenate()([*pictures, inputs["meta"]["age"]])
    heads = [layers.Dense(2, name=f"head{number}")(both) for number in range(3)]
    return keras.Model(inputs, {"pair": (heads[0], heads[1]), "rest": {"last": heads[2]}})


@kind(sample=True)
def fixed_batch():
    """An input whose batch is fixed."""
    x = keras.Input(batch_shape=(4, 5), name="x")
    return keras.Model(x, layers.Dense(2, name="y")(x))


@kind(sample=True)
def scalar_rows():
    """Inputs of one number a row, without an axis for it."""
    age, income = keras.Input((), name="age"), keras.Input((), name="income")
    both = ops.stack([age, income], axis=-1)
    return keras.Model([age, income], {"score": ops.squeeze(layers.Dense(1)(both), -1), "sum": ops.add(age, income)})


@kind(sample=True)
def input_passed_through():
    """An input that is an output too."""
    x, key = keras.Input((4,), name="x"), keras.Input((1,), dtype="int32", name="key")
    return keras.Model([x, key], {"key": key, "x_again": x, "score": layers.Dense(2)(x)})


@kind(sample=True)
def output_twice():
    """One tensor as two outputs, and an identity as a third."""
    x = keras.Input((4,), name="x")
    y = layers.Dense(2, name="y")(x)
    return keras.Model(x, {"first": y, "second": y, "third": layers.Identity()(y)})


@kind()
def output_used_inside():
    """An output that other layers go on from."""
    x = keras.Input((4,), name="x")
    code = layers.Dense(2, activation="tanh", name="code")(x)
    return keras.Model(x, [code, layers.Dense(4, name="decoded")(code)])


@kind()
def constant_output():
    """An output that no input reaches but for its number of rows."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, {"y": layers.Dense(2)(x), "ones": ops.ones_like(x[:, :1])})


@kind()
def without_weights():
    """A model without any weight."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, layers.Rescaling(0.5, 0.25, name="y")(layers.ReLU()(x)))


@kind()
def unused_input():
    """An input that nothing is computed from, and which is wanted all the same."""
    x, extra = keras.Input((4,), name="x"), keras.Input((3,), name="extra")
    hidden = layers.Concatenate()([x, extra * 0.0])
    return keras.Model([x, extra], layers.Dense(2, name="y")(hidden[:, :4]))


@kind()
def optional_input():
    """An input that may be left out."""
    x, extra = keras.Input((4,), name="x"), keras.Input((4,), name="extra", optional=True)

    @keras.saving.register_keras_serializable("zoo")
    class AddIfThere(layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

    return keras.Model({"x": x, "extra": extra}, layers.Dense(2, name="y")(AddIfThere()(x, extra)))


@kind()
def many_outputs():
    """Forty outputs, numbered so that text and number sort differently."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, [layers.Dense(1, name=f"head_{number}")(x) for number in range(40)])


@kind()
def more_rows_out():
    """Two rows out for every row in."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, ops.reshape(layers.Dense(6)(x), (-1, 3)))


@kind(refused=everywhere("a row for each row"))
def one_row_out():
    """One row out for a whole batch: rows that depend on each other."""
    x = keras.Input((4,), name="x")
    return keras.Model(x, ops.mean(layers.Dense(3)(x), axis=0, keepdims=True))
