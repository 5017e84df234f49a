"""Every format holds the same interface: names, order, dtypes and a dynamic batch, read from the files themselves."""

import re

import ai_edge_litert.interpreter
import numpy as np
import onnx
import pytest
from support import SAMPLE_MODELS, manifest_of, sample_model

from xorexport.bundle import Bundle
from xorexport.inspection import read
from xorexport.registry import ENGINES, load
from xorexport.runtimes.batching import run_rows

INTERFACES = {
    "xor": (["x float32[batch, 2]"], ["y float32[batch, 1]"]),
    "convnet": (["image float32[batch, 10, 12, 3]"], ["species float32[batch, 3]"]),
    "two_by_two": (
        ["zebra float32[batch, 3]", "ant float32[batch, 3]"],
        ["west float32[batch, 2]", "east float32[batch, 2]"],
    ),
    "dict_outputs": (["source float32[batch, 3]"], ["code float32[batch, 1]", "score float32[batch, 1]"]),
    "embedding": (["tokens int32[batch, 6]"], ["sentiment float32[batch, 2]"]),
    "attention": (["sequence float32[batch, 5, 8]"], ["summary float32[batch, 2]"]),
    "awkward_names": (["a_b_c float32[batch, 2]", "a_b_c_1 float32[batch, 2]"], ["n1st_out_put float32[batch, 2]"]),
    "unnamed": (["input float32[batch, 3]"], ["result float32[batch, 2]"]),
}
"""What each model's inputs and outputs are, in its own order; Keras orders a dict's outputs by their keys."""

GENERATED = re.compile(r"Identity|unk__|output_\d|keras_tensor|serving_default_|StatefulPartitionedCall|:\d")


def described(specs):
    return [spec.describe() for spec in specs]


@pytest.fixture(params=INTERFACES)
def model(request, bundles):
    """A model's name; its bundle is there."""
    bundles(request.param)
    return request.param


def file_of(bundle, format_name):
    (path,) = [artifact["path"] for artifact in manifest_of(bundle)["artifacts"] if artifact["format"] == format_name]
    return bundle / path


def test_every_sample_model_has_an_interface_to_be_checked():
    assert set(INTERFACES) == {"xor", *SAMPLE_MODELS}


def test_the_manifest_has_the_models_own_names_and_order(model, bundles):
    signature = Bundle.read(bundles(model)).manifest.signature
    assert (described(signature.inputs), described(signature.outputs)) == INTERFACES[model]


@pytest.mark.parametrize("format_name", ["onnx", "tflite"])
def test_the_files_own_lists_have_the_same_names_and_order(model, bundles, format_name):
    contents = read(format_name, file_of(bundles(model), format_name))
    assert (described(contents.inputs), described(contents.outputs)) == INTERFACES[model]


def test_the_savedmodels_signature_has_the_same_names(model, bundles):
    contents = read("savedmodel", file_of(bundles(model), "savedmodel"))
    inputs, outputs = INTERFACES[model]
    assert sorted(described(contents.inputs)) == sorted(inputs)
    assert sorted(described(contents.outputs)) == sorted(outputs)
    assert "serving_default" in contents.metadata["signatures"]


def test_the_tflite_signature_runner_has_the_same_names_and_leads_to_the_same_tensors(model, bundles):
    bundle = Bundle.read(bundles(model))
    interpreter = ai_edge_litert.interpreter.Interpreter(model_path=str(file_of(bundle.root, "tflite")))
    assert list(interpreter.get_signature_list()) == ["serving_default"]
    runner = interpreter.get_signature_runner("serving_default")
    signature = bundle.manifest.signature
    for details, listed, specs in (
        (runner.get_input_details(), interpreter.get_input_details(), signature.inputs),
        (runner.get_output_details(), interpreter.get_output_details(), signature.outputs),
    ):
        assert set(details) == {spec.name for spec in specs}
        assert [details[spec.name]["index"] for spec in specs] == [entry["index"] for entry in listed]
    golden = bundle.manifest.golden[0]
    outputs = runner(**bundle.golden_arrays(golden.inputs))
    for name, expected in bundle.golden_arrays(golden.outputs).items():
        np.testing.assert_allclose(outputs[name], expected, rtol=1e-5, atol=1e-5)


def test_no_generated_name_is_in_any_interface(model, bundles):
    for format_name in ("savedmodel", "tflite", "onnx"):
        contents = read(format_name, file_of(bundles(model), format_name))
        for spec in (*contents.inputs, *contents.outputs):
            assert not GENERATED.search(spec.name), (format_name, spec.name)
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", spec.name)


