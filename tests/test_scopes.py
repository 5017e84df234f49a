"""Layers whose names TensorFlow cannot make scopes of: renamed for as long as a graph is made, and no longer."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from xorexport.network.scopes import safe_scopes, safe_variables

ODD = ["my layer", "größe", "a[0]", "_x", "1 2", "-", "a\\b", "x>y", "漢"]
FINE = ["dense", "a.b", "a-b", "1st", ".hidden", "A:0", "x_"]
SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.:\\/>-]*")
"""What TensorFlow takes as the name of a scope."""


def model_of(*names):
    x = keras.Input((2,), name="x")
    hidden = x
    for name in names:
        hidden = layers.Dense(2, name=name)(hidden)
    return keras.Model(x, hidden, name="m")


@pytest.mark.parametrize("name", ODD)
def test_a_name_that_no_scope_may_have_becomes_one_meanwhile(name):
    model = model_of(name)
    with safe_scopes(model):
        renamed = model.layers[-1].name
        assert renamed != name
        assert SCOPE.fullmatch(renamed)
        with tf.Graph().as_default(), tf.name_scope(renamed):
            assert tf.constant(0).op.name.startswith(renamed)
    assert model.layers[-1].name == name


@pytest.mark.parametrize("name", FINE)
def test_other_names_stay_as_they_are(name):
    model = model_of(name)
    with safe_scopes(model):
        assert model.layers[-1].name == name


def test_layers_of_models_inside_and_the_model_itself_are_renamed_too():
    inner = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="in here")], name="an inner one")
    x = keras.Input((2,), name="x")
    model = keras.Model(x, inner(x), name="the whole")
    before = [layer.name for layer in model._flatten_layers()]
    with safe_scopes(model):
        meanwhile = [layer.name for layer in model._flatten_layers()]
    assert {"the_whole", "an_inner_one", "in_here"} <= set(meanwhile)
    assert [layer.name for layer in model._flatten_layers()] == before
    assert {"the whole", "an inner one", "in here"} <= set(before)


def test_names_are_back_after_an_error():
    model = model_of("one two", "a[0]")
    with pytest.raises(KeyError), safe_scopes(model):
        raise KeyError
    assert [layer.name for layer in model.layers[1:]] == ["one two", "a[0]"]


def test_a_model_predicts_in_them_what_it_does_without_a_graph():
    model = model_of("one two", "größe")
    x = np.float32([[1, 2], [3, 4]])
    with safe_scopes(model):
        found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, np.asarray(model(x)), rtol=1e-6)


def test_variables_can_be_saved_in_them(tmp_path):
    model = model_of("one two")
    module = tf.Module()
    module.variables_of_layers = [weight.value for weight in model.weights]
    names = [variable._handle_name for variable in module.variables_of_layers]
    assert any(" " in name for name in names)
    with safe_variables(module.variables_of_layers):
        assert all(SCOPE.fullmatch(variable._handle_name) for variable in module.variables_of_layers)
        tf.saved_model.save(module, str(tmp_path / "saved"))
    assert [variable._handle_name for variable in module.variables_of_layers] == names
    loaded = tf.saved_model.load(str(tmp_path / "saved")).variables_of_layers
    for one, other in zip(loaded, module.variables_of_layers, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
