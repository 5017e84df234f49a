"""Precisions, from the request to the bundle: what stands in it, what it costs, and what is refused and why."""

import json
import shutil

import keras
import numpy as np
import pytest
from faults import OnnxFile, TFLiteFile, schema
from keras import layers
from sample_models import randomised
from support import contents, manifest_of

from xorexport import cli
from xorexport.bundle import Bundle
from xorexport.errors import UsageError
from xorexport.pipeline import ExportRequest, export
from xorexport.prediction import Choice, predict_inputs
from xorexport.registry import ENGINES, load
from xorexport.results import Outcome
from xorexport.runtimes.batching import run_rows
from xorexport.spec import Precision
from xorexport.verification.verify import Selection, verify_folder

FLOAT32, FLOAT16, DYNAMIC, INT8, INT16X8 = Precision
TFLITE = (FLOAT16, DYNAMIC, INT8, INT16X8)
ONNX = (FLOAT16, DYNAMIC, INT8)
QUANTISED = [("tflite", precision) for precision in TFLITE] + [("onnx", precision) for precision in ONNX]
EVERYTHING = {("keras", FLOAT32), ("savedmodel", FLOAT32), ("tflite", FLOAT32), ("onnx", FLOAT32), *QUANTISED}
SAMPLES = {"image": np.random.default_rng(6).normal(0, 1, (150, 8, 9, 2)).astype(np.float32)}


def undecided():
    """A convnet whose classes are so close that a small error flips a decision here and there."""
    model = randomised(
        keras.Sequential(
            [
                keras.Input((8, 9, 2), name="image"),
                layers.Conv2D(6, 3, strides=2, activation="relu"),
                layers.Conv2D(5, 2, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3, activation="softmax", name="species"),
            ],
            name="undecided",
        )
    )
    kernel, _ = model.layers[-1].get_weights()
    kernel[:, 1] = kernel[:, 0] + np.float32([0.004, -0.004, 0.0028, -0.0032, 0.0012])
    model.layers[-1].set_weights([kernel, np.float32([0.1, 0.1, -2])])
    return model


@pytest.fixture(scope="module")
def model():
    return undecided()


def exported(model, folder, **request):
    return export(ExportRequest(model=model, **{"samples": SAMPLES, **request}), folder / "bundle")


@pytest.fixture(scope="module")
def everything(model, tmp_path_factory):
    """The bundle of all precisions, not to be changed, and the report of its export."""
    folder = tmp_path_factory.mktemp("precisions")
    report = exported(model, folder, precisions=tuple(Precision))
    assert report.exit_code == 0, [row for row in report.rows() if row.outcome is not Outcome.PASS]
    return folder / "bundle", report


@pytest.fixture(scope="module")
def integers(model, tmp_path_factory):
    """The same with integer ends."""
    folder = tmp_path_factory.mktemp("integers")
    report = exported(model, folder, formats=("tflite",), precisions=(INT8, INT16X8), integer_ends=True)
    assert report.exit_code == 0
    return folder / "bundle", report


def artifacts(folder):
    return {(entry.format, entry.precision): entry for entry in Bundle.read(folder).manifest.artifacts}


def engines(format_name):
    return {name for name, engine in ENGINES.items() if engine.format == format_name}


# What stands in the bundle.


def test_every_format_is_there_in_every_precision_that_it_has(everything):
    folder, _ = everything
    found = artifacts(folder)
    assert set(found) == EVERYTHING
    assert len({entry.path for entry in found.values()}) == len(EVERYTHING)
    for (format_name, precision), entry in found.items():
        assert (folder / entry.path).exists()
        assert entry.path.startswith("undecided" if precision is FLOAT32 else f"undecided-{precision}.")
        assert bool(entry.budget) == (precision is not FLOAT32)
        assert entry.signature == found[format_name, FLOAT32].signature
        assert [spec.dtype for spec in entry.signature.inputs] == ["float32"]
    sizes = {precision: found["tflite", precision].size for precision in TFLITE}
    assert len(set(sizes.values())) > 2


