"""Models from HDF5, from SavedModels of anybody's making, and with classes of the user's own."""

import json

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sample_models import randomised
from support import LIGHT_ENGINES, assert_one_line, sample_model, xorexport

from xorexport.bundle import Bundle
from xorexport.cli import run
from xorexport.errors import ModelError, UnsafeModelError, UsageError
from xorexport.network.loading import UnknownClassError, load_model, model_name, writable
from xorexport.pipeline import ExportRequest, export
from xorexport.readers.savedmodel_safety import touching_ops
from xorexport.registry import FORMATS
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
    with pytest.raises(ModelError, match="'DepthwiseConv2D': Unrecognized keyword arguments .*groups"):
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
    from xorexport.network.sources.custom import import_module

    yield name, vars(import_module(name))
    keras.saving.get_custom_objects().clear()


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
    from xorexport.network.sources.custom import import_module, own

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


# SavedModels.


class Two(tf.Module):
    """Two inputs whose names sort in another order than the arguments, and two dtypes."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(np.float32([[1, 2], [3, 5]]), name="w")
        self.unused = tf.Variable(np.float32([9]))

    @tf.function(
        input_signature=[tf.TensorSpec((None, 2), tf.float32, "zebra"), tf.TensorSpec((None, 2), tf.int32, "ant")]
    )
    def both(self, zebra, ant):
        return {"out": zebra @ self.w + tf.cast(ant, tf.float32), "first": ant * 2}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, "x")])
    def one(self, x):
        return {"y": x @ self.w}


@pytest.fixture
def written(tmp_path):
    """Saves a module as a SavedModel, or a function in a module of its own; returns the folder."""

    def write(owner, signatures=None, name="some.model"):
        if not isinstance(owner, tf.Module):
            signatures, owner = {"serving_default": owner}, tf.Module()
            owner.function = signatures["serving_default"]
        tf.saved_model.save(owner, str(tmp_path / name), signatures=signatures)
        return tmp_path / name

    return write


def test_a_savedmodel_becomes_a_model_with_its_names_dtypes_and_weights(written):
    two = Two()
    folder = written(two, {"serving_default": two.both})
    model = load_model(folder)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in model.inputs] == [
        ("ant", "int32", (None, 2)),
        ("zebra", "float32", (None, 2)),
    ]
    ant, zebra = np.int32([[1, 2], [3, 4], [5, 6]]), np.float32([[1, 0], [0, 1], [2, 2]])
    outputs = model.predict([ant, zebra], verbose=0)
    np.testing.assert_array_equal(outputs["out"], zebra @ [[1, 2], [3, 5]] + ant)
    np.testing.assert_array_equal(outputs["first"], ant * 2)
    (weight,) = model.weights
    np.testing.assert_array_equal(weight, [[1, 2], [3, 5]])
    assert model.name == model_name(str(folder)) == "some.model"


def test_a_savedmodel_of_keras_predicts_as_keras(tmp_path):
    model = sample_model("two_by_two")
    model.export(tmp_path / "exported", verbose=False)
    zebra, ant = rows_for(model)
    found = load_model(tmp_path / "exported").predict([ant, zebra], verbose=0)
    for name, expected in zip(("output_0", "output_1"), predictions(model, [zebra, ant]), strict=True):
        np.testing.assert_array_equal(found[name], expected)


def test_the_default_signature_counts_or_the_only_one(written):
    two = Two()
    several = written(two, {"serving_default": two.one, "other": two.both}, "several")
    assert [tensor.name for tensor in load_model(several).inputs] == ["x"]
    assert [tensor.name for tensor in load_model(written(two, {"mine": two.one}, "one")).inputs] == ["x"]
    with pytest.raises(ModelError, match=r"a signature 'serving_default', or with one alone, found a, b"):
        load_model(written(two, {"a": two.one, "b": two.both}, "named"))


def test_a_savedmodel_without_signatures_is_refused(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(ModelError, match="found one without signatures"):
        load_model(tmp_path / "bare")


def test_what_no_other_format_holds_is_refused(written):
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([1], tf.int64), tf.constant([5], tf.int64)), -1
    )

    class Lookup(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = table

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)])
        def call(self, ids):
            return {"found": self.table.lookup(ids)}

    lookup = Lookup()
    with pytest.raises(ModelError, match=r"reads variables alone, found 1 other resources"):
        load_model(written(lookup, {"serving_default": lookup.call}))

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def any_rank(x):
        return {"y": x}

    with pytest.raises(ModelError, match=r"known numbers of dimensions, found '\w+' without one"):
        load_model(written(any_rank, name="rank"))


def test_folders_that_are_no_savedmodels_are_refused(tmp_path, xor):
    with pytest.raises(ModelError, match=r"a folder with a saved_model\.pb, found another folder"):
        load_model(tmp_path)
    with pytest.raises(ModelError, match=r"found a bundle; name the \.keras file"):
        load_model(xor)
    (tmp_path / "saved_model.pb").write_bytes(b"no model at all")
    with pytest.raises(ModelError, match="a whole SavedModel"):
        load_model(tmp_path)


# Ops that touch the machine.


def writing(path):
    def run_it(x):
        tf.io.write_file(str(path), "written")
        return {"y": x * 2}

    return run_it


def inside_a_loop(path):
    def run_it(x):
        def body(i, total):
            tf.raw_ops.WriteFile(filename=str(path), contents="written")
            return i + 1, total * 2

        return {"y": tf.while_loop(lambda i, total: i < 1, body, (0, x))[1]}

    return run_it


def printing(path):
    def run_it(x):
        tf.print("written", output_stream=f"file://{path}")
        return {"y": x * 2}

    return run_it


def reading(path):
    return lambda x: {"y": x + tf.cast(tf.strings.length(tf.io.read_file(__file__)), tf.float32)}


def saving(path):
    def run_it(x):
        tf.raw_ops.SaveV2(prefix=str(path), tensor_names=["x"], shape_and_slices=[""], tensors=[x])
        return {"y": x * 2}

    return run_it


TOUCHES = {writing: "WriteFile", inside_a_loop: "WriteFile", printing: "PrintV2", reading: "ReadFile", saving: "SaveV2"}


@pytest.mark.parametrize("build", TOUCHES)
def test_ops_that_touch_the_machine_are_refused_unless_they_may(written, tmp_path, build):
    function = tf.function(
        build(tmp_path / "made"), autograph=False, input_signature=[tf.TensorSpec((None, 1), name="x")]
    )
    folder = written(function)
    with pytest.raises(UnsafeModelError, match=rf"found {TOUCHES[build]}, which may read or write.*--unsafe"):
        load_model(folder)
    assert not list(tmp_path.glob("made*"))
    load_model(folder, unsafe=True).predict(np.float32([[1]]), verbose=0)
    # What is not allowed would have happened.
    assert build in (reading, saving) or (tmp_path / "made").read_text().startswith("written")


def test_ops_that_run_as_soon_as_a_savedmodel_is_loaded_are_refused(tmp_path):
    (tmp_path / "words.txt").write_text("a\nb\n")
    two = Two()
    two.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            str(tmp_path / "words.txt"),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        -1,
    )
    tf.saved_model.save(two, str(tmp_path / "table"), signatures={"serving_default": two.one})
    with pytest.raises(UnsafeModelError, match="found InitializeTableFromTextFileV2"):
        load_model(tmp_path / "table")


def test_what_saves_and_restores_the_variables_does_not_count(written):
    two = Two()
    folder = written(two, {"serving_default": two.both})
    assert b"SaveV2" in (folder / "saved_model.pb").read_bytes()
    assert list(touching_ops(folder)) == []


def test_python_functions_and_the_graphs_of_tensorflow_1_are_refused(written, tmp_path):
    def in_python(x):
        return {"y": tf.reshape(tf.numpy_function(lambda a: a, [x], tf.float32), (-1, 1))}

    function = tf.function(in_python, input_signature=[tf.TensorSpec((None, 1))])
    with pytest.raises(UnsafeModelError, match="PyFunc"):
        load_model(written(function))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 2), "x")
        weight = tf.compat.v1.Variable(np.float32([[2], [3]]))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "old"), {"x": x}, {"y": x @ weight})
    with pytest.raises(UnsafeModelError, match="the graph of TensorFlow 1"):
        load_model(tmp_path / "old")
    loaded = load_model(tmp_path / "old", unsafe=True)
    np.testing.assert_array_equal(loaded.predict(np.float32([[1, 1]]), verbose=0)["y"], [[5]])


def test_verify_does_not_run_such_ops_either(copy_of, tmp_path):
    folder = copy_of("xor")
    function = tf.function(writing(tmp_path / "made"), input_signature=[tf.TensorSpec((None, 2), name="x")])
    module = tf.Module()
    module.function = function
    tf.saved_model.save(module, str(folder / "xor.savedmodel"), signatures={"serving_default": function})
    report = verify_folder(folder, Selection(formats=("savedmodel",), digests=False))
    (row,) = report.parity
    assert row.outcome is Outcome.SKIPPED
    assert "WriteFile" in row.reason
    assert not (tmp_path / "made").exists()


# Exports of SavedModels.


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A SavedModel's bundle, made by the command line's default formats; returns it and the model of Keras."""
    root = tmp_path_factory.mktemp("savedmodels")
    model = sample_model("two_by_two")
    model.export(root / "net", verbose=False)
    report = export(ExportRequest(model=str(root / "net")), root / "bundle")
    assert report.exit_code == 0, list(report.rows())
    return root / "bundle", model


