"""The whole export: what manifest and report say, and that a failure at any step leaves the old bundle alone."""

import hashlib
import json
import re

import keras
import numpy as np
import pytest
from support import contents, manifest_of, outcomes, sample_model

from xorexport import pipeline
from xorexport.bundle import Bundle
from xorexport.errors import BundleError, ExportError, ModelError, TrainingError, UsageError
from xorexport.network.architecture import Architecture
from xorexport.network.training import TrainingSettings
from xorexport.pipeline import ExportRequest, export
from xorexport.progress import Listener
from xorexport.registry import FORMATS
from xorexport.results import Outcome
from xorexport.spec import Tolerance
from xorexport.verification.verify import Selection, verify_folder


def small(**changes):
    """A request that takes a moment: one format of a small model."""
    return ExportRequest(**{"model": sample_model("two_by_two"), "formats": ("onnx",), **changes})


@pytest.fixture
def old(xor, tmp_path, copy_of):
    """An old bundle, and a way to see that it is untouched."""
    folder = copy_of("xor")
    before = contents(folder)
    yield folder
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["xor"]


def test_an_error_names_the_file_and_not_what_keras_calls_the_model(tmp_path):
    path = tmp_path / "net.keras"
    for change in (nan_weights, logarithm):
        change().save(path)
        with pytest.raises(ModelError) as caught:
            export(ExportRequest(model=str(path), formats=("onnx",), unsafe=True), tmp_path / "bundle")
        assert str(caught.value).startswith(f"model '{path}'")


# What stands in the bundle.


def test_the_default_network_is_described_in_the_manifest(xor):
    content = manifest_of(xor)
    model = content["model"]
    assert (model["name"], model["parameters"], model["labels"]) == ("xor", 65, ["not loyal", "loyal"])
    assert model["decisions"] == {"y": "threshold"}
    assert "segments" in model["description"]
    assert content["tolerances"] == {"float32": {"rtol": 1e-05, "atol": 1e-05}}
    assert {"xorexport", "keras", "tensorflow", "tf2onnx", "onnx", "numpy"} <= set(content["versions"])
    assert content["versions"]["keras"] == keras.__version__
    settings = content["settings"]
    assert (settings["hidden"], settings["seed"], settings["loss"]) == ([16], 2, "mean_squared_error")
    assert 0 < settings["first_right_epoch"] < settings["epochs"]
    assert [golden["name"] for golden in content["golden"]] == ["segments", "off-corner"]


def test_the_bundles_keras_file_has_the_weights_of_the_manifest_and_predicts_the_golden_data(xor):
    from xorexport.network.weights import weights_sha256

    bundle = Bundle.read(xor)
    model = keras.models.load_model(xor / "xor.keras")
    assert weights_sha256(model) == bundle.manifest.model.weights_sha256
    for golden in bundle.manifest.golden:
        expected = model.predict(bundle.golden_arrays(golden.inputs)["x"], batch_size=256, verbose=0)
        np.testing.assert_array_equal(bundle.golden_arrays(golden.outputs)["y"], expected)
    corners = bundle.golden_arrays(bundle.manifest.golden[0].outputs)["y"]
    assert (np.abs(corners.ravel() - [0, 1, 1, 0]) < 0.05).all()


def test_the_digests_in_the_manifest_are_those_of_other_tools(xor):
    for artifact in manifest_of(xor)["artifacts"]:
        for file in artifact["files"]:
            assert hashlib.sha256((xor / file["path"]).read_bytes()).hexdigest() == file["sha256"]


def test_the_report_in_the_bundle_has_every_row_and_nothing_that_varies(xor):
    report = json.loads((xor / "report.json").read_bytes())
    assert report["exit_code"] == 0
    assert {row["engine"] for row in report["parity"]} == set(pipeline_engines())
    assert {row["outcome"] for row in report["parity"]} == {"PASS"}
    assert {"topology", "weights", "predictions", "training"} <= {row["check"] for row in report["equivalence"]}
    assert all("seconds" not in row for row in report["parity"])
    assert {row["path"] for row in report["digests"]} >= {"xor.onnx", "xor.tflite", "xor.keras"}