def test_every_engine_of_a_format_passes_in_every_precision_on_every_golden_set(everything):
    folder, report = everything
    golden = {(one.name, size) for one in Bundle.read(folder).manifest.golden for size in one.batch_sizes}
    assert len(golden) == 4
    rows = {}
    for row in report.parity:
        assert row.outcome is Outcome.PASS
        rows.setdefault((row.format, row.precision, row.engine), set()).add((row.golden, row.batch))
    wanted = {(*kind, engine) for kind in EVERYTHING for engine in engines(kind[0])}
    assert set(rows) == wanted
    assert all(ran == golden for ran in rows.values())
    assert (report.unverified, report.refused) == ((), ())


def golden_arrays(folder):
    """The golden sets by hand: the rows of the manifest, and the files that it names."""

    def read(data):
        if data.get("values") is not None:
            return np.array(data["values"], data["dtype"]).reshape(data["shape"])
        return np.fromfile(folder / data["file"], data["dtype"]).reshape(data["shape"])

    for golden in manifest_of(folder)["golden"]:
        yield golden["batch_sizes"], read(golden["inputs"]["image"]), read(golden["outputs"]["species"])


def measured(folder, artifact, engine):
    """What one engine's predictions cost, for the smallest and the largest batches, by formulas of this file."""
    wanted = np.concatenate([outputs for _, _, outputs in golden_arrays(folder)]).astype(np.float64)
    with load(ENGINES[engine].runtime, engine).open(artifact, folder) as session:
        for choose in (min, max):
            parts = [
                run_rows(session, artifact.signature, {"image": images}, choose(sizes))["species"]
                for sizes, images, _ in golden_arrays(folder)
            ]
            found = np.concatenate(parts).astype(np.float64)
            error = np.abs(found - wanted)
            ratio = (wanted**2).sum() / (error**2).sum()
            flips = int((found.argmax(axis=1) != wanted.argmax(axis=1)).sum())
            yield error.max(), error.mean(), 10 * np.log10(ratio), flips


@pytest.mark.parametrize(("format_name", "precision"), QUANTISED)
def test_the_budget_is_that_of_the_worst_engine(everything, format_name, precision):
    folder, report = everything
    artifact = artifacts(folder)[format_name, precision]
    found = [of_batch for engine in engines(format_name) for of_batch in measured(folder, artifact, engine)]
    largest, mean, ratio, flips = zip(*found, strict=True)
    (budget,) = artifact.budget
    assert (budget.output, budget.rows, budget.lost) == ("species", 30, 0)
    assert budget.max_abs == pytest.approx(max(largest), rel=1e-6)
    assert budget.mean_abs == pytest.approx(max(mean), rel=1e-6)
    assert budget.snr_db == pytest.approx(min(ratio), rel=1e-6)
    assert budget.flips == max(flips)
    assert 0 < budget.max_abs <= budget.limit < 1.4 * budget.max_abs + 1e-5
    assert [row.budget for row in report.budgets if row.artifact == artifact.path] == [budget]
    assert json.loads((folder / "report.json").read_bytes())["exit_code"] == 0


def test_the_budgets_say_something(everything):
    # Otherwise the test before would compare noughts, and any engine would be the worst.
    folder, _ = everything
    found = artifacts(folder)
    budgets = {kind: found[kind].budget[0] for kind in QUANTISED}
    assert budgets["tflite", INT8].flips > 0
    assert budgets["onnx", INT8].flips > 0
    assert budgets["tflite", FLOAT16].max_abs < budgets["tflite", DYNAMIC].max_abs < budgets["tflite", INT8].max_abs
    assert budgets["tflite", INT16X8].snr_db > budgets["tflite", INT8].snr_db + 3
    worst = {
        kind: {engine: max(part[0] for part in measured(folder, found[kind], engine)) for engine in engines(kind[0])}
        for kind in (("tflite", INT8), ("onnx", INT8), ("tflite", DYNAMIC))
    }
    assert any(len(set(of.values())) > 1 for of in worst.values())


