"""How a model is called: its inputs, the structure that they are packed in, and what a user may say of both."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from xorexport.errors import ModelError, UsageError
from xorexport.network.interface import (
    Interface,
    call_structure,
    functional,
    input_specs,
    interface_of,
    parse_spec,
)
from xorexport.spec import TensorSpec


def described(interface):
    return [spec.describe() for spec in interface.inputs]


# What a user writes.


@pytest.mark.parametrize(
    ("text", "name", "dtype", "shape"),
    [
        ("x float32[batch, 4]", "x", "float32", (None, 4)),
        ("x int64[?, None, 3]", "x", "int64", (None, None, 3)),
        ("  x_1   bool[2,3]  ", "x_1", "bool", (2, 3)),
        ("x uint8[]", "x", "uint8", ()),
        ("x float16[ batch ]", "x", "float16", (None,)),
        ("tokens int32 [batch, 7]", "tokens", "int32", (None, 7)),
        ("a-b.c float64[batch]", "a-b.c", "float64", (None,)),
    ],
)
def test_a_spec_is_read_as_it_is_printed(text, name, dtype, shape):
    spec = parse_spec(text)
    assert (spec.name, spec.dtype, spec.shape) == (name, dtype, shape)
    if shape and None not in shape[1:]:
        assert parse_spec(spec.describe()) == spec


def test_what_is_printed_for_a_model_can_be_given_back():
    x = keras.Input((None, 3), dtype="int32", name="x")
    (spec,) = input_specs(keras.Model(x, x + 1))
    assert parse_spec(spec.describe()) == spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x float32",
        "float32[batch, 4]",
        "x float33[batch]",
        "x batch[float32]",
        "x float32[batch, -4]",
        "x float32[batch, 0]",
        "x float32[batch, 4.5]",
        "x float32[batch, four]",
        "x float32[batch, 4",
        "x float32[batch, 4] y",
        "x float32[batch][4]",
    ],
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"--signature.*'x float32\[batch, 4\]'") as caught:
        parse_spec(text)
    assert f"'{text}'" in str(caught.value)


# Models whose inputs Keras records.


def two_inputs(structure, names=("b", "a")):
    first, second = keras.Input((3,), name=names[0]), keras.Input((2,), dtype="int32", name=names[1])
    y = layers.Dense(1, name="y")(ops.concatenate([first, ops.cast(second, "float32")], axis=-1))
    return keras.Model(structure(first, second), y, name="m")


STRUCTURES = {
    "list": lambda first, second: [first, second],
    "turned": lambda first, second: [second, first],
    "dict": lambda first, second: {"z": first, "c": second},
    "nested": lambda first, second: {"outer": [first, {"inner": second}]},
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_flat_list_is_packed_as_the_model_takes_it(name):
    model = two_inputs(STRUCTURES[name])
    interface = interface_of(model)
    assert set(described(interface)) == {"b float32[batch, 3]", "a int32[batch, 2]"}
    arrays = {"b": np.float32([[1, 2, 3]]), "a": np.int32([[4, 5]])}
    flat = [arrays[spec.name] for spec in interface.inputs]
    (argument,), named = interface.arguments(flat)
    assert named == {}
    assert interface.alone
    expected = model(STRUCTURES[name](arrays["b"], arrays["a"]))
    np.testing.assert_array_equal(model(argument), expected)
    np.testing.assert_array_equal(model(call_structure(model, flat)), expected)


def test_one_input_is_no_list():
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2)])
    interface = interface_of(model)
    x = np.ones((1, 3), np.float32)
    assert interface.arguments([x])[0][0] is x
    assert call_structure(model, [x]) is x


def test_half_precision_is_taken_as_float32():
    for dtype, expected in (("float16", "float32"), ("bfloat16", "float32"), ("float64", "float64"), ("bool", "bool")):
        x = keras.Input((3,), dtype=dtype, name="x")
        assert input_specs(keras.Model(x, ops.logical_not(x) if dtype == "bool" else x * 2))[0].dtype == expected


def test_a_users_word_counts_for_dtypes_and_sizes():
    model = two_inputs(STRUCTURES["list"])
    given = parse_spec("a int64[4, 2]")
    interface = interface_of(model, [given])
    assert described(interface) == ["b float32[batch, 3]", "a int64[4, 2]"]
    # The name in Keras is not the user's to change.
    renamed = two_inputs(STRUCTURES["list"], names=("b-1", "a"))
    (spec, _) = interface_of(renamed, [parse_spec("b_1 float64[batch, 3]")]).inputs
    assert (spec.dtype, spec.keras_name) == ("float64", "b-1")


@pytest.mark.parametrize("text", ["c float32[batch, 3]", "b float32[batch]", "b float32[batch, 3, 1]"])
def test_a_users_word_has_to_fit_the_model(text):
    with pytest.raises(UsageError, match=r"--signature.*b float32\[batch, 3\], a int32\[batch, 2\]") as caught:
        interface_of(two_inputs(STRUCTURES["list"]), [parse_spec(text)])
    assert f"found {text}" in str(caught.value)


def test_the_graph_of_layers_is_the_models_own_or_a_sequentials_inner_one():
    model = two_inputs(STRUCTURES["list"])
    assert functional(model) is model
    sequential = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    assert functional(sequential) is sequential._functional
    assert functional(keras.Sequential([layers.Dense(2)])) is None
    assert functional(Several()) is None


# Subclassed models.


class Several(keras.Model):
    """Takes a dict; and an argument beside it, which Keras keeps in mind for the sake of `build` alone."""

    def __init__(self):
        super().__init__(name="several")
        self.dense = layers.Dense(2)

    def build(self, features_shape, scale_shape=None):
        self.dense.build((None, 5))

    def call(self, features, scale=None, training=False):
        hidden = self.dense(ops.concatenate([features["wide"], *features["deep"]], axis=-1))
        return hidden if scale is None else hidden * scale


def several(**options):
    model = Several()
    ones = np.ones((4, 2), np.float32)
    model({"wide": ones, "deep": [ones[:, :1], ones]}, **options)
    return model


def test_every_argument_of_a_first_call_is_an_input():
    interface = interface_of(several(scale=np.ones((4, 1), np.float32)))
    by_name = {spec.name: spec.shape for spec in interface.inputs}
    assert by_name == {"wide": (None, 2), "deep": (None, 1), "deep_1": (None, 2), "scale": (None, 1)}
    assert not interface.alone
    arrays = {name: np.full((3, shape[1]), i, np.float32) for i, (name, shape) in enumerate(by_name.items())}
    positional, named = interface.arguments([arrays[spec.name] for spec in interface.inputs])
    assert positional[0]["wide"] is arrays["wide"]
    assert positional[0]["deep"][0] is arrays["deep"]
    assert positional[0]["deep"][1] is arrays["deep_1"]
    assert list(named) == ["scale"]
    assert named["scale"] is arrays["scale"]


def test_one_argument_is_what_predict_takes():
    interface = interface_of(several())
    assert interface.alone
    assert {spec.name for spec in interface.inputs} == {"wide", "deep", "deep_1"}


def test_a_user_names_all_inputs_of_a_subclassed_model_or_none():
    given = [parse_spec(f"{name} float64[batch, {size}]") for name, size in (("p", 1), ("q", 2), ("r", 2))]
    interface = interface_of(several(), given)
    assert interface.inputs == tuple(given)
    with pytest.raises(UsageError, match=r"3 inputs, which the model was called with, found 2: p .*, q "):
        interface_of(several(), given[:2])


def test_a_model_that_was_never_called_needs_the_users_word():
    with pytest.raises(ModelError, match=r"model 'several'.*never built.*--signature"):
        interface_of(Several())
    one, two = parse_spec("x float32[batch, 3]"), parse_spec("y float32[batch, 3]")
    alone = interface_of(Several(), [one])
    assert (alone.inputs, alone.arguments(["tensor"])) == ((one,), (("tensor",), {}))
    assert interface_of(Several(), [one, two]).arguments(["a", "b"]) == ((["a", "b"],), {})


def test_shapes_that_keras_kept_as_lists_are_shapes():
    # A model that was loaded has them from JSON.
    class Plain(keras.Model):
        def call(self, x):
            return x

    model = Plain(name="plain")
    for shapes in ({"x_shape": [4, 3]}, {"x_shape": (4, 3)}, {"input_shape": (None, 3)}):
        model._build_shapes_dict = shapes
        assert described(interface_of(model)) == ["x float32[batch, 3]"]
    model._build_shapes_dict = {"x_shape": [[4, 3], [4, 2, 5]]}
    interface = interface_of(model)
    assert described(interface) == ["x float32[batch, 3]", "x_1 float32[batch, 2, 5]"]
    assert interface.arguments(["a", "b"]) == ((["a", "b"],), {})


def test_an_interface_names_its_arguments_in_order():
    spec = TensorSpec(name="x", dtype="float32", shape=(None,))
    interface = Interface((spec, spec, spec), {None: [2, 0], "other": {"k": 1}})
    assert interface.arguments(["a", "b", "c"]) == ((["c", "a"],), {"other": {"k": "b"}})
