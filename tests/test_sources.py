"""Models from HDF5, of Keras 3 and of Keras 2, and models with classes of the user's own."""

import json

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from sample_models import randomised
from support import sample_model, xorexport

from xorexport.cli import run
from xorexport.errors import ModelError, UnsafeModelError, UsageError
from xorexport.network.loading import UnknownClassError, load_model
from xorexport.results import Outcome
from xorexport.verification.verify import Selection, verify_folder

MY_LAYERS = """
import keras

def triple(x):
    return 3.0 * x

class Scale(keras.layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return self.factor * x

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
"""


def rows_for(model, rows=5, seed=3):
    generator = np.random.default_rng(seed)
    arrays = [generator.uniform(0, 9, (rows, *tensor.shape[1:])).astype(tensor.dtype) for tensor in model.inputs]
    return arrays if len(arrays) > 1 else arrays[0]


def predictions(model, inputs):
    return keras.tree.flatten(model.predict(inputs, verbose=0))


def assert_same_predictions(model, other):
    inputs = rows_for(model)
    for before, after in zip(predictions(model, inputs), predictions(other, inputs), strict=True):
        np.testing.assert_array_equal(before, after)


# HDF5.


@pytest.fixture
def saved(tmp_path):
    def save(model, name="net.h5"):
        model.save(tmp_path / name)
        return tmp_path / name

    return save