# What becomes of it later.


def test_the_bundle_verifies_again(everything):
    folder, report = everything
    again = verify_folder(folder, Selection())
    assert again.exit_code == 0
    assert len(again.parity) == len(report.parity)
    assert {row.outcome for row in again.rows()} == {Outcome.PASS}


def stretch_tflite(path, precision):
    """Make the last layer's weights 10 % larger: their scale, or halves themselves."""
    file = TFLiteFile(path)
    for tensor in file.graph.tensors:
        data = file.model.buffers[tensor.buffer].data
        if list(tensor.shape) != [3, 5] or data is None:
            continue
        if precision is FLOAT16:
            assert tensor.type == schema.TensorType.FLOAT16
            values = np.frombuffer(bytes(data), np.float16) * np.float16(1.1)
            file.model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        else:
            assert tensor.type == schema.TensorType.INT8
            tensor.quantization.scale = np.float32(tensor.quantization.scale) * np.float32(1.1)
        file.save()
        return
    raise AssertionError("no such weight")


def stretch_onnx(path, precision):
    import onnx

    file = OnnxFile(path)
    for tensor in file.graph.initializer:
        halves = tensor.data_type == onnx.TensorProto.FLOAT16 and list(tensor.dims) == [5, 3]
        scale = tensor.name.startswith("species/kernel") and tensor.name.endswith("scale")
        if halves if precision is FLOAT16 else scale:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array((values * 1.1).astype(values.dtype), tensor.name))
            file.save()
            return
    raise AssertionError([tensor.name for tensor in file.graph.initializer])


@pytest.mark.parametrize(("format_name", "precision"), QUANTISED)
def test_a_scale_that_is_a_tenth_off_is_found_on_every_engine(everything, tmp_path, format_name, precision):
    folder, _ = everything
    copy = shutil.copytree(folder, tmp_path / "copy")
    path = artifacts(copy)[format_name, precision].path
    {"tflite": stretch_tflite, "onnx": stretch_onnx}[format_name](copy / path, precision)
    report = verify_folder(copy, Selection(formats=(format_name,), digests=False))
    assert report.exit_code == 1
    outcomes = {}
    for row in report.parity:
        outcomes.setdefault((row.artifact, row.engine), set()).add(row.outcome)
    for (artifact, engine), found in outcomes.items():
        assert (Outcome.FAIL in found) == (artifact == path), (artifact, engine)
        assert found <= {Outcome.PASS, Outcome.FAIL}
    with_digests = verify_folder(copy, Selection(formats=(format_name,)))
    assert with_digests.exit_code == 1
    assert {row.outcome for row in with_digests.parity if row.artifact == path} == {Outcome.SKIPPED}
    assert [row.path for row in with_digests.digests if row.outcome is Outcome.FAIL] == [path]


# The gate.


def test_an_error_beyond_the_largest_allowed_publishes_nothing(model, everything, tmp_path):
    shutil.copytree(everything[0], tmp_path / "bundle")
    before = contents(tmp_path)
    report = exported(model, tmp_path, formats=("tflite",), precisions=(FLOAT32, INT8), max_error=1e-6)
    assert report.exit_code == 1
    (row,) = report.budgets
    assert (row.outcome, row.artifact) == (Outcome.FAIL, "undecided-int8.tflite")
    assert row.reason == f"the largest error of 'species' is {row.budget.max_abs:.3g}, more than 1e-06"
    assert {entry.outcome for entry in report.parity} == {Outcome.PASS}
    assert contents(tmp_path) == before