def pipeline_engines():
    from xorexport.registry import ENGINES

    return ENGINES


def test_description_labels_seed_and_tolerance_are_those_of_the_request(tmp_path):
    request = small(
        model=sample_model("convnet"), description="which bird", labels=("owl", "tit", "jay"), seed=5,
        tolerance=Tolerance(rtol=1e-4, atol=1e-3),
    )  # fmt: skip
    assert export(request, tmp_path / "bundle").exit_code == 0
    content = manifest_of(tmp_path / "bundle")
    assert content["model"]["description"] == "which bird"
    assert content["model"]["labels"] == ["owl", "tit", "jay"]
    assert content["model"]["decisions"] == {"species": "argmax"}
    assert content["tolerances"]["float32"] == {"rtol": 1e-4, "atol": 1e-3}
    assert content["settings"]["samples_seed"] == 5
    import onnx

    properties = {entry.key: entry.value for entry in onnx.load(tmp_path / "bundle" / "convnet.onnx").metadata_props}
    assert (properties["description"], properties["labels"]) == ("which bird", "owl, tit, jay")


def test_another_seed_draws_other_inputs(tmp_path):
    for seed in (0, 1):
        export(small(seed=seed), tmp_path / str(seed))
    first, second = (Bundle.read(tmp_path / str(seed)) for seed in (0, 1))
    arrays = [bundle.golden_arrays(bundle.manifest.golden[0].inputs)["ant"] for bundle in (first, second)]
    assert (arrays[0] != arrays[1]).all()


@pytest.mark.parametrize(
    ("hidden", "loss"),
    [((16, 16), "mean_squared_error"), ((32,), "mean_squared_error"), ((16,), "binary_crossentropy")],
)
def test_other_default_networks_are_trained_and_verified(tmp_path, hidden, loss):
    request = ExportRequest(architecture=Architecture(hidden=hidden), training=TrainingSettings(loss=loss))
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 0
    assert manifest_of(tmp_path / "bundle")["settings"]["hidden"] == list(hidden)


def test_a_step_is_told_for_each_artifact(tmp_path):
    steps, work = [], []

    class Told(Listener):
        def step(self, text):
            steps.append(text)

        def working(self, text):
            work.append(text)

    report = export(small(formats=("onnx", "tflite")), tmp_path / "bundle", Told())
    assert report.exit_code == 0
    written = [re.fullmatch(r"wrote (\S+), ([\d,]+) bytes", step) for step in steps]
    sizes = {match.group(1): int(match.group(2).replace(",", "")) for match in written if match}
    assert sizes == {artifact["path"]: artifact["size"] for artifact in manifest_of(tmp_path / "bundle")["artifacts"]}
    assert any("onnxruntime" in text for text in work)


def test_a_format_named_twice_is_written_once(tmp_path):
    export(small(formats=("onnx", "onnx")), tmp_path / "bundle")
    assert [artifact["format"] for artifact in manifest_of(tmp_path / "bundle")["artifacts"]] == ["onnx"]


def test_a_bundle_takes_the_place_of_an_old_one_and_verifies(copy_of):
    folder = copy_of("xor")
    assert export(small(), folder).exit_code == 0
    assert manifest_of(folder)["model"]["name"] == "two_by_two"
    assert not (folder / "xor.onnx").exists()
    assert verify_folder(folder, Selection()).exit_code == 0


# What leaves the old bundle alone.


def test_a_verification_that_fails_publishes_nothing(old):
    report = export(small(formats=("onnx", "tflite"), tolerance=Tolerance(rtol=0.0, atol=0.0)), old)
    assert report.exit_code == 1
    assert Outcome.FAIL in {row.outcome for row in report.parity}


