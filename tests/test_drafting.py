"""How a bundle comes about: plan by plan, format by format; a cure or a fault of one never touches the others."""

import json
from dataclasses import replace

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from faults import OnnxFile, TFLiteFile
from keras import layers
from sample_models import randomised
from support import FORMATS, contents, manifest_of, outcomes, sample_model

from xorexport.bundle import Bundle
from xorexport.errors import ExportError
from xorexport.exporters.base import Exporter, with_fixed_sizes
from xorexport.exporters.keras import KerasExporter
from xorexport.exporters.onnx import OnnxExporter
from xorexport.exporters.savedmodel import SavedModelExporter
from xorexport.exporters.tflite import TFLiteExporter
from xorexport.inspection import read
from xorexport.network.interface import interface_of
from xorexport.pipeline import ExportRequest, export
from xorexport.progress import Listener
from xorexport.publishing import check_replaceable
from xorexport.registry import ENGINES
from xorexport.results import Outcome
from xorexport.spec import Precision
from xorexport.tracing.trace import trace
from xorexport.verification.verify import Selection, verify_folder

BOTH = ("tflite", "onnx")
EXPORTERS = {
    "keras": KerasExporter,
    "savedmodel": SavedModelExporter,
    "tflite": TFLiteExporter,
    "onnx": OnnxExporter,
}


def small(**changes):
    return ExportRequest(**{"model": sample_model("two_by_two"), "formats": BOTH, **changes})