def test_an_error_within_the_largest_allowed_passes(model, everything, tmp_path):
    (budget,) = artifacts(everything[0])["tflite", INT8].budget
    for largest, code in ((budget.max_abs, 0), (budget.max_abs * 0.999, 1)):
        report = exported(model, tmp_path, formats=("tflite",), precisions=(INT8,), max_error=largest)
        assert report.exit_code == code
        assert [row.budget for row in report.budgets] == [budget]


def test_decisions_that_flip_are_a_gate_too(model, everything, tmp_path):
    (budget,) = artifacts(everything[0])["onnx", INT8].budget
    assert budget.flips > 0
    for most, code in ((budget.flips, 0), (budget.flips - 1, 1)):
        report = exported(model, tmp_path, formats=("onnx",), precisions=(INT8,), max_flips=most)
        assert report.exit_code == code
    assert report.budgets[0].reason.startswith(f"{budget.flips} of 30 decisions of 'species' flip, more than")


def test_what_costs_too_much_is_left_out_where_the_others_shall_go_on(model, everything, tmp_path):
    folder, _ = everything
    between = artifacts(folder)["tflite", INT8].budget[0].max_abs * 0.9
    report = exported(
        model, tmp_path, formats=("tflite",), precisions=(FLOAT32, FLOAT16, INT8), max_error=between, keep_going=True
    )
    assert report.exit_code == 1
    assert set(artifacts(tmp_path / "bundle")) == {("tflite", FLOAT32), ("tflite", FLOAT16)}
    (refusal,) = report.refused
    assert (refusal.format, refusal.precision) == ("tflite", INT8)
    assert "the largest error of 'species'" in refusal.reason
    assert not (tmp_path / "bundle" / "undecided-int8.tflite").exists()
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0


def test_nothing_is_published_where_nothing_is_left(model, tmp_path):
    report = exported(model, tmp_path, formats=("tflite",), precisions=(INT8,), max_error=1e-6, keep_going=True)
    assert (report.exit_code, report.passed) == (1, False)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_halves_cannot_hold_are_never_published(tmp_path):
    layer = layers.Dense(2, name="y")
    model = randomised(keras.Sequential([keras.Input((2,), name="x"), layer], name="vast"))
    layer.set_weights([np.float32([[1e5, 0.5], [0.25, -7e4]]), np.float32([0.5, 0.25])])
    request = ExportRequest(model=model, formats=("tflite",), precisions=(FLOAT32, FLOAT16), keep_going=True)
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 1
    (row,) = report.budgets
    assert row.budget.max_abs is None
    assert row.budget.lost > 0
    assert "are lost" in row.reason
    assert set(artifacts(tmp_path / "bundle")) == {("tflite", FLOAT32)}
    assert [entry.precision for entry in report.refused] == [FLOAT16]


# Without samples.


@pytest.mark.parametrize(("format_name", "precision"), [("tflite", INT8), ("tflite", INT16X8), ("onnx", INT8)])
def test_full_integers_without_samples_are_refused(model, tmp_path, format_name, precision):
    with pytest.raises(UsageError, match=rf"--precision {precision}: .*samples.*found none; .*--samples") as caught:
        exported(model, tmp_path, samples=None, formats=(format_name,), precisions=(FLOAT32, precision))
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_others_are_kept_where_the_user_says_to_keep_going(model, tmp_path):
    report = exported(
        model, tmp_path, samples=None, formats=("tflite", "onnx"), precisions=tuple(Precision), keep_going=True
    )
    assert report.exit_code == 2
    refused = {("tflite", INT8), ("tflite", INT16X8), ("onnx", INT8)}
    assert {(entry.format, entry.precision) for entry in report.refused} == refused
    assert all("--samples" in entry.reason and "int8-dynamic" in entry.reason for entry in report.refused)
    kinds = {kind for kind in EVERYTHING if kind[0] in ("tflite", "onnx")}
    assert set(artifacts(tmp_path / "bundle")) == kinds - refused
    assert len(manifest_of(tmp_path / "bundle")["refused"]) == 3
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0


