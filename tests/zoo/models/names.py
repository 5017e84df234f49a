"""Names that Keras takes and the formats do not agree on."""

import keras
from keras import layers

from zoo.registry import kind


def named(*inputs, output="y", model=None):
    """A model of the inputs and one output, all by the names given."""
    sources = [keras.Input((2,), name=name) for name in inputs]
    both = layers.Concatenate()(sources) if len(sources) > 1 else sources[0]
    return keras.Model(sources, layers.Dense(2, name=output)(both), name=model)


@kind()
def names_with_spaces():
    """Spaces and brackets."""
    return named("first name", "size (cm)", output="the result [0]")


@kind(sample=True)
def names_that_clash():
    """Names that are one once their special characters are gone."""
    return named("a b", "a-b", "a.b", "a_b", output="A B")


@kind(sample=True)
def names_in_unicode():
    """Letters beyond ASCII."""
    return named("größe", "年齢", output="ergebnis_é")


@kind()
def names_with_digits():
    """Digits at the beginning."""
    return named("1st", "2", output="3rd")


@kind()
def names_of_python():
    """Words of Python, and of TensorFlow's own signatures."""
    return named("class", "self", "None", "inputs", output="lambda")


@kind()
def names_in_dicts():
    """Keys of dicts, where Keras takes slashes, spaces and dots."""
    inputs = {"a/b": keras.Input((2,), name="a_b"), "c d": keras.Input((2,), name="c_d")}
    both = layers.Concatenate()(list(inputs.values()))
    return keras.Model(
        inputs, {"x/y": layers.Dense(2)(both), "x.y": layers.Dense(2)(both), "x y": layers.Dense(1)(both)}
    )


@kind()
def names_of_inputs_as_outputs():
    """An output that is called as an input is."""
    x = keras.Input((2,), name="x")
    return keras.Model(x, {"x": layers.Dense(2)(x), "y": layers.Dense(1)(x)})


@kind(sample=True)
def names_generated():
    """Names that Keras made up, with numbers that count a process' layers."""
    left, right = keras.Input((2,)), keras.Input((2,))
    for _ in range(3):
        layers.Dense(2)
    return keras.Model([left, right], [layers.Dense(2)(left), layers.Dense(2)(right)])


@kind()
def names_long():
    """A name of two hundred letters."""
    return named("x" * 200, output="y" * 200)


@kind()
def names_with_slashes_inside():
    """Layers called as if they were inside a scope, as converted models have them."""
    x = keras.Input((6, 6, 2), name="x")
    hidden = layers.Conv2D(3, 3, name="stage1_block1.conv")(x)
    return keras.Model(x, layers.Conv2D(2, 1, name="head.out")(layers.ReLU(name="stage1-relu")(hidden)))


@kind()
def names_of_formats():
    """The names that the formats use themselves."""
    return named("serving_default", "input", "args_0", output="PartitionedCall", model="saved_model")
