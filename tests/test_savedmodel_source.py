"""SavedModels of anybody's making as sources of an export, and the ops in them that touch the machine."""

import numpy as np
import pytest
import tensorflow as tf
import zoo.models
from support import LIGHT_ENGINES, sample_model
from test_sources import predictions, rows_for
from zoo.one import exported as exported_of
from zoo.registry import ZOO
from zoo.result import State

from xorexport.bundle import Bundle
from xorexport.errors import ModelError, UnsafeModelError, UsageError
from xorexport.network.loading import load_model, model_name, writable
from xorexport.network.policy import policy_of
from xorexport.pipeline import ExportRequest, export
from xorexport.readers.savedmodel_safety import touching_ops
from xorexport.registry import FORMATS
from xorexport.results import Outcome
from xorexport.tracing.culprits import layers_with
from xorexport.tracing.plans import Plan
from xorexport.tracing.trace import trace
from xorexport.verification.verify import Selection, verify_folder

assert zoo.models


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


def test_doubles_stay_doubles(written):
    function = tf.function(lambda x: {"y": x + 1}, input_signature=[tf.TensorSpec((None, 1), tf.float64, "x")])
    x = np.array([[0.1], [1 + 1e-12]])
    # Not with `predict`, which turns all floats into float32 before the model sees them.
    found = load_model(written(function))([tf.constant(x)])["y"].numpy()
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, x + 1)


WEIGHT = np.float32([[2], [3]])
POLICIES = {
    "float32": lambda x: x @ WEIGHT + tf.cast(tf.round(tf.cast(x[:, :1], tf.float64)), tf.float32),
    "float64": lambda x: tf.cast(tf.cast(x, tf.float64) @ WEIGHT.astype(np.float64), tf.float32),
    "float16": lambda x: tf.cast(tf.tanh(tf.cast(x, tf.float16)), tf.float32),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_the_policy_is_that_of_the_coarsest_arithmetic(written, policy):
    function = tf.function(lambda x: {"y": POLICIES[policy](x)}, input_signature=[tf.TensorSpec((None, 2), name="x")])
    model = load_model(written(function))
    assert policy_of(model) == ("" if policy == "float32" else policy)
    # In float32 nothing of it is left.
    traced = trace(model, plan=Plan(float32=True))
    dtypes = {value.type for node in traced.nodes() for value in node.attr.values()}
    assert not dtypes & {tf.float16.as_datatype_enum, tf.float64.as_datatype_enum}


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


def test_an_end_of_unknown_rank_is_refused(written):
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


def test_an_op_without_a_counterpart_is_named_with_its_scope(written):
    @tf.function(input_signature=[tf.TensorSpec((None, 2, 2), name="x")])
    def function(x):
        with tf.name_scope("whitening"):
            return {"y": tf.linalg.inv(x @ tf.transpose(x, [0, 2, 1]) + tf.eye(2)), "z": tf.linalg.det(x)}

    traced = trace(load_model(written(function)))
    assert layers_with(traced, ["MatrixInverse", "Roll"]) == "MatrixInverse in scope 'whitening', Roll"


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


CURED = {
    "exact_gelu": ("onnx",),  # other ops
    "lstm_variable_length": ("tflite", "onnx"),  # loops over plain tensors, with a dynamic batch
    "float64_policy": ("tflite",),  # float32 in place of float64
    "argmax": ("onnx",),  # signs without bits
    "integer_lookup": ("savedmodel", "tflite"),  # a table
}


@pytest.mark.parametrize("name", CURED)
def test_a_savedmodel_gets_what_a_keras_model_gets(name, tmp_path):
    ZOO[name].build().export(tmp_path / name, verbose=False)
    result = exported_of(name, str(tmp_path / name), CURED[name], tmp_path / "bundle")
    assert {found.state for found in result.formats.values()} == {State.OK}, result
    assert {1, 3, 17} <= set(result.batches)
    noted = [format_name for format_name, found in result.formats.items() if found.notes]
    assert noted == (["tflite"] if name == "float64_policy" else [])


def test_a_keras_file_cannot_be_made_of_a_savedmodel(exported, tmp_path):
    source = exported[0] / "net.savedmodel"
    formats, left_out = writable(str(source), (), tuple(FORMATS))
    assert formats == tuple(name for name in FORMATS if name != "keras")
    (refusal,) = left_out
    assert (refusal.format, refusal.reason) == (
        "keras",
        "a SavedModel holds a graph and no layers, which a .keras file is made of",
    )
    # It stands in the manifest, though the export was whole.
    assert Bundle.read(exported[0]).manifest.refused == left_out
    assert writable("net.keras", ("keras",), tuple(FORMATS)) == (("keras",), ())
    assert writable(None, (), tuple(FORMATS)) == (tuple(FORMATS), ())
    with pytest.raises(UsageError, match=r"--format: expected formats that .* can be written in.*found keras, though"):
        export(ExportRequest(model=str(source), formats=("keras",)), tmp_path / "bundle")