# Which are asked for.


def test_float32_files_that_nobody_asked_for_are_no_part_of_the_bundle(model, tmp_path):
    report = exported(model, tmp_path, samples=None, precisions=(DYNAMIC,))
    assert report.exit_code == 0
    wanted = {("keras", FLOAT32), ("savedmodel", FLOAT32), ("tflite", DYNAMIC), ("onnx", DYNAMIC)}
    assert set(artifacts(tmp_path / "bundle")) == wanted == {(row.format, row.precision) for row in report.parity}
    names = {path.name for path in (tmp_path / "bundle").iterdir()}
    assert {"undecided-int8-dynamic.tflite", "undecided-int8-dynamic.onnx", "undecided.keras"} <= names
    assert not {"undecided.tflite", "undecided.onnx"} & names
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0
    predicted = predict_inputs(tmp_path / "bundle", row_file(tmp_path), Choice("litert-builtin"))
    assert predicted.artifact == "undecided-int8-dynamic.tflite"


def test_a_precision_that_no_format_of_the_request_has_is_refused_before_any_work(tmp_path):
    for formats in (("onnx",), ("keras", "onnx")):
        with pytest.raises(
            UsageError, match=r"--precision: expected a --format that has int16x8: tflite, found"
        ) as caught:
            exported("nowhere.keras", tmp_path, formats=formats, precisions=(INT16X8,))
        assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"has float16: tflite or onnx, found savedmodel"):
        export(ExportRequest(model="nowhere.keras", formats=("savedmodel",), precisions=(FLOAT16,)), tmp_path / "b")


def test_a_precision_that_one_format_has_is_written_in_that_alone(model, tmp_path):
    """A format without it is written in float32, since it was asked for as well."""
    report = exported(model, tmp_path, formats=("tflite", "onnx"), precisions=(INT16X8,))
    assert report.exit_code == 0
    assert set(artifacts(tmp_path / "bundle")) == {("tflite", INT16X8), ("onnx", FLOAT32)}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_error": 0.1}, "--max-error: expected it together with a --precision other than float32, found float32"),
        ({"max_flips": 3}, "--max-flips: expected it together with"),
        (
            {"integer_ends": True, "precisions": (FLOAT16,)},
            "--integer-ends: expected it together with a --precision int8",
        ),
        ({"max_error": float("nan"), "precisions": (FLOAT16,)}, "--max-error: expected 0 or more, found nan"),
        ({"max_flips": -1, "precisions": (FLOAT16,)}, "--max-flips: expected 0 or more, found -1"),
    ],
)
def test_options_that_cannot_be_meant_or_would_have_no_effect_are_refused(tmp_path, options, text):
    with pytest.raises(UsageError) as caught:
        exported("nowhere.keras", tmp_path, **options)
    assert str(caught.value).startswith(text)


def test_an_unknown_precision_names_the_nearest(tmp_path, capsys):
    assert cli.run(["export", "nowhere.keras", "-o", str(tmp_path / "b"), "--precision", "int8-dynamc"]) == 2
    error = capsys.readouterr().err
    assert "--precision: expected one of float32, float16, int8-dynamic, int8, int16x8" in error
    assert "did you mean 'int8-dynamic'?" in error
    with pytest.raises(UsageError, match=r"--precision.*found 'int4'; did you mean 'int8'"):
        export(ExportRequest(model="nowhere.keras", precisions=("int4",)), tmp_path / "b")


