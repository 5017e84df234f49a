"""Prediction: every engine says the same for one row and for many, and what cannot be meant is refused."""

import numpy as np
import onnx
import pytest
from support import rewrite_manifest

from xorexport.bundle import Bundle
from xorexport.errors import BundleError, EngineUnavailableError, MismatchError, UsageError, XorexportError
from xorexport.prediction import BATCH, Choice, _labels, parse_row, predict, predict_inputs, predict_values
from xorexport.registry import ENGINES, Engine, Entry
from xorexport.spec import Decision, TensorSpec

ROWS = {("0", "0"): "not loyal", ("1", "0"): "loyal", ("0", "1"): "loyal", ("1", "1"): "not loyal"}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("values", ROWS)
def test_every_engine_predicts_the_four_segments(xor, engine, values):
    prediction = predict(xor, values, engine)
    (value,) = prediction.outputs["y"]
    assert prediction.engine == engine
    assert prediction.labels == {"y": ROWS[values]}
    assert abs(value - (ROWS[values] == "loyal")) < 0.05


@pytest.mark.parametrize("engine", ENGINES)
def test_two_inputs_are_given_one_after_the_other_in_the_models_order(bundles, engine):
    bundle = Bundle.read(bundles("two_by_two"))
    golden = bundle.manifest.golden[0]
    inputs, outputs = bundle.golden_arrays(golden.inputs), bundle.golden_arrays(golden.outputs)
    values = [str(value) for name in ("zebra", "ant") for value in inputs[name][1]]
    prediction = predict(bundle.root, values, engine)
    for name, array in outputs.items():
        np.testing.assert_allclose(prediction.outputs[name], array[1], rtol=1e-5, atol=1e-5)


def test_an_engine_that_starts_quickly_is_taken_where_none_is_named(xor):
    assert ENGINES[predict(xor, ("0", "1")).engine].runtime.requires != "tensorflow"


def test_the_next_engine_is_taken_where_the_first_is_not_installed(xor, monkeypatch):
    first = predict(xor, ("0", "1")).engine
    missing = Entry("no.such:thing", "no_such_library", "pip install no-such-library")
    monkeypatch.setitem(ENGINES, first, Engine(ENGINES[first].format, "none", missing))
    second = predict(xor, ("0", "1"))
    assert second.engine != first
    assert second.labels == {"y": "loyal"}
    with pytest.raises(EngineUnavailableError, match=r"pip install no-such-library"):
        predict(xor, ("0", "1"), first)
    for name in ENGINES:
        monkeypatch.setitem(ENGINES, name, Engine(ENGINES[name].format, "none", missing))
    with pytest.raises(EngineUnavailableError, match=r"an artifact that an installed engine runs"):
        predict(xor, ("0", "1"))


def test_tokens_are_whole_numbers(bundles):
    folder = bundles("embedding")
    assert predict(folder, tuple("123456")).outputs == predict(folder, ("1.0", "2", "3", "4", "5", "6")).outputs
    for wrong in ("1.5", "nan", "1e10"):
        with pytest.raises(UsageError, match=r"tokens"):
            predict(folder, (wrong, "2", "3", "4", "5", "6"))


@pytest.mark.parametrize("engine", ["litert-xnnpack", "onnxruntime"])
def test_a_token_that_the_engine_refuses_is_an_error_of_ours(bundles, engine):
    with pytest.raises(XorexportError) as caught:
        predict(bundles("embedding"), ("99999", "2", "3", "4", "5", "6"), engine)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_values_is_refused_with_the_inputs_that_there_are(xor, count):
    with pytest.raises(UsageError, match=rf"expected 2 for x float32\[batch, 2\], found {count};"):
        predict(xor, ("1",) * count)


@pytest.mark.parametrize("value", ["one", "", "1,5", "0x1", "1 2"])
def test_what_is_no_number_is_refused_by_the_inputs_name(xor, value):
    with pytest.raises(UsageError, match=r"values of 'x': expected numbers"):
        predict(xor, ("0", value))


@pytest.mark.parametrize("value", ["-1", "1e-3", "+2", "-2.5e+1", "  7 "])
def test_numbers_may_be_written_in_any_usual_way(xor, value):
    specs = Bundle.read(xor).manifest.signature.inputs
    assert parse_row(specs, ("0", value))["x"].tolist() == np.float32([[0, float(value)]]).tolist()


