"""The layers that an op of the graph comes from, by the names that their author gave them."""

import keras
from keras import layers, ops

from xorexport.tracing.culprits import layers_with
from xorexport.tracing.trace import trace


@keras.saving.register_keras_serializable("tests")
class Sinh(layers.Layer):
    """One op."""

    def call(self, x):
        return ops.sinh(x)


def traced_of(*names, wrap=None):
    x = keras.Input((4, 3), name="x")
    hidden = x
    for name in names:
        layer = Sinh(name=name)
        hidden = (wrap(layer) if wrap else layer)(hidden)
    return trace(keras.Model(x, hidden, name="m"))


def test_one_layer_two_and_more_than_are_shown():
    assert layers_with(traced_of("one"), ["Sinh"]) == "Sinh in layer 'one'"
    assert layers_with(traced_of("one", "other"), ["Sinh"]) == "Sinh in layers 'one' and 'other'"
    assert layers_with(traced_of(*"abc"), ["Sinh"]) == "Sinh in layers 'a' and 'b' and 'c'"
    assert layers_with(traced_of(*"abcde"), ["Sinh"]) == "Sinh in layers 'a' and 'b' and 'c' and 2 more"


def test_each_op_is_said_for_itself_and_one_that_is_nowhere_by_its_type():
    assert layers_with(traced_of("one"), ["Sinh", "Roll"]) == "Sinh in layer 'one', Roll"
    assert layers_with(traced_of("one"), []) == ""


def test_a_layer_that_is_called_twice_is_one():
    x, layer = keras.Input((3,), name="x"), Sinh(name="twice")
    assert layers_with(trace(keras.Model(x, layer(layer(x)))), ["Sinh"]) == "Sinh in layer 'twice'"


def test_a_number_in_a_name_is_the_authors():
    assert layers_with(traced_of("sinh_7", "sinh_8"), ["Sinh"]) == "Sinh in layers 'sinh_7' and 'sinh_8'"


def test_the_innermost_layer_is_named():
    inner = keras.Sequential([keras.Input((4, 3)), Sinh(name="deep")], name="outer")
    x = keras.Input((4, 3), name="x")
    assert layers_with(trace(keras.Model(x, inner(x))), ["Sinh"]) == "Sinh in layer 'deep'"


def test_functions_and_loops_are_looked_into():
    x = keras.Input((4, 3), name="x")
    cell = layers.RNN(layers.SimpleRNNCell(2, activation=ops.sinh, name="cell"), name="loop")
    assert layers_with(trace(keras.Model(x, cell(x))), ["Sinh"]) in ("Sinh in layer 'loop'", "Sinh in layer 'cell'")


def test_an_op_between_layers_has_its_operations_name_without_keras_number():
    x = keras.Input((3,), name="x")
    traced = trace(keras.Model(x, layers.Dense(3, name="sinh_9")(ops.sinh(x) + ops.sinh(2.0 * x % 3.0))))
    assert (
        layers_with(traced, ["Sinh", "FloorMod", "Roll"])
        == "Sinh in operation 'sinh', FloorMod in operation 'mod', Roll"
    )
    assert keras.Operation.__call__.__name__ != "scoped"


def test_an_operation_in_an_inner_model_is_named_as_itself():
    inner_x = keras.Input((4, 3))
    inner = keras.Model(inner_x, ops.sinh(inner_x))
    x = keras.Input((4, 3), name="x")
    assert layers_with(trace(keras.Sequential([x, inner])), ["Sinh"]).startswith("Sinh in layer '")