@pytest.fixture
def old(copy_of, tmp_path):
    """An old bundle, which has to be the same after the test."""
    folder = copy_of("two_by_two")
    before = contents(folder)
    yield folder
    assert contents(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["two_by_two"]


@pytest.fixture
def faulty(monkeypatch):
    """Has one format written with a weight that is off."""

    def plant(exporter, by=1e-3, when=lambda traced: True):
        write, file = exporter._write, {OnnxExporter: OnnxFile, TFLiteExporter: TFLiteFile}[exporter]

        def wrong(self, traced, options, path):
            details = write(self, traced, options, path)
            if when(traced):
                written = file(path)
                written.change_weight(by)
                written.save()
            return details

        monkeypatch.setattr(exporter, "_write", wrong)

    return plant


def formats_of(folder):
    return [(entry["format"], entry["precision"]) for entry in manifest_of(folder)["artifacts"]]


class Steps(Listener):
    def __init__(self):
        self.steps = []

    def step(self, text):
        self.steps.append(text)


# A file that is wrong.


@pytest.mark.parametrize(("exporter", "wrong"), [(OnnxExporter, "onnx"), (TFLiteExporter, "tflite")])
def test_a_wrong_file_is_left_out_where_the_others_shall_go_on(tmp_path, faulty, exporter, wrong):
    faulty(exporter)
    report = export(small(formats=(), keep_going=True), tmp_path / "bundle")
    assert report.exit_code == 1
    for name, engine in ENGINES.items():
        assert (Outcome.FAIL in outcomes(report, name)) == (engine.format == wrong)
    others = [name for name in FORMATS if name != wrong]
    assert formats_of(tmp_path / "bundle") == [(name, "float32") for name in others]
    assert not list((tmp_path / "bundle").glob(f"*.{wrong}"))
    (refusal,) = manifest_of(tmp_path / "bundle")["refused"]
    assert (refusal["format"], refusal["precision"]) == (wrong, "float32")
    assert refusal["reason"] == next(row.reason for row in report.parity if row.outcome is Outcome.FAIL)
    assert "values differ; at [" in refusal["reason"]
    kept = json.loads((tmp_path / "bundle" / "report.json").read_bytes())
    assert kept["exit_code"] == 1
    assert {row["outcome"] for row in kept["parity"] if row["format"] == wrong} >= {"FAIL"}
    again = verify_folder(tmp_path / "bundle", Selection())
    assert again.exit_code == 0
    assert {row.format for row in again.parity} == set(others)


def test_a_wrong_file_publishes_nothing_otherwise(old, faulty):
    faulty(OnnxExporter)
    report = export(small(), old)
    assert report.exit_code == 1
    assert report.refused == ()
    assert Outcome.FAIL in outcomes(report, "onnxruntime")


def test_nothing_is_published_where_every_file_is_wrong_on_one_engine(old, monkeypatch):
    """One engine passes it, but it is left out all the same: a bundle without artifacts would replace the old one."""
    from xorexport.runtimes.onnx_reference import OnnxReferenceSession

    run = OnnxReferenceSession._run

    def off(self, inputs):
        return {name: array + np.float32(0.01) for name, array in run(self, inputs).items()}

    monkeypatch.setattr(OnnxReferenceSession, "_run", off)
    report = export(small(formats=("onnx",), keep_going=True), old)
    assert report.exit_code == 1
    assert set(outcomes(report, "onnxruntime")) == {Outcome.PASS}
    assert set(outcomes(report, "onnx-reference")) == {Outcome.FAIL}
    assert not report.passed


def test_the_reason_of_a_file_that_is_left_out_is_what_is_wrong_with_it(tmp_path, faulty, monkeypatch):
    from xorexport.errors import EngineUnavailableError
    from xorexport.runtimes.onnxruntime import OnnxRuntime

    faulty(OnnxExporter, by=0.5)

    def absent(self, artifact, root, unsafe):
        raise EngineUnavailableError("it", expected="an engine", found="none", remedy="install it")

    monkeypatch.setattr(OnnxRuntime, "_open", absent)
    report = export(small(keep_going=True), tmp_path / "bundle")
    (refusal,) = report.refused
    assert "install it" not in refusal.reason
    assert refusal.reason == next(row.reason for row in report.parity if row.outcome is Outcome.FAIL)


def test_a_format_without_engines_is_left_out(tmp_path, monkeypatch):
    for name in [name for name, engine in ENGINES.items() if engine.format == "onnx"]:
        monkeypatch.delitem(ENGINES, name)
    report = export(small(keep_going=True), tmp_path / "bundle")
    assert report.exit_code == 2
    assert [(entry.format, entry.reason) for entry in report.refused] == [("onnx", "no engine runs it")]
    assert formats_of(tmp_path / "bundle") == [("tflite", "float32")]


# A file that cannot be written.


def give_up(exporter, monkeypatch, error, suffix):
    def halfway(self, traced, options, path):
        if suffix:
            path.write_bytes(b"half")
        else:
            (path / "variables").mkdir(parents=True)
            (path / "saved_model.pb").write_bytes(b"half")
        raise error

    monkeypatch.setattr(exporter, "_write", halfway)


STUCK = ExportError("it", expected="an end", found="stuck", remedy="rest")


@pytest.mark.parametrize(("name", "error"), [*((name, STUCK) for name in FORMATS), ("tflite", RuntimeError("stuck"))])
def test_half_a_file_is_never_published(tmp_path, monkeypatch, name, error):
    give_up(EXPORTERS[name], monkeypatch, error, EXPORTERS[name].suffix != ".savedmodel")
    other = "onnx" if name == "tflite" else "tflite"
    report = export(small(formats=(name, other), keep_going=True), tmp_path / "bundle")
    assert report.exit_code == 2
    assert [entry.format for entry in report.refused] == [name]
    assert "stuck" in report.refused[0].reason
    assert set(contents(tmp_path / "bundle")) == {f"two_by_two.{other}", "manifest.json", "report.json"}
    assert not (tmp_path / "bundle" / "two_by_two.savedmodel").exists()
    # What no manifest lists would keep the bundle from being replaced.
    check_replaceable(tmp_path / "bundle")


def test_a_quantised_file_that_comes_to_no_end_is_not_published(tmp_path, monkeypatch):
    def halfway(self, artifact, precision, calibration, source, target):
        target.write_bytes(b"half")
        raise ExportError("it", expected="an end", found="stuck", remedy="rest")

    monkeypatch.setattr(TFLiteExporter, "_quantize", halfway)
    request = small(formats=("tflite",), precisions=(Precision.FLOAT32, Precision.FLOAT16), keep_going=True)
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 2
    assert set(contents(tmp_path / "bundle")) == {"two_by_two.tflite", "manifest.json", "report.json"}


def test_a_quantised_file_that_no_engine_loads_is_not_published(tmp_path, monkeypatch):
    quantize = TFLiteExporter._quantize

    def broken(self, artifact, precision, calibration, source, target):
        result = quantize(self, artifact, precision, calibration, source, target)
        target.write_bytes(target.read_bytes()[:100])
        return result

    monkeypatch.setattr(TFLiteExporter, "_quantize", broken)
    request = small(formats=("tflite",), precisions=(Precision.FLOAT32, Precision.FLOAT16), keep_going=True)
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 2
    assert [(entry.format, entry.precision) for entry in report.refused] == [("tflite", "float16")]
    assert set(contents(tmp_path / "bundle")) == {"two_by_two.tflite", "manifest.json", "report.json"}


def test_a_quantised_file_that_changes_after_it_was_measured_fails(tmp_path, monkeypatch):
    """Its budget is no excuse: what verification finds beyond it is a mismatch."""
    from xorexport import drafting

    budgets_of = drafting.budgets_of

    def measured(bundle, artifact, selection):
        budget = budgets_of(bundle, artifact, selection)
        file = OnnxFile(bundle.root / artifact.path)
        tensor = next(tensor for tensor in file.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16)
        values = onnx.numpy_helper.to_array(tensor) * np.float16(2)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        file.save()
        return budget

    monkeypatch.setattr(drafting, "budgets_of", measured)
    report = export(small(formats=("onnx",), precisions=(Precision.FLOAT16,)), tmp_path / "bundle")
    assert report.exit_code != 0
    assert not (tmp_path / "bundle").exists()


# Plans.


def noted_plans(*notes):
    def plans(self, traced):
        for note in notes:
            yield traced.plan.noted(note)

    return plans


def test_a_plan_whose_file_does_not_match_is_followed_by_the_next(tmp_path, monkeypatch, faulty):
    monkeypatch.setattr(OnnxExporter, "plans", noted_plans("first", "second", "third"))
    faulty(OnnxExporter, when=lambda traced: "first" in traced.plan.notes)
    told = Steps()
    report = export(small(), tmp_path / "bundle", told)
    assert report.exit_code == 0
    assert report.notes == {"two_by_two.onnx": ("second",)}
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert sum("two_by_two.onnx" in step for step in told.steps) == 1
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0


def test_a_plan_that_cannot_be_written_is_followed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(TFLiteExporter, "plans", noted_plans("first", "second"))
    write = TFLiteExporter._write

    def refuse(self, traced, options, path):
        if "first" in traced.plan.notes:
            path.write_bytes(b"half")
            raise ExportError("tflite export", expected="an op", found="another", remedy="replace it")
        return write(self, traced, options, path)

    monkeypatch.setattr(TFLiteExporter, "_write", refuse)
    report = export(small(), tmp_path / "bundle")
    assert report.exit_code == 0
    assert report.notes == {"two_by_two.tflite": ("second",)}
    (entry,) = [entry for entry in manifest_of(tmp_path / "bundle")["artifacts"] if entry["format"] == "tflite"]
    assert entry["notes"] == ["second"]


def test_where_no_plan_matches_the_first_that_was_written_is_reported(old, monkeypatch, faulty):
    monkeypatch.setattr(OnnxExporter, "plans", noted_plans("refused", "wrong", "worse"))
    write = OnnxExporter._write

    def refuse(self, traced, options, path):
        if "refused" in traced.plan.notes:
            raise ExportError("onnx export", expected="an op", found="another", remedy="replace it")
        return write(self, traced, options, path)

    monkeypatch.setattr(OnnxExporter, "_write", refuse)
    faulty(OnnxExporter)
    report = export(small(), old)
    assert report.exit_code == 1
    assert report.notes == {"two_by_two.onnx": ("wrong",)}
    assert Outcome.FAIL in outcomes(report, "onnxruntime")


def test_where_no_plan_can_be_written_the_first_reason_is_given(old, monkeypatch):
    monkeypatch.setattr(OnnxExporter, "plans", noted_plans("first", "second"))

    def refuse(self, traced, options, path):
        raise ExportError(
            "onnx export", expected="an op", found=f"that of {traced.plan.notes[-1]}", remedy="replace it"
        )

    monkeypatch.setattr(OnnxExporter, "_write", refuse)
    with pytest.raises(ExportError, match="found that of first; replace it"):
        export(small(), old)


def test_sizes_are_fixed_before_the_batch_and_both_come_last():
    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, layers.Dense(2, name="y")(x))
    interface = interface_of(model)
    traced = trace(model, replace(interface, example={"x": (3, 32, 3)}))
    plans = list(with_fixed_sizes(traced.plan, traced))
    shapes = [traced.retraced(plan).signature.inputs[0].shape for plan in plans]
    assert shapes == [(None, None, 3), (None, 32, 3), (1, None, 3), (1, 32, 3)]
    assert traced.retraced(plans[0]) is traced
    assert [len(plan.notes) for plan in plans] == [0, 1, 1, 2]


