"""The signature of a Keras model, from its inputs to its outputs, and what is read off its layers."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from support import sample_model

from xorexport.bundle import Bundle
from xorexport.errors import ModelError
from xorexport.network.domains import decisions_of
from xorexport.network.domains import domains_of as domains_of_inputs
from xorexport.network.interface import input_specs, interface_of
from xorexport.network.signature import predict
from xorexport.results import Outcome
from xorexport.samples import Domain
from xorexport.spec import Decision, TensorSpec
from xorexport.tracing.trace import trace


def domains_of(model):
    return domains_of_inputs(model, input_specs(model))


# Names that not every format can hold.


def named_input(name):
    x = keras.Input((3,), name=name)
    return keras.Model(x, layers.Dense(2, name="y")(x), name="m")


@pytest.mark.parametrize("name", ["class", "for", "None", "self", "1st", "_x", "training", "args", "int", "mask"])
def test_an_input_may_have_any_name_that_keras_allows(name, tmp_path):
    from xorexport.pipeline import ExportRequest, export

    report = export(ExportRequest(model=named_input(name)), tmp_path / "bundle")
    assert report.exit_code == 0
    assert len({row.format for row in report.parity}) == 4


@pytest.mark.parametrize("name", ["my layer", "größe", "a[0]", "_x", "1 2"])
def test_layers_whose_names_tensorflow_cannot_hold_keep_them_in_keras_alone(name, tmp_path):
    from xorexport.pipeline import ExportRequest, export

    x = keras.Input((3,), name="x")
    hidden = layers.Dense(4, activation="tanh", name=f"{name} too")(x)
    model = keras.Model(x, layers.Dense(2, name=name)(hidden), name="a model")
    report = export(ExportRequest(model=model), tmp_path / "bundle")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert len({row.format for row in report.parity}) == 4
    (output,) = Bundle.read(tmp_path / "bundle").manifest.signature.outputs
    assert re.fullmatch(r"[A-Za-z]\w*", output.name, re.ASCII)
    assert output.keras_name == name == model.layers[-1].name


def test_no_number_that_keras_counts_up_is_in_the_signature():
    for _ in range(2):
        signature = trace(sample_model("unnamed")).signature
        assert not re.search(r"keras_tensor|input_layer", str(signature)), signature


# Inputs and outputs.


def test_two_calls_of_one_layer_are_two_outputs():
    a, b, dense = keras.Input((3,), name="a"), keras.Input((3,), name="b"), layers.Dense(2, name="d")
    outputs = trace(keras.Model([a, b], [dense(b), dense(a)], name="m")).signature.outputs
    assert [(spec.name, spec.keras_name) for spec in outputs] == [("d", None), ("d_1", "d")]


def test_nested_outputs_are_named_by_their_keys():
    x = keras.Input((3,), name="x")
    first, second, third = (layers.Dense(size, name=f"layer_{size}")(x) for size in (1, 2, 3))
    outputs = trace(keras.Model(x, {"b": third, "a": [first, second]}, name="m")).signature.outputs
    assert [(spec.name, spec.shape[1]) for spec in outputs] == [("a", 1), ("a_1", 2), ("b", 3)]


def test_inputs_in_a_dict_keep_the_names_of_their_inputs():
    b, a = keras.Input((3,), name="b"), keras.Input((2,), name="a")
    model = keras.Model({"b": b, "a": a}, layers.Dense(2, name="y")(layers.Concatenate()([b, a])), name="m")
    signature = trace(model).signature
    arrays = {"a": np.float32([[1, 2]]), "b": np.float32([[3, 4, 5]])}
    expected = model.predict(arrays, verbose=0)
    np.testing.assert_array_equal(predict(model, interface_of(model), signature, arrays)["y"], expected)
    assert {spec.name: spec.shape for spec in signature.inputs} == {"a": (None, 2), "b": (None, 3)}


def test_dtypes_and_fixed_and_unknown_sizes_are_kept():
    x = keras.Input((None, 3), dtype="uint8", name="x")
    model = keras.Model(x, layers.Rescaling(0.5, name="y")(x), name="m")
    signature = trace(model).signature
    assert [spec.describe() for spec in (*signature.inputs, *signature.outputs)] == [
        "x uint8[batch, ?, 3]",
        "y float32[batch, ?, 3]",
    ]
    fixed = keras.Input(batch_shape=(2, 3), name="x")
    assert input_specs(keras.Model(fixed, layers.Dense(1)(fixed)))[0].shape == (2, 3)


class Subclassed(keras.Model):
    """A model whose inputs Keras does not record."""

    def __init__(self):
        super().__init__(name="subclassed")
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model_has_the_inputs_of_its_first_call():
    model = Subclassed()
    with pytest.raises(ModelError, match=r"never built; .*--signature"):
        input_specs(model)
    model(np.zeros((5, 3), np.float32))
    assert [spec.describe() for spec in input_specs(model)] == ["x float32[batch, 3]"]
    given = TensorSpec(name="tokens", dtype="int32", shape=(None, 3))
    assert interface_of(model, [given]).inputs == (given,)


def test_a_layer_that_fails_in_a_graph_is_reported_in_one_line():
    class Eager(layers.Layer):
        def call(self, x):
            return x * float(np.asarray(x).sum())

        def compute_output_shape(self, shape):
            return shape

    x = keras.Input((3,), name="x")
    with pytest.raises(ModelError) as caught:
        trace(keras.Model(x, Eager(name="eager_layer")(x), name="m"))
    assert "\n" not in str(caught.value)
    assert "eager_layer" in str(caught.value) or "Eager" in str(caught.value)


# What the layers say.


def test_tokens_stay_below_the_vocabulary_and_pixels_within_a_byte():
    assert domains_of(sample_model("embedding")) == {"tokens": Domain(low=0, high=10, integer=True)}
    assert domains_of(sample_model("convnet")) == {"image": Domain(low=0.0, high=255.0)}
    assert domains_of(sample_model("two_by_two")) == {}


def test_the_smallest_vocabulary_counts_where_an_input_has_two():
    ids = keras.Input((3,), dtype="int32", name="ids")
    both = [layers.Embedding(size, 2)(ids) for size in (9, 5)]
    assert domains_of(keras.Model(ids, layers.Add()(both)))["ids"].high == 4


def decisions(*outputs):
    x = keras.Input((3,), name="x")
    model = keras.Model(x, [layer(x) for layer in outputs], name="m")
    return decisions_of(model, trace(model).signature)


def test_one_sigmoid_and_a_softmax_decide_and_nothing_else_does():
    assert decisions(
        layers.Dense(1, activation="sigmoid", name="one"),
        layers.Dense(4, activation="softmax", name="many"),
        layers.Dense(3, activation="sigmoid", name="several"),
        layers.Dense(1, activation="softmax", name="always_one"),
        layers.Dense(1, activation="tanh", name="number"),
        layers.Dense(2, name="linear"),
    ) == {"one": Decision.THRESHOLD, "many": Decision.ARGMAX}


def test_a_layer_that_is_only_an_activation_decides_too():
    assert decisions(layers.Softmax(name="soft"), layers.Activation("softmax", name="named")) == {
        "soft": Decision.ARGMAX,
        "named": Decision.ARGMAX,
    }


def test_dict_outputs_decide_under_their_keys():
    model = sample_model("dict_outputs")
    assert decisions_of(model, trace(model).signature) == {"score": Decision.THRESHOLD}


@pytest.mark.parametrize(
    ("shape", "classes", "expected"),
    [
        ((None, 3), 3, True),
        ((None, 3), 2, False),
        ((None, 64, 64, 3), 3, True),
        ((None, 1), 2, True),
        ((None, 1), 1, False),
        ((None,), 2, True),
        ((None, None), 2, False),
        ((3,), 3, False),
        ((None, 2, 1), 2, False),
    ],
)
def test_an_output_chooses_among_as_many_classes_as_it_has_numbers(shape, classes, expected):
    assert TensorSpec(name="y", dtype="float32", shape=shape).chooses_among(classes) is expected
