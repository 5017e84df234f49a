import keras
import numpy as np
import pytest

from xorexport.errors import UsageError
from xorexport.network.architecture import Architecture


def layers_of(model):
    return [(type(layer).__name__, layer.name, layer.get_config()) for layer in model.layers if layer.name != "x"]


def test_default_is_the_tutorials_network():
    model = Architecture().sequential()
    assert isinstance(model, keras.Sequential)
    assert model.name == "xor"
    assert [tensor.name for tensor in model.inputs] == ["x"]
    assert [(layer.name, layer.units, layer.activation.__name__) for layer in model.layers] == [
        ("hidden", 16, "relu"),
        ("y", 1, "sigmoid"),
    ]
    assert model.input_shape == (None, 2)
    assert model.output_shape == (None, 1)
    assert model.count_params() == 65


@pytest.mark.parametrize("hidden", [(), (16,), (32,), (16, 16), (3, 5, 4)])
def test_both_apis_build_the_same_layers(hidden):
    architecture = Architecture(hidden=hidden, activation="tanh", outputs=2, output_activation="linear")
    sequential, functional = architecture.sequential(), architecture.functional()
    assert not isinstance(functional, keras.Sequential)
    assert layers_of(sequential) == layers_of(functional)
    assert [tensor.name for tensor in sequential.inputs] == [tensor.name for tensor in functional.inputs]
    assert [weight.shape for weight in sequential.weights] == [weight.shape for weight in functional.weights]
    assert sequential.output_shape == functional.output_shape == (None, 2)


def test_layer_names_count_from_one_where_there_are_several():
    assert Architecture(hidden=(8,)).hidden_names == ("hidden",)
    assert Architecture(hidden=(8, 8)).hidden_names == ("hidden_1", "hidden_2")
    model = Architecture(hidden=(8, 8), input_name="corners", output_name="loyal", name="shop").functional()
    assert [layer.name for layer in model.layers] == ["corners", "hidden_1", "hidden_2", "loyal"]
    assert model.name == "shop"


def test_weights_follow_the_global_seed_alone():
    def drawn(seed, build):
        keras.utils.set_random_seed(seed)
        return [weight.tobytes() for weight in build().get_weights()]

    architecture = Architecture()
    assert drawn(5, architecture.sequential) == drawn(5, architecture.functional)
    assert drawn(5, architecture.sequential) != drawn(6, architecture.sequential)
    # No seed in the initialisers: two builds in a row draw on.
    keras.utils.set_random_seed(5)
    first, second = architecture.sequential(), architecture.sequential()
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": (16, 0)}, "hidden layer: expected a whole number of at least 1, found 0; "),
        ({"hidden": (-1,)}, "hidden layer: expected a whole number of at least 1, found -1; "),
        ({"hidden": (2.5,)}, "hidden layer: expected a whole number of at least 1, found 2.5; "),
        ({"hidden": (True,)}, "hidden layer: expected a whole number of at least 1, found True; "),
        ({"inputs": 0}, "inputs: expected a whole number of at least 1, found 0; "),
        ({"outputs": 0}, "outputs: expected a whole number of at least 1, found 0; "),
        ({"activation": "rellu"}, "activation: expected the name of an activation of Keras, found 'rellu'; "),
        ({"output_activation": "sigm"}, "output activation: expected the name of an activation of Keras"),
        ({"input_name": "my input"}, "layer name: expected letters, digits and underscores"),
        ({"output_name": "größe"}, "found 'größe'; choose a name that every format can carry"),
        ({"input_name": ""}, "found ''; "),
        ({"output_name": "x"}, "found 'x' twice; rename the input or the output"),
        ({"output_name": "hidden"}, "found 'hidden' twice"),
    ],
)
def test_what_cannot_be_built_is_refused(values, message):
    with pytest.raises(UsageError) as caught:
        Architecture(**values)
    assert message in str(caught.value)
