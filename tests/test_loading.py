"""Getting a Keras model from what a user names: files and functions, and what is wrong with them in one line."""

import zipfile

import keras
import numpy as np
import pytest
from support import sample_model

from xorexport.errors import ModelError, UsageError
from xorexport.network.loading import call_function, load_model, model_name
from xorexport.network.weights import check_usable, weights_sha256


@pytest.fixture
def saved(tmp_path):
    """Saves a model; returns the path."""

    def save(model, name="net.keras"):
        model.save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of its own name that can be imported; returns the name."""

    def write(code):
        name = f"module_{abs(hash(code))}"
        (tmp_path / f"{name}.py").write_text(f"import keras\nfrom keras import layers\n{code}\n")
        monkeypatch.syspath_prepend(tmp_path)
        return name

    return write


# Files.


def test_remarks_of_keras_on_how_a_model_was_built_are_not_for_who_loads_it(saved, recwarn):
    inputs = {"zebra": keras.Input((2,), name="striped")}
    path = saved(keras.Model(inputs, keras.layers.Dense(2)(inputs["zebra"])))
    assert "all keys in the dict must match" in str(recwarn.pop(UserWarning).message)
    load_model(path)
    assert not [warning for warning in recwarn if warning.category is UserWarning]


@pytest.mark.parametrize("name", ["convnet", "two_by_two", "dict_outputs", "embedding"])
def test_a_saved_model_predicts_as_before(saved, name):
    model = sample_model(name)
    loaded = load_model(str(saved(model)))
    generator = np.random.default_rng(0)
    inputs = [generator.uniform(0, 9, (2, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs]
    before, after = (
        keras.tree.flatten(each.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))
        for each in (model, loaded)
    )
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("length", [0, 1, 100, 5000])
def test_a_file_that_ends_too_early_is_refused(saved, length):
    path = saved(sample_model("two_by_two"))
    raw = path.read_bytes()
    path.write_bytes(raw[:length])
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_length_of_a_file_loads_but_the_whole(saved):
    path = saved(sample_model("two_by_two"))
    raw = path.read_bytes()
    for length in range(0, len(raw), len(raw) // 60):
        path.write_bytes(raw[:length])
        with pytest.raises(ModelError):
            load_model(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.keras.*(No such file|no such file)"):
        load_model(str(tmp_path / "nowhere.keras"))


def test_a_folder_and_a_text_file_are_refused(tmp_path):
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "text.keras").write_text("no model")
    for name in ("folder.keras", "text.keras"):
        with pytest.raises(ModelError, match=name):
            load_model(str(tmp_path / name))


def test_a_zip_file_that_is_no_model_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("readme.txt", "no model")
    with pytest.raises(ModelError, match=r"other\.keras"):
        load_model(str(tmp_path / "other.keras"))


@pytest.mark.parametrize("config", ["[]", "{}", "null", '{"class_name": "Nothing", "config": {}}'])
def test_a_file_whose_configuration_is_something_else_is_refused(saved, tmp_path, config):
    path = saved(sample_model("two_by_two"))
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "odd.keras", "w") as target:
        for entry in source.namelist():
            target.writestr(entry, config if entry == "config.json" else source.read(entry))
    with pytest.raises(ModelError, match=r"odd\.keras"):
        load_model(tmp_path / "odd.keras")


def with_lambda():
    return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Lambda(lambda x: x * 3, name="y")])


def nested_lambda():
    return keras.Sequential([keras.Input((2,), name="x"), with_lambda(), keras.layers.Dense(1)])


@pytest.mark.parametrize("build", [with_lambda, nested_lambda])
def test_code_in_a_file_is_not_run_unless_it_may(saved, build):
    path = saved(build())
    with pytest.raises(ModelError, match=r"Lambda layer, whose Python code would run.*--unsafe"):
        load_model(path)
    loaded = load_model(path, unsafe=True)
    assert loaded.predict(np.float32([[1, 2]]), verbose=0).shape[0] == 1


def test_a_savedmodel_elsewhere_is_not_loaded_with_a_file_unless_it_may(saved, tmp_path):
    inner = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3, name="y")])
    inner.export(str(tmp_path / "inner"), verbose=False)
    layer = keras.layers.TFSMLayer(str(tmp_path / "inner"), call_endpoint="serve")
    path = saved(keras.Sequential([keras.Input((2,), name="x"), layer]))
    with pytest.raises(ModelError, match=r"TFSMLayer, whose SavedModel elsewhere on the disk would run.*--unsafe"):
        load_model(path)
    rows = np.float32([[1, 2]])
    np.testing.assert_array_equal(load_model(path, unsafe=True)(rows), inner(rows))


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_lambda_as_an_activation_is_refused_since_keras_cannot_read_it_back(saved, unsafe):
    model = keras.Sequential([keras.Input((2,), name="x"), keras.layers.Activation(lambda x: x * 3, name="y")])
    with pytest.raises(ModelError, match=r"a model that Keras can load"):
        load_model(saved(model), unsafe)


def test_a_model_that_was_never_built_is_refused_from_a_file_and_from_a_function(saved, module):
    path = saved(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ModelError, match=r"never built.*keras\.Input"):
        load_model(path)
    name = module("def build():\n    return keras.Sequential([layers.Dense(2)])")
    with pytest.raises(ModelError, match=r"never built.*keras\.Input"):
        call_function(f"{name}:build")


# Functions.


def test_a_function_is_imported_and_called(module):
    name = module("def build():\n    return keras.Sequential([keras.Input((2,)), layers.Dense(3)], name='made')")
    assert load_model(f"{name}:build").name == "made"


def test_a_model_itself_may_be_named(module):
    name = module("model = keras.Sequential([keras.Input((2,)), layers.Dense(3)], name='made')")
    assert load_model(f"{name}:model").name == "made"


@pytest.mark.parametrize("source", ["no_such_module:build", "sample_models:no_such_function", "sample_models:", ":x"])
def test_a_function_that_is_not_there_is_refused(source):
    with pytest.raises(UsageError) as caught:
        load_model(source)
    assert source in str(caught.value)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("def build():\n    return 3", "int"),
        ("def build():\n    raise RuntimeError('no luck\\ntoday')", "RuntimeError: no luck today"),
        ("def build(size):\n    return None", "TypeError"),
        ("build = 'a text'", "str"),
    ],
)
def test_a_function_that_returns_no_model_is_refused(module, code, found):
    with pytest.raises(ModelError) as caught:
        call_function(f"{module(code)}:build")
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", ["import no_such_thing", "raise RuntimeError('broken')", "syntax error"])
def test_a_module_that_cannot_be_imported_is_refused(module, code):
    with pytest.raises((UsageError, ModelError)) as caught:
        call_function(f"{module(code)}:build")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("source", ["model.txt", "model", "some/folder", ""])
def test_what_is_neither_file_nor_function_is_refused(source):
    with pytest.raises(UsageError, match=r"expected a \.keras, .* or package\.module:function, found neither"):
        load_model(source)


def test_the_bundles_files_are_called_as_the_file_or_the_function():
    assert model_name("some/where/my.keras") == "my"
    assert model_name("package.module:build_it") == "build_it"


# Weights.


def test_the_digest_of_the_weights_follows_every_weight_and_nothing_else(saved):
    model = sample_model("convnet")
    before = weights_sha256(model)
    assert weights_sha256(load_model(saved(model))) == before
    for weight in model.weights:
        values = weight.numpy()
        changed = values.copy()
        changed.flat[-1] += 1
        weight.assign(changed)
        assert weights_sha256(model) != before
        weight.assign(values)
    assert weights_sha256(model) == before


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_named(value):
    model = sample_model("convnet")
    check_usable(model)  # raises for none of the good ones
    weight = next(weight for weight in model.weights if "moving_variance" in weight.path)
    values = weight.numpy()
    values[2] = value
    weight.assign(values)
    with pytest.raises(ModelError) as caught:
        check_usable(model)
    assert f"{value} in '" in caught.value.found
    assert "moving_variance' at [2]" in caught.value.found