def test_a_row_fills_inputs_of_any_shape_and_dtype():
    specs = (
        TensorSpec(name="image", dtype="float32", shape=(None, 2, 2)),
        TensorSpec(name="ids", dtype="int64", shape=(None, None)),
        TensorSpec(name="flag", dtype="bool", shape=(None,)),
    )
    row = parse_row(specs, ("1", "2", "3", "4", "5", "1"))
    assert {name: (array.dtype.name, array.tolist()) for name, array in row.items()} == {
        "image": ("float32", [[[1, 2], [3, 4]]]),
        "ids": ("int64", [[5]]),
        "flag": ("bool", [True]),
    }


def test_a_whole_number_beyond_float64_is_kept():
    row = parse_row((TensorSpec(name="id", dtype="int64", shape=(None, 1)),), (str(2**53 + 1),))
    assert row["id"].item() == 2**53 + 1


@pytest.mark.parametrize(("engine", "name"), [("onnxruntime", "xor.onnx"), ("litert-builtin", "xor.tflite")])
def test_a_changed_file_is_refused_unless_digests_are_off(copy_of, engine, name):
    folder = copy_of("xor")
    path = folder / name
    raw = path.read_bytes()
    path.write_bytes(raw + b"\0" if name.endswith("tflite") else raw.replace(b"not loyal", b"not royal"))
    with pytest.raises(MismatchError) as caught:
        predict(folder, ("0", "1"), engine)
    assert caught.value.exit_code == 1
    assert str(path) in str(caught.value)
    assert "--no-digests" in caught.value.remedy
    assert predict(folder, ("0", "1"), engine, check_digests=False).labels == {"y": "loyal"}


def test_a_changed_manifest_is_refused_unless_digests_are_off(copy_of):
    folder = copy_of("xor")
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"loyal"', b'"royal"'))
    with pytest.raises(MismatchError) as caught:
        predict(folder, ("0", "1"))
    assert "manifest.json" in str(caught.value)
    assert predict(folder, ("0", "1"), check_digests=False).labels == {"y": "royal"}


@pytest.mark.parametrize(("engine", "name"), [("onnxruntime", "xor.onnx"), ("litert-builtin", "xor.tflite")])
@pytest.mark.parametrize("content", [None, b"no model"])
def test_a_file_that_is_missing_or_no_model_is_an_error_of_ours(copy_of, engine, name, content):
    folder = copy_of("xor")
    if content is None:
        (folder / name).unlink()
        with pytest.raises(BundleError, match=name):
            predict(folder, ("0", "1"), engine)
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(XorexportError) as caught:
        predict(folder, ("0", "1"), engine, check_digests=False)
    assert caught.value.exit_code == 2
    assert name in str(caught.value)


def test_an_engine_whose_format_the_bundle_lacks_is_refused(copy_of):
    folder = copy_of("xor")
    rewrite_manifest(folder, lambda content: content["artifacts"].pop())
    assert Bundle.read(folder).manifest.artifacts[-1].format == "tflite"
    with pytest.raises(EngineUnavailableError, match=r"an artifact for onnxruntime"):
        predict(folder, ("0", "1"), "onnxruntime")
    assert predict(folder, ("0", "1")).artifact == "xor.tflite"


def test_an_unknown_engine_is_refused_with_a_suggestion(xor):
    with pytest.raises(UsageError, match=r"did you mean 'onnxruntime'"):
        predict(xor, ("0", "1"), "onnx-runtime")