def test_the_command_line_takes_several_precisions_and_each_once(model, tmp_path, capsys):
    model.save(tmp_path / "undecided.keras")
    np.savez(tmp_path / "rows.npz", **SAMPLES)
    arguments = ["export", tmp_path / "undecided.keras", "-o", tmp_path / "b", "--format", "tflite", "--json"]
    arguments += ["--samples", tmp_path / "rows.npz", *(["--precision", "int8", "--precision", "float32"] * 2)]
    assert cli.run([*map(str, arguments), "--integer-ends", "--max-flips", "30"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [row["artifact"] for row in report["budgets"]] == ["undecided-int8.tflite"]
    found = artifacts(tmp_path / "b")
    assert set(found) == {("tflite", FLOAT32), ("tflite", INT8)}
    assert found["tflite", INT8].signature.inputs[0].dtype == "int8"


# Integer ends.


def row_file(folder, rows=7):
    np.savez(folder / "image.npz", image=SAMPLES["image"][:rows])
    return folder / "image.npz"


@pytest.mark.parametrize(("precision", "dtype"), [(INT8, "int8"), (INT16X8, "int16")])
def test_integer_ends_stand_in_the_manifest_and_predict_takes_numbers(
    model, integers, everything, tmp_path, precision, dtype
):
    folder, _ = integers
    artifact = artifacts(folder)["tflite", precision]
    for spec in (*artifact.signature.inputs, *artifact.signature.outputs):
        assert spec.dtype == dtype
        assert spec.quantization.scale > 0
    (end,) = artifact.signature.inputs
    reach = np.abs(SAMPLES["image"]).max()
    limits = np.iinfo(dtype)
    lowest, highest = (
        end.quantization.scale * (limit - end.quantization.zero_point) for limit in (limits.min, limits.max)
    )
    assert 0.7 * reach < highest < 1.1 * reach
    assert -1.1 * reach < lowest < -0.7 * reach
    assert Bundle.read(folder).manifest.signature.inputs[0].dtype == "float32"
    expected = model.predict(SAMPLES["image"][:7], verbose=0)
    for engine in ("litert-xnnpack", "litert-builtin"):
        found = predict_inputs(folder, row_file(tmp_path), Choice(engine, precision))
        assert found.artifact == artifact.path
        assert found.outputs["species"].dtype == "float32"
        assert 0 < np.abs(found.outputs["species"] - expected).max() < 3 * artifact.budget[0].limit
    floats = artifacts(everything[0])["tflite", precision]
    assert floats.signature.inputs[0].quantization is None
    assert verify_folder(folder, Selection(digests=True)).exit_code == 0


# Whether it was worth it.


def test_the_report_says_that_quantising_the_default_network_is_pointless(xor, tmp_path, capsys):
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(0).uniform(-3, 3, (60, 2)).astype(np.float32))
    arguments = ["export", xor / "xor.keras", "-o", tmp_path / "b", "--samples", tmp_path / "rows.npz"]
    for option in ("--format tflite", "--format onnx", "--precision float32", "--precision int8"):
        arguments += option.split()
    assert cli.run([*map(str, arguments)]) == 0
    printed = capsys.readouterr().out
    found = artifacts(tmp_path / "b")
    report = json.loads((tmp_path / "b" / "report.json").read_bytes())
    for format_name in ("tflite", "onnx"):
        small, before = found[format_name, INT8], found[format_name, FLOAT32]
        remark = f"{small.size:,} bytes are larger than float32's {before.size:,}"
        assert remark in small.notes[-1]
        assert remark in printed
        assert any(remark in note for note in report["notes"][small.path])
        assert before.notes == ()


def test_the_report_says_nothing_of_the_kind_where_it_was_worth_it(tmp_path):
    layer = layers.Dense(300, name="wide")
    model = randomised(keras.Sequential([keras.Input((120,), name="x"), layer], name="large"))
    request = ExportRequest(model=model, formats=("tflite", "onnx"), precisions=(FLOAT32, FLOAT16, DYNAMIC))
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 0
    assert report.notes == {}
    found = artifacts(tmp_path / "bundle")
    for format_name in ("tflite", "onnx"):
        whole, half, quarter = (found[format_name, precision].size for precision in (FLOAT32, FLOAT16, DYNAMIC))
        assert half < 0.6 * whole
        assert quarter < 0.35 * whole
