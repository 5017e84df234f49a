"""Canonical names: identifiers that every format can hold, distinct, and the same in every process."""

import builtins
import keyword
import random
import re
import string

import keras
import pytest
from keras import layers

from xorexport.network.names import canonical_names, identifier, layer_name, original


@pytest.mark.parametrize(
    ("names", "canonical"),
    [
        (["x", "y"], ["x", "y"]),
        (["a-b.c", "a.b-c"], ["a_b_c", "a_b_c_1"]),
        (["a_1", "a", "a"], ["a_1", "a", "a_2"]),
        (["scope/in"], ["scope_in"]),
        (["größe"], ["gr__e"]),
        (["keras_tensor", "keras_tensor_14"], ["input", "input_1"]),
        (["input_layer_3"], ["input"]),
        (["keras_tensors"], ["keras_tensors"]),
    ],
)
def test_names_become_distinct_identifiers_in_order(names, canonical):
    assert canonical_names(names, "input") == canonical


def test_a_name_that_an_input_has_is_not_given_to_an_output():
    assert canonical_names(["same", "other"], "output", taken=["same"]) == ["same_1", "other"]


def test_any_names_become_distinct_identifiers_and_identifiers_stay_as_they_are():
    generator = random.Random(4)
    alphabet = string.ascii_letters + string.digits + "_-. :/äß漢"
    for _ in range(500):
        names = ["".join(generator.choices(alphabet, k=generator.randrange(4))) for _ in range(generator.randrange(6))]
        canonical = canonical_names(names, "input")
        assert len(canonical) == len(names) == len(set(canonical))
        assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in canonical)
        if all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in names) and len(set(names)) == len(names):
            assert canonical == names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("x", "x"),
        ("X_1", "X_1"),
        ("_x", "n_x"),
        ("1st", "n1st"),
        ("", "n"),
        ("a b", "a_b"),
        ("ä", "n_"),
        ("x²", "x_"),
        ("class", "class_"),
        ("None", "None_"),
        ("self", "self_"),
        ("match", "match"),
        ("a/b:0", "a_b_0"),
    ],
)
def test_an_identifier_begins_with_a_letter_and_is_no_word_of_python(name, expected):
    assert identifier(name) == expected
    assert identifier(expected) == expected


def test_no_word_of_python_stays_one_and_other_names_do():
    assert not set(map(identifier, keyword.kwlist)) & set(keyword.kwlist)
    usual = [name for name in dir(builtins) if name.isidentifier() and name[0] != "_" and name not in keyword.kwlist]
    assert list(map(identifier, usual)) == usual


def test_numbers_that_make_names_distinct_skip_those_that_are_there():
    assert canonical_names(["a", "a", "a_1", "a"], "input") == ["a", "a_1", "a_1_1", "a_2"]
    assert canonical_names(["a", "a"], "input", taken=["a", "a_1"]) == ["a_2", "a_3"]
    assert canonical_names(["keras_tensor"], "output", taken=["output"]) == ["output_1"]


def test_a_layers_number_is_left_out_where_keras_made_it_up():
    unnamed = [layers.Dense(1), layers.Dense(1), layers.Conv2DTranspose(1, 1), layers.Conv2DTranspose(1, 1)]
    assert list(map(layer_name, unnamed)) == ["dense", "dense", "conv2d_transpose", "conv2d_transpose"]
    assert layer_name(layers.Dense(1, name="dense_7")) == "dense"
    assert layer_name(layers.Dense(1, name="dense_a")) == "dense_a"
    assert layer_name(layers.Dense(1, name="conv2d_1")) == "conv2d_1"
    assert layer_name(layers.Dense(1, name="head")) == "head"


def test_the_name_in_keras_is_kept_where_it_is_another_and_somebody_gave_it():
    assert original("a-b", "a_b") == "a-b"
    assert original("a", "a_1") == "a"
    assert original("a", "a") is None
    for made_up in ("keras_tensor", "keras_tensor_12", "input_layer", "input_layer_3"):
        assert original(made_up, "input") is None
    assert original("input_layer_x", "input_layer_x_1") == "input_layer_x"


def test_what_keras_calls_an_input_without_a_name_is_known_to_be_made_up():
    for shape in ((3,), (4, 4, 1)):
        (name,) = canonical_names([keras.Input(shape).name], "input")
        assert name == "input"
        model = keras.Sequential([keras.Input(shape), layers.Flatten()])
        assert canonical_names([tensor.name for tensor in model.inputs], "input") == ["input"]