def test_a_softmax_is_labelled_by_its_largest_class(copy_of):
    folder = copy_of("convnet")
    rewrite_manifest(folder, lambda content: content["model"].update(labels=["cat", "dog", "owl"]))
    bundle = Bundle.read(folder)
    images = bundle.golden_arrays(bundle.manifest.golden[1].inputs)["image"]
    expected = bundle.golden_arrays(bundle.manifest.golden[1].outputs)["species"]
    for row in range(3):
        prediction = predict(folder, [str(value) for value in images[row].ravel()], "onnxruntime")
        assert prediction.labels == {"species": ("cat", "dog", "owl")[int(expected[row].argmax())]}
        np.testing.assert_allclose(prediction.outputs["species"], expected[row], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("a", "b", "c", "d", "e"), {"five": "e"}),
        (("a", "b", "c"), {"three": "b"}),
        (("no", "yes"), {"one": "yes"}),
    ],
)
def test_labels_are_those_of_the_output_that_has_as_many_classes(labels, expected, tmp_path):
    from keras import Input, Model, layers

    from xorexport.pipeline import ExportRequest, export

    x = Input((5,), name="x")
    heads = [layers.Softmax(name="three")(x[:, :3]), layers.Softmax(name="five")(x), layers.Dense(5, name="raw")(x)]
    one = layers.Activation("sigmoid", name="one")(x[:, 4:])
    request = ExportRequest(model=Model(x, [*heads, one], name="heads"), labels=labels, formats=("onnx",))
    assert export(request, tmp_path / "bundle").exit_code == 0
    assert predict(tmp_path / "bundle", ("0", "2", "1", "0", "4"), "onnxruntime").labels == expected


# Many rows.


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_predicts_many_rows_of_any_signature(any_bundle, tmp_path, engine):
    bundle = Bundle.read(any_bundle)
    golden = bundle.manifest.golden[1]
    inputs, expected = (
        {name: np.concatenate([array] * 3) for name, array in bundle.golden_arrays(tensors).items()}
        for tensors in (golden.inputs, golden.outputs)
    )
    np.savez(tmp_path / "in.npz", **inputs)
    predictions = predict_inputs(any_bundle, tmp_path / "in.npz", Choice(engine))
    assert predictions.engine == engine
    assert predictions.rows == len(next(iter(inputs.values()))) > BATCH
    assert list(predictions.outputs) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(predictions.outputs[name], array, rtol=1e-5, atol=1e-5)


def test_every_row_has_its_label(xor, tmp_path):
    rows = np.float32([[0, 0], [np.nan, 0], [1, 0], [1, 1], [0, 1]])
    np.save(tmp_path / "in.npy", rows)
    labels = predict_inputs(xor, tmp_path / "in.npy", Choice("onnxruntime")).labels
    assert labels == {"y": ("not loyal", None, "loyal", "not loyal", "loyal")}


def test_a_row_that_chooses_several_classes_has_no_label():
    per_pixel = np.zeros((2, 3, 4), "float32")
    assert _labels(per_pixel, Decision.ARGMAX, ("a", "b")) == ()
    assert _labels(per_pixel[:, 0], Decision.ARGMAX, ("a", "b")) == ("a", "a")
    assert _labels(np.eye(4, dtype="float32")[1:3], Decision.ARGMAX, ("a", "b")) == ("b", None)


def rewritten(folder, change, **fields):
    """Changes the ONNX file of a bundle, and its signature in the manifest; neither is sealed again."""
    path = next(folder.glob("*.onnx"))
    model = onnx.load(path)
    change(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)

    def revise(content):
        (artifact,) = (one for one in content["artifacts"] if one["format"] == "onnx")
        for side in ("inputs", "outputs"):
            for spec in artifact["signature"][side]:
                spec.update(fields[spec["name"]])

    rewrite_manifest(folder, revise)


@pytest.mark.parametrize("engine", ["onnxruntime", "onnx-reference"])
@pytest.mark.parametrize("rows", [1, 3, 4, 6])
def test_a_fixed_batch_is_filled_up(copy_of, tmp_path, engine, rows):
    folder = copy_of("xor")

    def fix(model):
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 4

    rewritten(folder, fix, x={"shape": [4, 2]}, y={"shape": [4, 1]})
    points = np.float32([[0, 1], [1, 1], [0, 0], [1, 0], [0.3, -2], [0, 1]])[:rows]
    np.save(tmp_path / "in.npy", points)
    fixed = predict_inputs(folder, tmp_path / "in.npy", Choice(engine, digests=False))
    free = predict_inputs(folder, tmp_path / "in.npy", Choice("litert-builtin", digests=False))
    assert fixed.outputs["y"].shape == (rows, 1)
    np.testing.assert_allclose(fixed.outputs["y"], free.outputs["y"], atol=1e-5)
    assert fixed.labels == free.labels


