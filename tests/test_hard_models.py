"""Models at which an export could go wrong without a word."""

import json
import zipfile

import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops
from sample_models import randomised
from tensorflow.lite.tools import flatbuffer_utils

from xorexport.bundle import Bundle
from xorexport.errors import ExportError, ModelError
from xorexport.network.domains import domains_of as domains_of_inputs
from xorexport.network.interface import input_specs
from xorexport.pipeline import ExportRequest, export
from xorexport.results import Outcome
from xorexport.spec import Precision
from xorexport.verification.verify import Selection, verify_folder


def domains_of(model):
    return domains_of_inputs(model, input_specs(model))


def own_loss(expected, found):
    return ops.mean(ops.abs(expected - found))


def test_a_model_compiled_with_a_loss_of_its_own_is_exported_without_it(tmp_path):
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2, name="y")])
    model.compile("adam", loss=own_loss)
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    model.save(tmp_path / "own.keras")
    for source in (model, str(tmp_path / "own.keras")):
        assert export(ExportRequest(model=source), tmp_path / "bundle").exit_code == 0
    assert (model.compiled, model.optimizer is None) == (True, False)
    (written,) = (tmp_path / "bundle").glob("*.keras")
    with zipfile.ZipFile(written) as archive:
        assert not json.loads(archive.read("config.json")).get("compile_config")


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_another_precision_is_kept_where_a_format_has_it_and_noted_where_not(dtype, tmp_path):
    x = keras.Input((3,), name="x")
    hidden = layers.Dense(8, activation="tanh", dtype=dtype)(x)
    model = randomised(keras.Model(x, layers.Dense(2, dtype=dtype, name="y")(hidden)))
    report = export(ExportRequest(model=model), tmp_path / "bundle")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    manifest = Bundle.read(tmp_path / "bundle").manifest
    assert manifest.model.policy == dtype
    noted = {artifact.format for artifact in manifest.artifacts if any(dtype in note for note in artifact.notes)}
    assert noted == ({"tflite"} if dtype == "float64" else {"tflite", "onnx"})
    # Half precision ends in float32, which holds all of its values; a tolerance of its own says what it is worth.
    (output,) = manifest.signature.outputs
    assert output.dtype == ("float64" if dtype == "float64" else "float32")
    assert manifest.tolerances["float32"].rtol == {"float64": 1e-5}.get(
        dtype, 16 * 2.0 ** (-8 if "b" in dtype else -11)
    )
    largest = max(comparison.max_abs for row in report.parity for comparison in row.outputs if row.format == "onnx")
    assert (largest > 1e-5) == (dtype != "float64"), "a half-precision model differs from its float32 self"
    (written,) = (tmp_path / "bundle").glob("*.onnx")
    names = {tensor.name for tensor in onnx.load(written).graph.initializer}
    assert {"y/kernel"} <= names <= {weight.path for weight in model.weights}, "float32 weights are named all the same"


CASTS = {
    "there": lambda x, dtype: ops.cast(ops.sum(ops.exp(ops.cast(x, dtype)), axis=-1), "float32"),
    "there and back": lambda x, dtype: ops.cast(ops.cast(10.0 * x, dtype), "float32"),
    "an output": lambda x, dtype: ops.cast(x, dtype) / 3.0,
}


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_casts_between_layers_are_followed_or_noted_like_policies(dtype, tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, {name: function(x, dtype) for name, function in CASTS.items()}, name="m")
    report = export(ExportRequest(model=model), tmp_path / "bundle")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    noted = ("m.tflite",) if dtype == "float64" else ("m.tflite", "m.onnx")
    assert report.notes == dict.fromkeys(noted, (f"computes in float32; the model casts to {dtype}",))
    units = {"float64": 1e-5}.get(dtype, 16 * 2.0 ** (-8 if dtype[0] == "b" else -11))
    assert {tolerance.rtol for tolerance in report.tolerances.values()} == {units}


def test_float64_is_float32_in_onnx_where_onnx_runtime_lacks_an_op(tmp_path):
    x = keras.Input((5, 5, 2), name="x", dtype="float64")
    model = keras.Model(x, layers.Conv2D(3, 2, dtype="float64", name="y")(x), name="m")
    report = export(ExportRequest(model=model, formats=("onnx",)), tmp_path / "bundle")
    assert {(row.engine, row.outcome) for row in report.parity} == {
        (engine, Outcome.PASS) for engine in ("onnxruntime", "onnxruntime-plain", "onnx-reference")
    }
    assert report.notes == {"m.onnx": ("computes in float32; the model's policy is float64",)}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_an_input_in_half_precision_is_rounded_by_keras_and_noted(dtype, tmp_path):
    x = keras.Input((4,), dtype=dtype, name="x")
    report = export(ExportRequest(model=keras.Model(x, layers.Dense(2)(x), name="m")), tmp_path / "bundle")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert report.notes == {"m.onnx": (f"computes in float32; the model casts to {dtype}",)}