def test_onnx_calls_the_batch_batch_in_every_input_and_output(model, bundles):
    graph = onnx.load(file_of(bundles(model), "onnx")).graph
    for value in (*graph.input, *graph.output):
        first, *others = value.type.tensor_type.shape.dim
        assert first.dim_param == "batch"
        assert all(dim.dim_value > 0 for dim in others)


@pytest.mark.parametrize("engine", ["savedmodel", "litert-xnnpack", "onnxruntime", "onnx-reference"])
def test_any_batch_runs_and_rows_do_not_depend_on_each_other(model, bundles, engine):
    bundle = Bundle.read(bundles(model))
    (artifact,) = [entry for entry in bundle.manifest.artifacts if entry.format == ENGINES[engine].format]
    golden = bundle.manifest.golden[-1]
    rows = {name: array[:6] for name, array in bundle.golden_arrays(golden.inputs).items()}
    expected = {name: array[:6] for name, array in bundle.golden_arrays(golden.outputs).items()}
    with load(ENGINES[engine].runtime, engine).open(artifact, bundle.root) as session:
        for batch in (1, 3, 6, 2):
            actual = run_rows(session, artifact.signature, rows, batch)
            for name, array in expected.items():
                np.testing.assert_allclose(actual[name], array, rtol=1e-5, atol=1e-5, err_msg=f"{name} by {batch}")


def test_the_sample_models_predictions_differ_from_row_to_row_and_from_output_to_output(model, bundles):
    # Otherwise the comparisons would prove little.
    bundle = Bundle.read(bundles(model))
    outputs = bundle.golden_arrays(bundle.manifest.golden[-1].outputs)
    flat = {name: array.reshape(len(array), -1) for name, array in outputs.items()}
    for array in flat.values():
        assert (np.ptp(array, axis=0) > 1e-3).all()
    values = list(flat.values())
    assert len(values) == 1 or np.abs(values[0] - values[1]).max() > 1e-2


def test_names_that_had_to_change_are_kept_beside_the_new_ones(bundles):
    signature = Bundle.read(bundles("awkward_names")).manifest.signature
    assert [spec.keras_name for spec in (*signature.inputs, *signature.outputs)] == ["a-b.c", "a.b-c", "1st-out.put"]
    assert Bundle.read(bundles("two_by_two")).manifest.signature.inputs[0].keras_name is None


def test_a_sequential_and_its_functional_twin_get_the_same_signature(bundles):
    from xorexport import to_functional
    from xorexport.tracing.trace import trace

    sequential = sample_model("convnet")
    signature = trace(to_functional(sequential)).signature
    assert signature == trace(sequential).signature == Bundle.read(bundles("convnet")).manifest.signature


def test_only_the_formats_that_were_asked_for_are_written(tmp_path):
    from xorexport.pipeline import ExportRequest, export

    report = export(ExportRequest(model=sample_model("two_by_two"), formats=("onnx",)), tmp_path / "bundle")
    assert report.exit_code == 0
    assert {row.format for row in report.parity} == {"onnx"}
    written = {path.name for path in (tmp_path / "bundle").iterdir()}
    assert written == {"two_by_two.onnx", "manifest.json", "report.json"}


def hashing():
    """Hashes whole numbers, which only SavedModel has an op for."""
    from keras import Input, Model, layers

    ids = Input((2,), dtype="int32", name="ids")
    return Model(ids, layers.Dense(3, name="y")(layers.Rescaling(0.1)(layers.Hashing(20, name="buckets")(ids))))


def test_a_refused_format_is_named_with_the_layer_and_the_others_are_written_where_asked_for(tmp_path):
    from xorexport.errors import ExportError
    from xorexport.pipeline import ExportRequest, export

    model = hashing()
    with pytest.raises(ExportError, match=r"tflite export of .*StringToHashBucketFast in layer 'buckets'") as caught:
        export(ExportRequest(model=model), tmp_path / "all")
    assert caught.value.exit_code == 2
    assert "hash before the model" in caught.value.remedy
    assert not (tmp_path / "all").exists()
    report = export(ExportRequest(model=model, keep_going=True), tmp_path / "some")
    assert report.exit_code == 2
    assert {row.format for row in report.parity} == {"keras", "savedmodel"}
    assert {row.outcome for row in report.parity} == {"PASS"}
    manifest = manifest_of(tmp_path / "some")
    assert [artifact["format"] for artifact in manifest["artifacts"]] == ["keras", "savedmodel"]
    assert [(refusal["format"], "in layer 'buckets'" in refusal["reason"]) for refusal in manifest["refused"]] == [
        ("tflite", True),
        ("onnx", True),
    ]