def rewrite(path, change, version):
    """Changes the configuration in an HDF5 file, and the version of Keras that it says."""
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        change({layer["class_name"]: layer["config"] for layer in config["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = version
    return path


@pytest.mark.parametrize("name", ["convnet", "two_by_two", "embedding"])
def test_a_model_in_hdf5_predicts_as_before(saved, name):
    model = sample_model(name)
    assert_same_predictions(model, load_model(saved(model)))
    assert_same_predictions(model, load_model(str(saved(model, "net.HDF5".lower()))))


def test_what_is_no_whole_model_in_hdf5_is_refused(saved, tmp_path):
    whole = saved(sample_model("two_by_two")).read_bytes()
    for number, content in enumerate((b"", b"no model", whole[:300], whole[: len(whole) // 2])):
        path = tmp_path / f"broken{number}.h5"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"broken\d\.h5: expected a whole model"):
            load_model(path)
    with pytest.raises(ModelError, match=r"nowhere\.h5.*found no such file"):
        load_model(tmp_path / "nowhere.h5")


def test_weights_alone_are_refused_with_what_to_do(tmp_path):
    model = sample_model("two_by_two")
    model.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(ModelError, match=r"found weights alone; build the model in Python, call model\.load_weights"):
        load_model(tmp_path / "net.weights.h5")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["numbers"] = np.arange(3)
    with pytest.raises(ModelError, match=r"without a model's configuration"):
        load_model(tmp_path / "data.h5")


def test_code_in_hdf5_is_not_run_unless_it_may(saved):
    path = saved(keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x * 3)]))
    with pytest.raises(UnsafeModelError, match=r"Lambda layer, whose Python code would run.*--unsafe"):
        load_model(path)
    np.testing.assert_array_equal(load_model(path, unsafe=True).predict(np.float32([[1, 2]]), verbose=0), [[3, 6]])


def old_model():
    image = keras.Input((6, 6, 2), name="image")
    hidden = layers.Reshape((16, 2))(layers.DepthwiseConv2D(3)(image))
    return randomised(keras.Model(image, layers.LSTM(3, name="steps")(hidden)))


def test_arguments_that_meant_nothing_in_keras_2_do_not_hinder(saved):
    model = old_model()

    def as_keras_2(configs):
        configs["LSTM"]["time_major"] = False
        configs["DepthwiseConv2D"]["groups"] = 1

    path = rewrite(saved(model), as_keras_2, "2.15.0")
    before = path.read_bytes()
    assert_same_predictions(model, load_model(path))
    assert path.read_bytes() == before
    # Only of Keras 2 is it known that they meant nothing, and only at these values.
    with pytest.raises(ModelError, match=r"'DepthwiseConv2D': Unrecognized keyword arguments .*groups"):
        load_model(rewrite(path, lambda configs: None, "3.0.0"))
    with pytest.raises(ModelError, match=r"time_major.*tf_keras"):
        load_model(rewrite(path, lambda configs: configs["LSTM"].update(time_major=True), "2.15.0"))


def test_what_keras_3_computes_otherwise_or_lacks_is_refused(saved):
    model = old_model()
    changes = {
        "hard_sigmoid": lambda configs: configs["LSTM"].update(recurrent_activation="hard_sigmoid"),
        "TFOpLambda": lambda configs: configs["LSTM"].update(inner={"class_name": "TFOpLambda", "config": {}}),
    }
    for found, change in changes.items():
        path = rewrite(saved(model), change, "2.15.0")
        with pytest.raises(ModelError, match=rf"found '{found}'.*call model\.export\('folder'\)"):
            load_model(path)


# Classes of the user's own.


@pytest.fixture
def my_layers(tmp_path, monkeypatch):
    """A module that only the current folder has; returns its name and its contents."""
    name = f"my_layers_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MY_LAYERS)
    monkeypatch.chdir(tmp_path)
    from xorexport.importing import import_module

    return name, vars(import_module(name))


def custom(contents):
    x = keras.Input((3,), name="x")
    hidden = layers.Dense(4, activation=contents["triple"], name="hidden")(x)
    return randomised(keras.Model(x, layers.Dense(2, name="y")(contents["Scale"](2.0)(hidden)), name="custom"))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_classes_that_nobody_registered_are_found_in_the_module_that_is_named(my_layers, saved, suffix):
    name, contents = my_layers
    model = custom(contents)
    path = saved(model, f"net.{suffix}")
    with pytest.raises(UnknownClassError, match=r"found '(Scale|triple)'; give --import MODULE"):
        load_model(path)
    assert_same_predictions(model, load_model(path, imports=(name,)))


def test_what_is_imported_is_known_only_meanwhile(my_layers, saved):
    name, contents = my_layers
    path = saved(custom(contents), "net.keras")
    load_model(path, imports=(name,))
    with pytest.raises(UnknownClassError):
        load_model(path)


def test_a_module_hides_nothing_of_keras(tmp_path, monkeypatch):
    from xorexport.importing import import_module
    from xorexport.network.sources.custom import own

    code = "from keras.layers import Dense\nfrom numpy import tanh\nimport keras\nclass Own(keras.Layer): pass\n"
    (tmp_path / "hiding.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert list(own(import_module("hiding"))) == ["Own"]


@pytest.mark.parametrize("code", [None, "import no_such_thing", "raise SystemExit(3)", "syntax error"])
def test_a_module_that_cannot_be_imported_is_refused(tmp_path, monkeypatch, code):
    name = f"broken_{abs(hash(code))}"
    if code is not None:
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"--import: expected a Python module.*'{name}'") as caught:
        load_model("net.keras", imports=(name,))
    assert "\n" not in str(caught.value)


def test_a_loss_of_the_users_own_is_not_needed(saved):
    model = sample_model("two_by_two")
    model.compile(loss=[lambda t, p: p - t] * 2)
    assert_same_predictions(model, load_model(saved(model, "net.keras")))


def test_a_bundle_with_custom_layers_is_verified_with_their_module_and_skipped_without(my_layers, saved, tmp_path):
    name, contents = my_layers
    source, folder = saved(custom(contents), "net.keras"), tmp_path / "bundle"
    made = xorexport("export", source, "-o", folder, "--import", name, "--format", "keras", folder=tmp_path)
    assert made.returncode == 0, made.stdout + made.stderr
    bare = verify_folder(folder, Selection())
    (row,) = bare.parity
    assert row.outcome is Outcome.SKIPPED
    assert "give --import MODULE" in row.reason
    assert bare.exit_code == 2
    known = verify_folder(folder, Selection(imports=(name,)))
    assert {row.outcome for row in known.parity} == {Outcome.PASS}
    assert run(["verify", str(folder), "--import", name]) == 0
    assert run(["predict", str(folder), "1", "2", "3", "--import", name]) == 0
    assert run(["compare", str(source), str(folder / "net.keras"), "--import", name]) == 0
    assert run(["compare", str(source), str(folder / "net.keras")]) == 2


# What is no source.


def test_what_is_made_of_models_is_no_source(tmp_path):
    (tmp_path / "net.onnx").touch()
    with pytest.raises(
        UsageError, match=r"found a \.onnx file; check it with xorexport verify .* --golden golden\.npz"
    ):
        load_model(tmp_path / "net.onnx")