def test_a_quantised_artifact_takes_and_returns_the_models_numbers(copy_of, tmp_path):
    folder = copy_of("xor")

    def quantise(model):
        graph = model.graph
        for node in graph.node:
            node.input[:] = ["x_float" if name == "x" else name for name in node.input]
            node.output[:] = ["y_float" if name == "y" else name for name in node.output]
        scales = {"xs": np.float32(0.25), "xz": np.int8(3), "ys": np.float32(1 / 256), "yz": np.int8(-128)}
        graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in scales.items())
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["x_float"]))
        graph.node.append(onnx.helper.make_node("QuantizeLinear", ["y_float", "ys", "yz"], ["y"]))
        for value in (graph.input[0], graph.output[0]):
            value.type.tensor_type.elem_type = onnx.TensorProto.INT8

    ends = {"x": {"scale": 0.25, "zero_point": 3}, "y": {"scale": 1 / 256, "zero_point": -128}}
    rewritten(folder, quantise, **{name: {"dtype": "int8", "quantization": end} for name, end in ends.items()})
    np.save(tmp_path / "in.npy", np.float32([[0, 1], [1, 1], [0.3, 0.95]]))
    np.save(tmp_path / "near.npy", np.float32([[0, 1], [1, 1], [0.25, 1]]))
    integers = predict_inputs(folder, tmp_path / "in.npy", Choice("onnxruntime", digests=False))
    floats = predict_inputs(folder, tmp_path / "near.npy", Choice("litert-builtin", digests=False))
    assert integers.outputs["y"].dtype == "float32"
    np.testing.assert_allclose(integers.outputs["y"], floats.outputs["y"], atol=1 / 256)
    assert integers.labels["y"][:2] == ("loyal", "not loyal")


def test_dimensions_that_only_one_format_fixes_choose_another_engine(copy_of, tmp_path):
    folder = copy_of("xor")

    def widen(content):
        content["signature"]["inputs"][0]["shape"] = [None, None]
        for artifact in content["artifacts"]:
            if artifact["format"] == "tflite":
                artifact["signature"]["inputs"][0]["shape"] = [None, 5]

    rewrite_manifest(folder, widen)
    np.save(tmp_path / "in.npy", np.float32([[0, 1]]))
    assert predict_inputs(folder, tmp_path / "in.npy", Choice()).engine == "onnxruntime"
    with pytest.raises(
        UsageError, match=r"x float32\[batch, 5\], which is fixed in xor.tflite, found the shape \[1, 2\]"
    ):
        predict_inputs(folder, tmp_path / "in.npy", Choice("litert-builtin"))


def test_float32_is_chosen_among_several_precisions_unless_another_is_named(copy_of, tmp_path):
    folder = copy_of("xor")

    def add(content):
        (onnx_,) = (one for one in content["artifacts"] if one["format"] == "onnx")
        half = {
            **onnx_,
            "precision": "float16",
            "budget": [{"output": "y", "rows": 4, "max_abs": 0.0, "mean_abs": 0.0, "snr_db": None, "limit": 1e-3}],
            "path": "half.onnx",
            "files": [{**onnx_["files"][0], "path": "half.onnx"}],
        }
        content["artifacts"].insert(0, half)

    (folder / "half.onnx").write_bytes((folder / "xor.onnx").read_bytes())
    rewrite_manifest(folder, add)
    assert predict(folder, ("0", "1"), "onnxruntime").artifact == "xor.onnx"
    assert predict(folder, ("0", "1"), "onnxruntime", precision="float16").artifact == "half.onnx"
    assert predict(folder, ("0", "1"), precision="float16").artifact == "half.onnx"
    with pytest.raises(EngineUnavailableError, match=r"an artifact for litert-builtin in float16"):
        predict(folder, ("0", "1"), "litert-builtin", precision="float16")
    with pytest.raises(EngineUnavailableError, match=r"choose --precision float16 or float32, or leave it out"):
        predict(folder, ("0", "1"), precision="int8")
    with pytest.raises(UsageError, match=r"--precision.*did you mean 'float16'"):
        predict(folder, ("0", "1"), precision="flaot16")
    rewrite_manifest(folder, lambda content: content["artifacts"].pop())
    left = predict_values(folder, ("0", "1"), Choice("onnxruntime"))
    assert (left.artifact, left.notes) == ("half.onnx", ("half.onnx is float16: no float32 file is at hand",))
    assert predict_values(folder, ("0", "1"), Choice("onnxruntime", "float16")).notes == ()