# A cure for one format.


def kind(name):
    import zoo.models  # noqa: F401 - it fills the registry
    from zoo.registry import ZOO

    return ZOO[name].build()


def shapes_in(folder, format_name):
    (path,) = [entry["path"] for entry in manifest_of(folder)["artifacts"] if entry["format"] == format_name]
    contents = read(format_name, folder / path)
    return {spec.name: spec.shape for spec in contents.inputs}


@pytest.mark.parametrize(
    ("name", "fixed", "free"),
    [
        ("order_statistics", {"x": (1, 4, 6)}, {"x": (None, 4, 6)}),
        ("attention_variable_length", {"sequence": (None, 32, 16)}, {"sequence": (None, None, 16)}),
    ],
)
def test_what_tflite_holds_fixed_stays_dynamic_in_the_others(tmp_path, name, fixed, free):
    model = kind(name)
    report = export(ExportRequest(model=model, formats=("savedmodel", "tflite", "onnx")), tmp_path / "bundle")
    assert report.exit_code == 0
    assert shapes_in(tmp_path / "bundle", "tflite") == fixed
    for format_name in ("savedmodel", "onnx"):
        assert shapes_in(tmp_path / "bundle", format_name) == free
    assert {spec.name: spec.shape for spec in Bundle.read(tmp_path / "bundle").manifest.signature.inputs} == free
    (path,) = report.notes
    assert path.endswith(".tflite")
    # Each golden set ran on the others in every batch.
    rows = {(row.golden, row.batch) for row in report.parity if row.engine == "onnxruntime"}
    assert rows == {("samples", 1), ("samples", 3), ("more-samples", 17)}
    # Only what the file cannot take was left out of it.
    skipped = {row.golden for row in report.parity if row.outcome is Outcome.SKIPPED}
    assert skipped == ({"more-samples"} if None in next(iter(fixed.values())) else set())
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0


