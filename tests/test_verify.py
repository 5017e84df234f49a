"""Verification: what is run, what an absent engine means, and which exit code comes of it."""

import math

import numpy as np
import onnx
import pytest
from support import LIGHT_ENGINES, outcomes, rewrite_manifest

from xorexport import registry
from xorexport.bundle import Bundle
from xorexport.errors import BundleError, UsageError
from xorexport.registry import ENGINES
from xorexport.results import Outcome
from xorexport.verification.verify import Selection, verify, verify_folder

ONE = "onnxruntime"


@pytest.fixture
def absent(monkeypatch):
    """Makes an engine's library one that is not installed."""

    def make(*engines):
        for name in engines:
            entry = registry.Entry("no.such:thing", "no_such_library", "pip install no-such-library")
            engine = ENGINES[name]
            monkeypatch.setitem(ENGINES, name, registry.Engine(engine.format, engine.family, entry))

    return make


# What is run.


def test_every_engine_runs_every_golden_set_in_every_batch_size(xor):
    report = verify_folder(xor, Selection())
    assert report.exit_code == 0
    runs = [("segments", 1), ("segments", 4), ("off-corner", 256)]
    for engine in ENGINES:
        rows = [row for row in report.parity if row.engine == engine]
        assert [(row.golden, row.batch) for row in rows] == runs
        assert {row.outcome for row in rows} == {Outcome.PASS}
        for row in rows:
            (output,) = row.outputs
            assert output.output == "y"
            assert output.max_abs < 1e-5
            assert output.flips == 0
            assert output.max_ulp is not None
            assert row.seconds > 0
            assert row.worst_input


def test_the_keras_file_and_the_savedmodel_predict_what_was_recorded_bit_for_bit(any_bundle):
    report = verify_folder(any_bundle, Selection(engines=("keras", "savedmodel")))
    recorded = {row.golden: row for row in report.parity if row.engine == "keras" and row.batch > 1}
    assert recorded
    assert {output.max_abs for row in recorded.values() for output in row.outputs} == {0.0}


def test_at_least_one_engine_computes_other_bits_than_keras(xor):
    # If all differences were zero, some engine would be Keras in disguise, or nothing was compared.
    report = verify_folder(xor, Selection())
    differences = {row.engine: max(output.max_abs for output in row.outputs) for row in report.parity}
    assert differences["onnx-reference"] > 0.0
    assert differences["litert-xnnpack"] > 0.0


def test_the_worst_input_is_named_as_the_row_is(copy_of):
    folder = copy_of("xor")

    def change(content):
        content["golden"][0]["outputs"]["y"]["values"][2] += 0.25

    rewrite_manifest(folder, change)
    report = verify_folder(folder, Selection(engines=(ONE,)))
    assert report.exit_code == 1
    for row in report.parity:
        if row.golden == "segments":
            assert (row.outcome, row.worst_input) == (Outcome.FAIL, "old, high income")
            assert row.outputs[0].worst == (2, 0)
            assert row.outputs[0].max_abs == pytest.approx(0.25, abs=1e-4)
        else:
            assert row.outcome is Outcome.PASS


def test_the_tolerance_of_the_manifest_decides(copy_of):
    folder = copy_of("xor")
    rewrite_manifest(folder, lambda content: content["tolerances"]["float32"].update(rtol=0.0, atol=0.0))
    report = verify_folder(folder, Selection(engines=("keras", "onnx-reference")))
    assert report.exit_code == 1
    assert Outcome.FAIL in outcomes(report, "onnx-reference")
    by_set = {(row.golden, row.batch): row.outcome for row in report.parity if row.engine == "keras"}
    assert by_set["off-corner", 256] is Outcome.PASS


def test_engines_are_instances_of_their_own_in_their_own_configuration(xor):
    bundle = Bundle.read(xor)
    sessions = {}
    for name in LIGHT_ENGINES:
        runtime = registry.load(ENGINES[name].runtime, name)
        assert runtime is not registry.load(ENGINES[name].runtime, name)
        (artifact,) = [entry for entry in bundle.manifest.artifacts if entry.format == ENGINES[name].format]
        sessions[name] = runtime.open(artifact, xor)
    optimised, plain = sessions["onnxruntime"]._engine, sessions["onnxruntime-plain"]._engine
    levels = [engine.get_session_options().graph_optimization_level.name for engine in (optimised, plain)]
    assert levels == ["ORT_ENABLE_ALL", "ORT_DISABLE_ALL"]
    x = np.float32([[0.3, -1.7]])
    for session in sessions.values():
        session.run({"x": x})
    delegated = [
        [op["op_name"] for op in sessions[name]._interpreter._get_ops_details()]
        for name in ("litert-xnnpack", "litert-builtin")
    ]
    assert "DELEGATE" in delegated[0]
    assert "DELEGATE" not in delegated[1]
    assert type(sessions["onnx-reference"]._evaluator).__module__.startswith("onnx.reference")