def test_an_op_of_onnx_runtimes_own_is_noted(tmp_path):
    x = keras.Input((5, 3), name="x")
    model = keras.Model(x, layers.LSTM(16)(x), name="m")
    precisions = (Precision.FLOAT16, Precision.INT8_DYNAMIC)
    report = export(ExportRequest(model=model, formats=("onnx",), precisions=precisions), tmp_path / "bundle")
    own = "runs in ONNX Runtime alone, which has the op DynamicQuantizeLSTM"
    assert report.notes == {"m-int8-dynamic.onnx": (own,)}


def test_complex_outputs_are_refused_with_what_to_return_instead(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, [layers.Dense(2)(x), ops.polar(ops.abs(x), x)], name="m")
    with pytest.raises(ModelError, match=r"output 'polar' of layer 'polar': expected real .* found complex64; return "):
        export(ExportRequest(model=model), tmp_path / "bundle")


def test_tokens_reach_every_row_of_an_embedding_behind_other_layers():
    ids = keras.Input((6,), dtype="int32", name="ids")
    inner = keras.Sequential([keras.Input((3, 2), dtype="int32"), layers.Embedding(50, 2), layers.Flatten()])
    model = keras.Model(ids, layers.Dense(1)(inner(layers.Reshape((3, 2))(ids))))
    assert domains_of(model)["ids"].high == 49
    # A layer with weights in between: what comes out of it are no tokens.
    x = keras.Input((6,), name="x")
    assert domains_of(keras.Model(x, layers.Embedding(5, 2)(layers.Dense(3)(x)))) == {}


def test_more_rows_out_than_in_are_compared_like_any_others(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, ops.reshape(layers.Dense(4)(x), (-1, 2)))
    report = export(ExportRequest(model=model, formats=("tflite", "onnx")), tmp_path / "bundle")
    assert report.exit_code == 0
    assert all(row.outcome is Outcome.PASS for row in report.parity)


def test_an_op_that_only_the_reference_evaluator_lacks_is_a_loud_skip(tmp_path, monkeypatch):
    from xorexport.runtimes import onnx_reference

    monkeypatch.setattr(onnx_reference, "NEW_OPS", [])
    x = keras.Input((3,), dtype="int32", name="x")
    model = keras.Model(x, layers.Dense(2)(layers.Flatten()(ops.one_hot(x, 5))))
    report = export(ExportRequest(model=model, formats=("onnx",)), tmp_path / "bundle")
    outcomes = {row.engine: row.outcome for row in report.parity}
    assert outcomes == {
        "onnxruntime": Outcome.PASS,
        "onnxruntime-plain": Outcome.PASS,
        "onnx-reference": Outcome.SKIPPED,
    }
    assert report.exit_code == 0


def test_a_file_that_the_reference_evaluator_alone_runs_is_refused(tmp_path):
    x = keras.Input((3,), dtype="int16", name="x")
    with pytest.raises(ExportError, match=r"expected a file that engines run .* implementation for Max\(") as caught:
        export(ExportRequest(model=keras.Model(x, ops.maximum(x, 1)), formats=("onnx",)), tmp_path / "bundle")
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_fails_when_it_predicts_is_refused_in_one_line(tmp_path):
    x = keras.Input((3,), name="x")
    model = keras.Model(x, ops.searchsorted(np.float32([0.0, 1.0]), x), name="m")
    with pytest.raises(ModelError, match=r"^model 'm': .* found .*/LowerBound") as caught:
        export(ExportRequest(model=model), tmp_path / "bundle")
    assert "\n" not in str(caught.value)


def test_height_and_width_may_be_unknown(tmp_path):
    x = keras.Input((None, None, 3), name="x")
    model = keras.Model(x, layers.Conv2D(2, 3, padding="same", name="y")(x))
    report = export(ExportRequest(model=model), tmp_path / "bundle")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert Bundle.read(tmp_path / "bundle").manifest.signature.inputs[0].shape == (None, None, None, 3)


def edit(path, change):
    model = flatbuffer_utils.read_model(str(path))
    change(model)
    flatbuffer_utils.write_model(model, str(path))


def swap_signature(model):
    first, second = model.signatureDefs[0].outputs
    first.tensorIndex, second.tensorIndex = second.tensorIndex, first.tensorIndex


def rename_in_signature(model):
    model.signatureDefs[0].inputs[0].name = b"other"


def drop_signature(model):
    model.signatureDefs = []


@pytest.mark.parametrize("change", [swap_signature, rename_in_signature, drop_signature])
def test_a_tflite_signature_that_leads_elsewhere_fails(copy_of, change):
    folder = copy_of("two_by_two")
    edit(folder / "two_by_two.tflite", change)
    report = verify_folder(folder, Selection(formats=("tflite",), digests=False))
    assert {row.outcome for row in report.parity} == {Outcome.FAIL}
    assert report.exit_code == 1
