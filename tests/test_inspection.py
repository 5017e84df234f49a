"""Inspection: what a file holds is read without running it, and a broken file is one line."""

import shutil
import zipfile

import pytest
from support import FORMATS, manifest_of

from xorexport.errors import BundleError, ModelError, UsageError, XorexportError
from xorexport.inspection import inspect


def artifact_of(folder, format_name):
    (path,) = folder.glob(f"*.{format_name}")
    return path


def main_file(folder, format_name):
    path = artifact_of(folder, format_name)
    return path / "saved_model.pb" if path.is_dir() else path


def described(specs):
    return [spec.describe() for spec in specs]


def test_a_bundle_is_its_manifest_and_all_its_artifacts(xor):
    inspection = inspect(xor)
    assert inspection.manifest.model.name == "xor"
    assert inspection.unread == {}
    sizes = {artifact["format"]: artifact["size"] for artifact in manifest_of(xor)["artifacts"]}
    assert {contents.format: contents.size for contents in inspection.contents} == sizes
    for contents in inspection.contents:
        assert described(contents.inputs) == ["x float32[batch, 2]"]
        if contents.format != "keras":
            assert described(contents.outputs) == ["y float32[batch, 1]"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_single_artifact_is_read_the_same_way(xor, format_name):
    inspection = inspect(artifact_of(xor, format_name))
    assert inspection.manifest is None
    (contents,) = inspection.contents
    (in_bundle,) = [entry for entry in inspect(xor).contents if entry.format == format_name]
    assert (contents.size, contents.ops, contents.metadata) == (in_bundle.size, in_bundle.ops, in_bundle.metadata)


def test_ops_are_counted_and_metadata_are_shown(xor):
    onnx = inspect(artifact_of(xor, "onnx")).contents[0]
    assert onnx.ops == {"Add": 2, "MatMul": 2, "Relu": 1, "Sigmoid": 1}
    assert onnx.metadata["opset"] == "ai.onnx 18"
    assert onnx.metadata["labels"] == "not loyal, loyal"
    tflite = inspect(artifact_of(xor, "tflite")).contents[0]
    assert tflite.ops == {"FULLY_CONNECTED": 2, "LOGISTIC": 1}
    assert tflite.metadata == {"schema": "3", "signatures": "serving_default"}
    keras = inspect(artifact_of(xor, "keras")).contents[0]
    assert keras.ops == {"Dense": 2, "InputLayer": 1}
    assert keras.metadata["class"] == "Sequential"
    savedmodel = inspect(artifact_of(xor, "savedmodel")).contents[0]
    assert savedmodel.ops["MatMul"] == 2
    assert savedmodel.metadata["tensorflow"].startswith("2.")


def test_inputs_of_other_dtypes_and_ranks_are_described(bundles):
    for contents in inspect(bundles("embedding")).contents:
        assert described(contents.inputs) == ["tokens int32[batch, 6]"]
    for contents in inspect(bundles("attention")).contents:
        assert described(contents.inputs) == ["sequence float32[batch, 5, 8]"]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("damage", ["empty", "text", "half"])
def test_a_file_that_is_not_whole_is_named_in_one_line(copy_of, format_name, damage):
    folder = copy_of("xor")
    path = main_file(folder, format_name)
    raw = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"no model at all " * 9, "half": raw[: len(raw) // 2]}[damage])
    with pytest.raises(ModelError) as caught:
        inspect(artifact_of(folder, format_name))
    assert str(artifact_of(folder, format_name)) in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_changed_byte_ends_in_another_error_than_ours(copy_of, format_name):
    folder = copy_of("xor")
    path = main_file(folder, format_name)
    raw = path.read_bytes()
    refused = 0
    for position in range(0, len(raw), max(1, len(raw) // 400)):
        for change in (0x01, 0x80):
            changed = bytearray(raw)
            changed[position] ^= change
            path.write_bytes(changed)
            try:
                assert inspect(artifact_of(folder, format_name)).contents
            except XorexportError:
                refused += 1
    assert refused > 0


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", b"[]"), ("config.json", b"{}"), ("config.json", b"\xff"), ("metadata.json", b"[]")],
)
def test_a_keras_file_whose_parts_are_something_else_is_refused(xor, tmp_path, name, content):
    path = tmp_path / "odd.keras"
    with zipfile.ZipFile(artifact_of(xor, "keras")) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, content if entry == name else source.read(entry))
    with pytest.raises(ModelError, match=r"odd\.keras"):
        inspect(path)


def test_a_savedmodel_folder_without_its_graph_is_refused(copy_of):
    folder = copy_of("xor")
    (folder / "xor.savedmodel" / "saved_model.pb").unlink()
    with pytest.raises(XorexportError) as caught:
        inspect(folder / "xor.savedmodel")
    assert caught.value.exit_code == 2
    with pytest.raises(ModelError, match=r"xor\.savedmodel"):
        inspect(folder)


def test_a_damaged_artifact_in_a_bundle_is_named(copy_of):
    folder = copy_of("xor")
    (folder / "xor.tflite").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"xor\.tflite"):
        inspect(folder)


@pytest.mark.parametrize(
    ("name", "error", "found"),
    [
        ("nowhere", UsageError, "no such file"),
        ("nowhere.onnx", UsageError, "no such file"),
        ("model.h5", UsageError, "'.h5'"),
        ("empty", BundleError, "no manifest.json"),
    ],
)
def test_what_is_neither_bundle_nor_artifact_is_refused(tmp_path, name, error, found):
    (tmp_path / "model.h5").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(error) as caught:
        inspect(tmp_path / name)
    assert found in caught.value.found


def test_an_artifact_is_read_wherever_it_was_moved(xor, tmp_path):
    shutil.copytree(artifact_of(xor, "savedmodel"), tmp_path / "renamed")
    assert inspect(tmp_path / "renamed").contents[0].format == "savedmodel"