# What is selected.


def test_a_format_selects_all_its_engines_and_an_engine_itself_alone(xor):
    by_format = verify_folder(xor, Selection(formats=("onnx",)))
    assert {row.engine for row in by_format.parity} == {"onnxruntime", "onnxruntime-plain", "onnx-reference"}
    by_engine = verify_folder(xor, Selection(engines=("litert-builtin",)))
    assert {row.engine for row in by_engine.parity} == {"litert-builtin"}
    assert by_format.exit_code == by_engine.exit_code == 0
    assert by_format.unverified == by_engine.unverified == ()


@pytest.mark.parametrize(
    ("option", "arguments", "suggestion"),
    [
        ("--format", {"formats": ("onxx",)}, "did you mean 'onnx'?"),
        ("--engine", {"engines": ("onnxruntim",)}, "did you mean 'onnxruntime'?"),
        ("--require", {"required": ("litert-xnpack",)}, "did you mean 'litert-xnnpack'?"),
        ("--engine", {"engines": ("zzz",)}, "choose one of these"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_known_one(option, arguments, suggestion):
    with pytest.raises(UsageError) as caught:
        Selection(**arguments)
    assert str(caught.value).startswith(f"{option}: ")
    assert caught.value.remedy == suggestion
    assert caught.value.exit_code == 2


def test_a_format_that_the_bundle_lacks_is_refused(copy_of):
    folder = copy_of("xor")

    def without_onnx(content):
        content["artifacts"] = [entry for entry in content["artifacts"] if entry["format"] != "onnx"]

    rewrite_manifest(folder, without_onnx)
    for selection in (Selection(formats=("onnx",)), Selection(engines=(ONE,)), Selection(required=(ONE,))):
        with pytest.raises(UsageError, match=r"expected artifacts of format onnx, found"):
            verify_folder(folder, selection)


# What is not there.


def test_an_engine_that_is_not_installed_is_skipped_with_what_installs_it(xor, absent):
    absent(ONE)
    report = verify_folder(xor, Selection(formats=("onnx",)))
    (row,) = [row for row in report.parity if row.engine == ONE]
    assert row.outcome is Outcome.SKIPPED
    assert "no_such_library" in row.reason
    assert "it is not installed" in row.reason
    assert "pip install no-such-library" in row.reason
    assert report.exit_code == 0


def test_a_required_engine_that_is_not_installed_is_an_error(xor, absent):
    absent(ONE)
    report = verify_folder(xor, Selection(formats=("onnx",), required=(ONE,)))
    assert outcomes(report, ONE) == [Outcome.ERROR]
    assert set(outcomes(report, "onnx-reference")) == {Outcome.PASS}
    assert report.exit_code == 2


def test_a_required_engine_runs_although_another_was_selected(xor):
    report = verify_folder(xor, Selection(engines=("litert-builtin",), required=(ONE,)))
    assert {row.engine for row in report.parity} == {"litert-builtin", ONE}
    assert report.exit_code == 0


def test_an_artifact_that_no_engine_could_run_is_named_and_an_error_where_it_was_asked_for(xor, absent):
    absent("onnxruntime", "onnxruntime-plain", "onnx-reference")
    light = verify_folder(xor, Selection(engines=("onnxruntime", "litert-builtin")))
    assert light.unverified == ("xor.onnx",)
    assert light.exit_code == 0
    for selection in (
        Selection(formats=("onnx", "tflite")),
        Selection(engines=("onnxruntime", "litert-builtin"), whole=True),
    ):
        whole = verify_folder(xor, selection)
        assert whole.unverified == ("xor.onnx",)
        assert whole.exit_code == 2
    assert verify_folder(xor, Selection(formats=("onnx",))).exit_code == 2


def test_where_nothing_ran_nothing_is_verified(xor, absent):
    absent(*ENGINES)
    report = verify_folder(xor, Selection())
    assert {row.outcome for row in report.parity} == {Outcome.SKIPPED}
    assert report.exit_code == 2


def test_an_engine_of_another_format_than_the_selected_one_is_refused():
    with pytest.raises(UsageError, match=f"{ONE}: expected an engine for tflite, found one for onnx"):
        Selection(formats=("tflite",), engines=(ONE,))


@pytest.mark.parametrize("name", ["xor.onnx", "xor.savedmodel/saved_model.pb", "golden/off-corner.inputs.x.bin"])
def test_a_missing_file_is_an_error_that_names_it(copy_of, name):
    folder = copy_of("xor")
    (folder / name).unlink()
    with pytest.raises(BundleError) as caught:
        verify_folder(folder, Selection())
    assert str(folder / name) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_golden_file_is_an_error_without_digests_too(copy_of):
    folder = copy_of("xor")
    (folder / "golden/off-corner.inputs.x.bin").unlink()
    report = verify_folder(folder, Selection(engines=(ONE,), digests=False))
    assert outcomes(report, ONE)[-1] is Outcome.ERROR
    assert "off-corner.inputs.x.bin" in report.parity[-1].reason
    assert report.exit_code == 2


# What an engine cannot do.


def replace_node(folder, op_type, *nodes):
    """Replaces the one node of a type; `nodes` get its inputs and outputs by the names `in`, `weight` and `out`."""
    path = folder / "xor.onnx"
    model = onnx.load(path)
    (index,) = [i for i, node in enumerate(model.graph.node) if node.op_type == op_type]
    old = model.graph.node[index]
    names = {"in": old.input[0], "out": old.output[0]}
    for node in nodes:
        for side in (node.input, node.output):
            side[:] = [names.get(name, name) for name in side]
    rest = [*model.graph.node[:index], *nodes, *model.graph.node[index + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(rest)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


def test_an_op_that_the_reference_evaluator_lacks_is_skipped_with_the_ops_name(copy_of):
    # Relu(x) is x * sigmoid(large * x) but for the last digits; only ONNX Runtime has that as one op.
    folder = copy_of("xor")
    replace_node(folder, "Relu", onnx.helper.make_node("QuickGelu", ["in"], ["out"], domain="com.microsoft", alpha=1e9))
    report = verify_folder(folder, Selection(formats=("onnx",), digests=False))
    assert set(outcomes(report, ONE)) == {Outcome.PASS}
    (row,) = [row for row in report.parity if row.engine == "onnx-reference"]
    assert row.outcome is Outcome.SKIPPED
    assert "QuickGelu" in row.reason
    assert report.exit_code == 0
    required = verify_folder(folder, Selection(formats=("onnx",), digests=False, required=("onnx-reference",)))
    assert required.exit_code == 2


def test_an_op_that_onnx_runtime_lacks_is_skipped_with_the_ops_name(copy_of):
    # The tangent of the arc tangent changes nothing; ONNX Runtime has no float64 kernel of either.
    folder = copy_of("xor")
    make = onnx.helper.make_node
    replace_node(
        folder,
        "Relu",
        make("Cast", ["in"], ["wide"], to=onnx.TensorProto.DOUBLE),
        make("Atan", ["wide"], ["angle"]),
        make("Tan", ["angle"], ["same"]),
        make("Relu", ["same"], ["positive"]),
        make("Cast", ["positive"], ["out"], to=onnx.TensorProto.FLOAT),
    )
    report = verify_folder(folder, Selection(formats=("onnx",), digests=False))
    assert set(outcomes(report, "onnx-reference")) == {Outcome.PASS}
    (row,) = [row for row in report.parity if row.engine == ONE]
    assert row.outcome is Outcome.SKIPPED
    assert "Atan" in row.reason


@pytest.mark.parametrize(("name", "engine"), [("xor.onnx", ONE), ("xor.tflite", "litert-builtin")])
@pytest.mark.parametrize("damage", ["cut off", "empty", "text"])
def test_a_file_that_is_no_model_is_an_error_and_not_a_skip(copy_of, name, engine, damage):
    folder = copy_of("xor")
    path = folder / name
    path.write_bytes({"cut off": path.read_bytes()[:300], "empty": b"", "text": b"no model at all " * 9}[damage])
    report = verify_folder(folder, Selection(engines=(engine,), digests=False))
    assert outcomes(report, engine) == [Outcome.ERROR]
    assert report.exit_code == 2
    assert "\n" not in report.parity[0].reason


def test_differences_that_are_not_finite_can_be_reported(copy_of):
    folder = copy_of("xor")
    bundle = Bundle.read(folder)
    expected = bundle.golden_arrays(bundle.manifest.golden[1].outputs)["y"].copy()
    expected[3] = np.inf
    (folder / bundle.manifest.golden[1].outputs["y"].file).write_bytes(expected.tobytes())
    report = verify(bundle, Selection(engines=(ONE,)))
    failed = report.parity[-1]
    assert failed.outcome is Outcome.FAIL
    assert math.isinf(failed.outputs[0].max_abs)
    from xorexport.reports.json import render

    assert b'"max_abs": null' in render(report, timings=False)
