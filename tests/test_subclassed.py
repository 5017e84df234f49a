"""Subclassed models: arguments and dtypes that Keras does not record, and classes that cannot be made again."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sample_models import randomised
from support import manifest_of

from xorexport.errors import ExportError, ModelError
from xorexport.network.interface import interface_of, parse_spec
from xorexport.network.loading import classes_known, load_model
from xorexport.network.subclassed import arguments_left_out, with_whole_numbers
from xorexport.pipeline import ExportRequest, export

X = np.random.default_rng(6).uniform(-1, 1, (4, 3)).astype(np.float32)
TOKENS = np.array([[3, 0, 8], [1, 8, 2]], np.int32)


class Scaled(keras.Model):
    """One argument more than Keras keeps in mind, and a layer that is never called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense, self.unused = layers.Dense(2), layers.Dense(7)

    def call(self, x, scale=None, training=False, mask=None, **options):
        y = self.dense(x)
        return y if scale is None else y * scale


class Pair(keras.Model):
    """Needs both of its arguments."""

    def __init__(self, **options):
        super().__init__(**options)
        self.left, self.right = layers.Dense(2), layers.Dense(2)

    def call(self, a, b):
        return self.left(a) - self.right(b)


class Tokens(keras.Model):
    """An Embedding, and what else is made of its input."""

    def __init__(self, also=None, **options):
        super().__init__(**options)
        self.embedding, self.dense, self.also = layers.Embedding(9, 4, mask_zero=True), layers.Dense(2), also

    def call(self, x):
        ids = x["ids"] if isinstance(x, dict) else x
        y = self.dense(ops.mean(self.embedding(ids), axis=1))
        return y + x["age"] if isinstance(x, dict) else y if self.also is None else y + self.also(x)


def called(model, *inputs, **named):
    model(*inputs, **named)
    return randomised(model)


# Arguments.


def test_an_argument_that_stays_at_its_default_is_told():
    for named in ({}, {"scale": X[:, :1]}):
        model = called(Scaled(), X, **named)
        note = arguments_left_out(model, interface_of(model))
        assert note.startswith("'scale' of call stays at its default")
        assert note.endswith("--signature 'x float32[batch, 3]' --signature 'scale ...'")


def test_what_the_user_names_is_not_left_out(tmp_path):
    given = (parse_spec("x float32[batch, 3]"), parse_spec("scale float32[batch, 1]"))
    model = called(Scaled(), X)
    assert arguments_left_out(model, interface_of(model, given)) == ""
    assert arguments_left_out(keras.Sequential([keras.Input((3,)), layers.Dense(2)]), interface_of(model)) == ""
    assert export(ExportRequest(model=model, inputs=given, formats=("onnx",)), tmp_path / "b").exit_code == 0
    assert [spec["name"] for spec in manifest_of(tmp_path / "b")["signature"]["inputs"]] == ["x", "scale"]


def test_an_argument_that_call_needs_is_asked_for():
    model = called(Pair(), X, 2 * X)
    expected = (
        r"found call\(a, b\), of which Keras keeps 'a' alone; .*--signature 'a float32\[batch, 3\]' --signature 'b"
    )
    with pytest.raises(ModelError, match=expected):
        arguments_left_out(model, interface_of(model))
    given = [parse_spec("a float32[batch, 3]"), parse_spec("b float32[batch, 3]")]
    assert arguments_left_out(model, interface_of(model, given)) == ""


class RowByRow(keras.Model):
    """Has to know how many rows there are."""

    def __init__(self, **options):
        super().__init__(**options)
        self.dense = layers.Dense(2)

    def call(self, x):
        return ops.concatenate([self.dense(x[row : row + 1]) for row in range(x.shape[0])], axis=0)


def test_a_model_that_has_to_know_a_size_is_refused_with_the_option_that_fixes_it(tmp_path):
    model = called(RowByRow(), X)
    with pytest.raises(ModelError, match="fix them, for example with --signature '") as caught:
        export(ExportRequest(model=model, formats=("onnx",)), tmp_path / "b")
    given = parse_spec(caught.value.remedy.partition("--signature '")[2].rstrip("'"))
    assert export(ExportRequest(model=model, inputs=(given,), formats=("onnx",)), tmp_path / "b").exit_code == 0


# Dtypes.


def dtypes(model):
    return {spec.name: spec.dtype for spec in with_whole_numbers(model, interface_of(model)).inputs}


def test_an_input_that_an_embedding_alone_takes_is_made_of_whole_numbers():
    assert dtypes(called(Tokens(), TOKENS)) == {"x": "int32"}
    both = called(Tokens(), {"ids": TOKENS, "age": np.ones((2, 1), np.float32)})
    assert dtypes(both) == {"ids": "int32", "age": "float32"}
    assert dtypes(called(Tokens(dtype="mixed_float16"), TOKENS)) == {"x": "int32"}


def test_an_input_that_is_used_as_a_number_too_stays_one():
    assert dtypes(called(Tokens(also=lambda x: ops.mean(x, axis=1, keepdims=True)), TOKENS)) == {"x": "float32"}
    assert dtypes(called(Scaled(), X)) == {"x": "float32"}


# Classes.


class Sized(keras.Model):
    """Takes an argument, and does not say so in a config."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.dense = layers.Dense(units)

    def call(self, x):
        return self.dense(x)


class Closed(keras.Model):
    """Takes nothing, not even its name."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def test_a_class_that_does_not_say_what_it_takes_loses_the_keras_file_alone(tmp_path):
    request = ExportRequest(model=called(Sized(2), X), formats=("keras", "onnx"))
    with pytest.raises(
        ExportError, match=r"found 'Sized', which takes .* no get_config; .* other formats with --format"
    ):
        export(request, tmp_path / "all")
    model = called(Sized(2), X)
    assert export(ExportRequest(model=model, formats=("onnx",)), tmp_path / "some").exit_code == 0


def test_a_class_that_does_not_take_what_its_config_says_is_named(tmp_path):
    model = called(Closed(), X)
    model.save(tmp_path / "m.keras")
    with (
        classes_known(model),
        pytest.raises(ModelError, match=r"found 'Closed', whose __init__\(\) got .*'trainable'; "),
    ):
        load_model(tmp_path / "m.keras")


def test_weights_that_keras_leaves_out_are_missed(tmp_path):
    model = called(Pair(), X, X)
    model.save(tmp_path / "m.keras")
    with (
        classes_known(model),
        pytest.raises(
            ModelError, match=r"layer 'dense.*', which Keras does not build, .* 4 weights have no place; give"
        ),
    ):
        load_model(tmp_path / "m.keras")


def test_a_layer_that_was_never_called_misses_nothing(tmp_path):
    model = called(Scaled(), X)
    model.compile("adam", "mse")
    model.fit(X, X[:, :2], verbose=0)
    model.save(tmp_path / "m.keras")
    with classes_known(model):
        loaded = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