def half():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        x = keras.Input((6,), name="x", dtype="float32")
        hidden = layers.Dense(8, activation="tanh", name="hidden")(x)
        return randomised(keras.Model(x, layers.Dense(2, name="y", dtype="float32")(hidden), name="half"))
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_clone_in_float32_is_one_formats_own(tmp_path):
    model = half()
    report = export(ExportRequest(model=model), tmp_path / "bundle")
    assert report.exit_code == 0
    assert set(report.notes) == {"half.tflite", "half.onnx"}
    assert all("mixed_float16" in notes[0] for notes in report.notes.values())
    # The model itself, and the formats that can hold it, compute in half precision as before.
    assert model.get_layer("hidden").compute_dtype == "float16"
    loaded = keras.models.load_model(tmp_path / "bundle" / "half.keras")
    assert loaded.get_layer("hidden").compute_dtype == "float16"
    saved = tf.saved_model.load(str(tmp_path / "bundle" / "half.savedmodel"))
    graph = saved.signatures["serving_default"].graph.as_graph_def()
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    products = [tf.as_dtype(node.attr["T"].type) for node in nodes if node.op == "MatMul"]
    assert tf.float16 in products
    onnx_model = onnx.load(tmp_path / "bundle" / "half.onnx")
    assert onnx.TensorProto.FLOAT16 not in {tensor.data_type for tensor in onnx_model.graph.initializer}


