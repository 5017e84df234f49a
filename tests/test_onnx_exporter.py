"""ONNX files: accepted by ONNX's own checker, small, with the model's metadata and with readable names inside."""

import onnx
import pytest
from support import manifest_of, sample_model

from xorexport.errors import ExportError, UsageError
from xorexport.exporters.base import ExportOptions
from xorexport.runtimes.onnxruntime import OnnxRuntime
from xorexport.verification.verify import Selection, verify_folder


@pytest.fixture(scope="module")
def traced():
    from xorexport.tracing.trace import trace

    return trace(sample_model("two_by_two"))


@pytest.fixture
def exporter():
    from xorexport.exporters.onnx import OnnxExporter

    return OnnxExporter()


def onnx_file(bundle):
    return next(bundle.glob("*.onnx"))


def test_onnx_accepts_the_file_and_it_uses_only_onnx_own_ops(any_bundle):
    model = onnx.load(onnx_file(any_bundle))
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not model.functions


def test_the_default_network_stays_below_1100_bytes_without_metadata(xor):
    model = onnx.load(onnx_file(xor))
    del model.metadata_props[:]
    assert 700 < len(model.SerializeToString()) < 1100


def test_the_default_opset_is_the_highest_that_converter_and_runtime_share(xor):
    from tf2onnx.constants import OPSET_TO_IR_VERSION

    model = onnx.load(onnx_file(xor))
    assert [entry.version for entry in model.opset_import] == [max(OPSET_TO_IR_VERSION)]


@pytest.mark.parametrize("opset", range(13, 19))
def test_every_offered_opset_is_the_one_in_the_file_and_the_file_runs(traced, exporter, tmp_path, opset):
    artifact = exporter.export(traced, ExportOptions(opset=opset), "net", tmp_path, "onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import] == [opset]
    assert artifact.details == {"opset": str(opset)}
    with OnnxRuntime(optimize=True).open(artifact, tmp_path) as session:
        assert session.interface() == traced.signature


@pytest.mark.parametrize("opset", [-1, 0, 12, 19, 99])
def test_an_opset_that_one_side_lacks_is_refused(traced, exporter, tmp_path, opset):
    with pytest.raises(UsageError, match=rf"--opset: expected a number from 13 to 18.*found {opset};"):
        exporter.export(traced, ExportOptions(opset=opset), "net", tmp_path, "onnx")
    assert list(tmp_path.iterdir()) == []


def test_the_models_own_metadata_is_in_the_file(xor):
    properties = {entry.key: entry.value for entry in onnx.load(onnx_file(xor)).metadata_props}
    model = manifest_of(xor)["model"]
    assert properties["description"] == model["description"] != ""
    assert properties["labels"] == "not loyal, loyal"
    assert properties["weights_sha256"] == model["weights_sha256"]
    assert "keras 3." in properties["versions"]
    assert "tensorflow 2." in properties["versions"]


def test_weights_inside_the_file_are_called_as_in_keras(xor):
    names = {tensor.name for tensor in onnx.load(onnx_file(xor)).graph.initializer}
    assert names == {"hidden/kernel", "hidden/bias", "y/kernel", "y/bias"}


def test_an_op_that_the_converter_only_pretends_to_know_is_refused(tmp_path, monkeypatch):
    from xorexport.exporters import onnx as exporter
    from xorexport.pipeline import ExportRequest, export

    monkeypatch.setattr(exporter, "SUBSTITUTES", {})
    with pytest.raises(ExportError, match=r"onnx export of 'exact_gelu'.*Erfc in layer 'activation") as caught:
        export(ExportRequest(model=sample_model("exact_gelu"), formats=("onnx",)), tmp_path / "bundle")
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_opset_option_is_kept_in_the_bundle_and_verifies(tmp_path):
    from xorexport.pipeline import ExportRequest, export

    report = export(ExportRequest(model=sample_model("attention"), formats=("onnx",), opset=14), tmp_path / "bundle")
    assert report.exit_code == 0
    assert manifest_of(tmp_path / "bundle")["artifacts"][0]["details"] == {"opset": "14"}
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0