def test_a_savedmodel_is_exported_to_every_format_that_can_hold_it(exported):
    folder, _ = exported
    manifest = Bundle.read(folder).manifest
    assert [artifact.path for artifact in manifest.artifacts] == ["net.savedmodel", "net.tflite", "net.onnx"]
    for artifact in manifest.artifacts:
        assert [spec.describe() for spec in artifact.signature.inputs] == [
            "ant float32[batch, 3]",
            "zebra float32[batch, 3]",
        ]
        assert [spec.name for spec in artifact.signature.outputs] == ["output_0", "output_1"]
    assert manifest.model.parameters > 0


@pytest.mark.parametrize("engine", [*LIGHT_ENGINES, "savedmodel"])
def test_engines_predict_from_it_what_keras_predicted(exported, tmp_path, engine):
    from xorexport.prediction import Choice, predict_inputs

    folder, model = exported
    zebra, ant = rows_for(model, rows=4, seed=8)
    np.savez(tmp_path / "in.npz", zebra=zebra, ant=ant)
    found = predict_inputs(folder, tmp_path / "in.npz", Choice(engine)).outputs
    for name, expected in zip(("output_0", "output_1"), predictions(model, [zebra, ant]), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_a_keras_file_cannot_be_made_of_a_savedmodel(exported, tmp_path):
    source = exported[0] / "net.savedmodel"
    formats, notes = writable(str(source), (), tuple(FORMATS))
    assert formats == tuple(name for name in FORMATS if name != "keras")
    assert notes == ("keras is left out: a SavedModel holds a graph and no layers, which a .keras file is made of",)
    assert writable("net.keras", ("keras",), tuple(FORMATS)) == (("keras",), ())
    assert writable(None, (), tuple(FORMATS)) == (tuple(FORMATS), ())
    with pytest.raises(UsageError, match=r"--format: expected formats that .* can be written in.*found keras, though"):
        export(ExportRequest(model=str(source), formats=("keras",)), tmp_path / "bundle")


def test_what_is_made_of_models_is_no_source(tmp_path):
    result = xorexport("export", exported_file(tmp_path), "-o", tmp_path / "bundle")
    assert_one_line(result, 2, "found a .onnx file", "xorexport verify", "--golden golden.npz")


def exported_file(folder):
    (folder / "net.onnx").write_bytes(b"")
    return folder / "net.onnx"