def test_a_fault_in_an_exporter_is_found_before_anything_is_published(old, monkeypatch):
    from xorexport.exporters.onnx import OnnxExporter

    class Faulty(OnnxExporter):
        def _write(self, traced, options, path):
            from faults import OnnxFile

            details = super()._write(traced, options, path)
            file = OnnxFile(path)
            file.change_weight(1e-3)
            file.save()
            return details

    monkeypatch.setattr("xorexport.exporters.onnx.OnnxExporter", Faulty)
    report = export(small(formats=("onnx", "tflite")), old)
    assert report.exit_code == 1
    assert Outcome.FAIL in outcomes(report, "onnxruntime")
    assert set(outcomes(report, "litert-builtin")) == {Outcome.PASS}


def test_an_exporter_that_gives_up_midway_publishes_nothing(old, monkeypatch):
    from xorexport.exporters.onnx import OnnxExporter

    def give_up(self, traced, options, path):
        path.write_bytes(b"half")
        raise ExportError("onnx export", expected="an end", found="none", remedy="rest")

    monkeypatch.setattr(OnnxExporter, "_write", give_up)
    with pytest.raises(ExportError):
        export(small(formats=("tflite", "onnx")), old)


def test_a_format_whose_engines_are_all_missing_is_not_published(old, monkeypatch):
    from xorexport.registry import ENGINES

    for name in ("onnxruntime", "onnxruntime-plain", "onnx-reference"):
        monkeypatch.delitem(ENGINES, name)
    report = export(small(formats=("onnx", "tflite")), old)
    assert report.unverified == ("two_by_two.onnx",)
    assert report.exit_code == 2


def nan_weights():
    model = sample_model("two_by_two")
    model.layers[2].kernel.assign(np.full(model.layers[2].kernel.shape, np.nan))
    return model


def logarithm():
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.ops.log(keras.layers.Dense(2, name="y")(x)), name="logarithm")


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"model": nan_weights}, ModelError, "expected finite weights, found nan in '"),
        ({"model": logarithm}, ModelError, "expected finite predictions"),
        ({"model": lambda: keras.Sequential([keras.layers.Dense(1)])}, ModelError, "never built"),
        ({"formats": ("onxx",)}, UsageError, "did you mean 'onnx'?"),
        ({"opset": 99}, UsageError, "--opset"),
        ({"model": lambda: "nowhere.keras"}, ModelError, "nowhere.keras"),
        ({"model": lambda: None, "training": TrainingSettings(max_epochs=3)}, TrainingError, "seed 2"),
        # Before training, which would fail.
        ({"model": lambda: None, "training": TrainingSettings(max_epochs=3), "labels": ("a",)}, UsageError, "--labels"),
        ({"labels": ("a", "b", "c")}, UsageError, "west float32[batch, 2], east float32[batch, 2], found 3: a, b, c"),
    ],
)
def test_what_cannot_be_exported_is_one_line(old, changes, error, text):
    if "model" in changes:
        changes = {**changes, "model": changes["model"]()}
    with pytest.raises(error) as caught:
        export(small(**changes), old)
    assert text in str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tolerance", [(np.nan, 0.0), (0.0, np.inf), (-1.0, 0.0), (0.0, -1e-9)])
def test_a_tolerance_that_cannot_be_meant_is_refused(old, tolerance):
    # NaN and infinity cannot be written in JSON, so the bundle could not be read again.
    rtol, atol = tolerance
    with pytest.raises(UsageError, match=r"tol"):
        export(small(tolerance=Tolerance(rtol=rtol, atol=atol)), old)


def test_an_opset_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "default_network", lambda *_: pytest.fail("training began"))
    with pytest.raises(UsageError, match=r"--opset"):
        export(ExportRequest(opset=99), tmp_path / "bundle")


def test_a_destination_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "default_network", lambda *_: pytest.fail("training began"))
    (tmp_path / "mine").touch()
    with pytest.raises(BundleError):
        export(ExportRequest(), tmp_path / "mine")


def test_every_format_is_written_where_none_is_named(any_bundle):
    assert [artifact["format"] for artifact in manifest_of(any_bundle)["artifacts"]] == list(FORMATS)