def test_a_loop_over_plain_tensors_is_tflites_own(tmp_path):
    report = export(
        ExportRequest(model=sample_model("recurrent"), formats=("savedmodel", "tflite")), tmp_path / "bundle"
    )
    assert report.exit_code == 0
    saved = tf.saved_model.load(str(tmp_path / "bundle" / "recurrent.savedmodel"))
    graph = saved.signatures["serving_default"].graph.as_graph_def()
    used = {node.op for node in graph.node}
    used |= {node.op for function in graph.library.function for node in function.node_def}
    # Keras' own loop collects its steps in lists of tensors.
    assert any(op.startswith("TensorList") for op in used)


@pytest.mark.parametrize("other", ["tflite", "onnx"])
def test_a_formats_bytes_do_not_depend_on_the_others(tmp_path, other):
    """Not on a cure for one that is made before it, and not on a quantiser."""
    model = half()
    samples = {"x": np.random.default_rng(2).uniform(-1, 1, (30, 6)).astype(np.float32)}
    alone, among = tmp_path / "alone", tmp_path / "among"
    assert export(ExportRequest(model=model, samples=samples, formats=(other,)), alone).exit_code == 0
    everything = ExportRequest(model=model, samples=samples, precisions=(Precision.FLOAT32, Precision.FLOAT16))
    assert export(everything, among).exit_code == 0
    assert (alone / f"half.{other}").read_bytes() == (among / f"half.{other}").read_bytes()


def test_a_model_is_left_as_it_was(tmp_path, monkeypatch):
    x = keras.Input((None, 4), name="x")
    model = randomised(keras.Model(x, layers.Dense(2, name="y")(layers.Conv1D(3, 3, padding="same")(x)), name="line"))
    plans = TFLiteExporter.plans
    monkeypatch.setattr(TFLiteExporter, "plans", lambda self, traced: list(plans(self, traced))[-1:])
    before = [np.array(weight) for weight in model.get_weights()]
    shape, config = model.input_shape, json.dumps(model.get_config(), default=str)
    export(ExportRequest(model=model, formats=("tflite",)), tmp_path / "bundle")
    assert shapes_in(tmp_path / "bundle", "tflite") == {"x": (1, 32, 4)}
    assert model.input_shape == shape == (None, None, 4)
    assert json.dumps(model.get_config(), default=str) == config
    for weight, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)


# What is overwritten.


def test_an_export_that_ends_in_an_unforeseen_error_leaves_the_old_bundle(old, monkeypatch):
    def crash(self, *_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Exporter, "export", crash)
    with pytest.raises(KeyboardInterrupt):
        export(small(), old)


def test_a_bundle_that_is_published_in_part_replaces_the_old_one_as_a_whole(copy_of, faulty):
    folder = copy_of("two_by_two")
    faulty(OnnxExporter)
    assert export(small(keep_going=True), folder).exit_code == 1
    assert set(contents(folder)) == {"two_by_two.tflite", "manifest.json", "report.json"}
