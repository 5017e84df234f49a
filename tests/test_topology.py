import inspect
import sys

import keras
import numpy as np
import pytest
from graph_models import branches, called_with, convolution, nested, shifted, wrapped
from keras import layers

from xorexport.network.architecture import Architecture
from xorexport.network.topology import TopologyComparison

PLANTED = {
    "activation": (
        lambda: Architecture().sequential(),
        lambda: Architecture(activation="tanh").functional(),
        "layer 2 Dense 'hidden' / 'hidden': activation is relu in the first model, tanh in the second",
    ),
    "units": (
        lambda: Architecture().functional(),
        lambda: Architecture(hidden=(32,)).functional(),
        "layer 2 Dense 'hidden' / 'hidden': units is 16 in the first model, 32 in the second",
    ),
    "a layer more": (
        lambda: Architecture(hidden=(16,), outputs=16, output_activation="relu").functional(),
        lambda: Architecture(hidden=(16, 16), outputs=16, output_activation="relu").functional(),
        "layer 4 Dense 'y': it is in the second model alone",
    ),
    "inputs' shape": (
        lambda: Architecture().sequential(),
        lambda: Architecture(inputs=3).sequential(),
        "layer 1 InputLayer 'x' / 'x': batch_shape is (None, 2) in the first model, (None, 3) in the second",
    ),
    "stride": (
        convolution,
        lambda: convolution(strides=2),
        "strides is (1, 1) in the first model, (2, 2) in the second",
    ),
    "use_bias": (
        convolution,
        lambda: convolution(use_bias=False),
        "use_bias is True in the first model, False in the second",
    ),
    "dtype": (
        convolution,
        lambda: convolution(dtype="mixed_bfloat16"),
        "dtype is float32 in the first model, mixed_bfloat16 in the second",
    ),
    "initialiser": (
        convolution,
        lambda: convolution(kernel_initializer="he_normal"),
        "kernel_initializer.class_name is GlorotUniform in the first model, HeNormal in the second",
    ),
    "initialiser's seed": (
        convolution,
        lambda: convolution(kernel_initializer=keras.initializers.GlorotUniform(seed=3)),
        "kernel_initializer.seed is None in the first model, 3 in the second",
    ),
    "frozen layer": (
        convolution,
        lambda: convolution(trainable=False),
        "trainable is True in the first model, False in the second",
    ),
    "class": (
        lambda: keras.Sequential([keras.Input((3,)), layers.Dropout(0.5, name="d")]),
        lambda: keras.Sequential([keras.Input((3,)), layers.GaussianNoise(0.5, name="g")]),
        "layer 2 Dropout 'd' / layer 2 GaussianNoise 'g': class is Dropout in the first model, GaussianNoise in the",
    ),
    "swapped wiring": (
        branches,
        lambda: branches(swap=True),
        "layer 3 Dense 'a' / 'a': argument inputs is output 1 of layer 1 InputLayer",
    ),
    "swapped outputs": (
        branches,
        lambda: branches(swap_outputs=True),
        "layer 6 Dense 'p' / 'q': activation is linear in the first model, tanh in the second",
    ),
    "shared layer": (
        branches,
        lambda: branches(shared=True),
        "layer 4 Dense 'b' / layer 3 Dense 'a': it is a new layer in the first model, "
        "a further call of layer 3 Dense 'a' in the second",
    ),
    "dict of outputs": (
        branches,
        lambda: branches(structure=dict),
        "the model: outputs is a list of 2 tensors in the first model, "
        "a dict of p: one tensor, q: one tensor in the second",
    ),
    "inner activation": (
        nested,
        lambda: nested("tanh"),
        "layer 3 model 'other_name' / 'other_name', layer 2 Dense 'd' / 'd': activation is relu in the first",
    ),
    "shared inner model": (
        nested,
        lambda: nested(twice=True),
        "it is a further call of layer 3 model 'other_name' in the first model, a new layer in the second",
    ),
    "wrapped model": (
        lambda: wrapped("relu"),
        lambda: wrapped("tanh"),
        "layer 2 TimeDistributed 'steps' / 'steps', layer 1 model 'inner' / 'inner', layer 2 Dense 'd' / 'd': "
        "activation is relu in the first model, tanh in the second",
    ),
    "argument of a call": (
        lambda: called_with(training=None),
        lambda: called_with(training=True),
        "argument training is absent in the first model, True in the second",
    ),
    "constant": (
        lambda: shifted(0.5),
        lambda: shifted(0.25),
        "argument x2 is 0.5 in the first model, 0.25 in the second",
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_difference_is_named(case):
    first, second, expected = PLANTED[case]
    assert expected in str(TopologyComparison(first(), second()).difference)
    # The very same model built again has no such difference.
    again = TopologyComparison(first(), first())
    assert again.difference is None
    assert again.undecided == []


@pytest.mark.parametrize("case", PLANTED)
def test_a_difference_is_one_in_both_directions(case):
    first, second, _ = PLANTED[case]
    assert TopologyComparison(second(), first()).difference is not None


def test_ways_of_calling_a_layer_are_alike():
    def model(call):
        source = keras.Input((4,))
        return keras.Model(source, call(layers.Dropout(0.5), source))

    plain = model(lambda layer, source: layer(source))
    for call in (
        lambda layer, source: layer(inputs=source),
        lambda layer, source: layer(source, training=None),
        lambda layer, source: layer(source, training=False),
    ):
        assert TopologyComparison(plain, model(call)).difference is None


def test_a_list_of_one_output_is_that_output():
    source = keras.Input((4,))
    output = layers.ReLU()(source)
    assert TopologyComparison(keras.Model(source, output), keras.Model([source], [output])).difference is None


def test_a_dict_has_no_order():
    def model(keys):
        source = keras.Input((4,))
        made = {"a": layers.ReLU()(source), "b": layers.Softmax()(source)}
        return keras.Model(source, {key: made[key] for key in keys})

    assert TopologyComparison(model("ab"), model("ba")).difference is None


def test_which_output_of_a_layer_goes_on_counts():
    def model(index):
        source = keras.Input((5, 4))
        return keras.Model(source, layers.LSTM(3, return_state=True, name="states")(source)[index])

    assert TopologyComparison(model(1), model(2)).difference == (
        "the model: output 1 is output 2 of layer 2 LSTM 'states' in the first model, "
        "output 3 of layer 2 LSTM 'states' in the second"
    )


def test_an_operand_on_the_other_side_is_a_difference():
    def model(reverse):
        sources = [keras.Input((4,)), keras.Input((4,))]
        operands = sources[::-1] if reverse else sources
        return keras.Model(sources, layers.Subtract(name="minus")(operands))

    found = TopologyComparison(model(False), model(True)).difference
    assert found is not None
    assert found.startswith("layer 3 Subtract 'minus' / 'minus': argument inputs[1] is output 1 of layer 1 InputLayer")


def test_an_operation_is_compared_by_its_arguments_and_arrays():
    def model(last):
        source = keras.Input((3,))
        return keras.Model(source, keras.ops.multiply(source, np.array([1, 2, last], np.float32)))

    assert TopologyComparison(model(3), model(3)).difference is None
    found = TopologyComparison(model(3), model(4)).difference
    assert found is not None
    assert "argument x2 is float32[3] [1. 2. 3.] in the first model, float32[3] [1. 2. 4.] in the second" in found


def test_classes_of_the_same_name_are_told_apart():
    def model():
        class Same(layers.Layer):
            def call(self, inputs):
                return inputs

        return keras.Sequential([keras.Input((4,)), Same(name="same")])

    found = TopologyComparison(model(), model()).difference
    assert found is not None
    assert "another class of the name test_topology.test_classes_of" in found


def test_deep_graphs_need_no_deep_recursion():
    def model():
        output = source = keras.Input((1,))
        for _ in range(600):
            output = keras.ops.negative(output)
        return keras.Model(source, output)

    first, second = model(), model()
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        comparison = TopologyComparison(first, second)
    finally:
        sys.setrecursionlimit(limit)
    assert comparison.difference is None
    assert comparison.layers == 601
