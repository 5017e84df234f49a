"""The verifier is verified: real files with one planted fault each, which every engine has to find."""

import shutil

import pytest
from faults import FILES, plant
from support import outcomes, sample_model

from xorexport.results import Outcome
from xorexport.verification.verify import Selection, verify_folder

FORMATS = tuple(FILES)


def verify_without_digests(folder, format_name):
    return verify_folder(folder, Selection(formats=(format_name,), digests=False))


def rows_of(report, engine):
    return [row for row in report.parity if row.engine == engine]


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("model", ["xor", "two_by_two"])
def test_a_file_that_is_only_written_again_still_passes(copy_of, model, format_name):
    # The planting itself must not be what the other tests here find.
    folder = copy_of(model)
    file = FILES[format_name](next(folder.glob(f"*.{format_name}")))
    file.save()
    report = verify_without_digests(folder, format_name)
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert report.exit_code == 0


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    ("model", "fault", "arguments"),
    [
        ("two_by_two", "change_weight", (1e-3,)),
        ("two_by_two", "change_weight", (-1e-3,)),
        ("two_by_two", "swap_inputs", ()),
        ("two_by_two", "swap_outputs", ()),
        ("two_by_two", "change_activation", ()),
        ("convnet", "change_weight", (1e-3,)),
        ("xor", "change_activation", ()),
    ],
)
def test_a_fault_in_the_computation_fails_on_every_engine(copy_of, format_name, model, fault, arguments):
    folder = copy_of(model)
    engines = plant(folder, format_name, fault, *arguments)
    report = verify_without_digests(folder, format_name)
    assert report.exit_code == 1
    for engine in engines:
        failed = [row for row in rows_of(report, engine) if row.outcome is Outcome.FAIL]
        assert failed, engine
        assert all("values differ" in row.reason for row in failed)
        assert all(row.worst_input for row in failed)
        assert all(max(output.max_abs for output in row.outputs) > 1e-5 for row in failed)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    ("fault", "arguments", "found"),
    [
        ("rename_output", (), "found another float32[batch, 2], east"),
        ("swap_positions", ("inputs",), "found ant float32[batch, 3], zebra"),
        ("swap_positions", ("outputs",), "found east float32[batch, 2], west"),
        ("freeze_batch", (4,), "found zebra float32[4, 3]"),
    ],
)
def test_a_fault_in_the_interface_fails_on_every_engine_and_says_what_was_found(
    copy_of, format_name, fault, arguments, found
):
    folder = copy_of("two_by_two")
    engines = plant(folder, format_name, fault, *arguments)
    report = verify_without_digests(folder, format_name)
    assert report.exit_code == 1
    for engine in engines:
        (row,) = rows_of(report, engine)
        assert row.outcome is Outcome.FAIL
        assert found in row.reason


@pytest.mark.parametrize("format_name", FORMATS)
def test_points_off_the_corners_of_xor_show_a_fault_more_clearly_than_the_corners(copy_of, format_name):
    folder = copy_of("xor")
    engines = plant(folder, format_name, "change_weight", 1e-3)
    report = verify_without_digests(folder, format_name)
    for engine in engines:
        by_set = {row.golden: row for row in rows_of(report, engine)}
        assert by_set["off-corner"].outcome is Outcome.FAIL
        worst = {name: row.outputs[0].max_abs for name, row in by_set.items()}
        assert worst["off-corner"] > worst["segments"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_decisions_that_flip_are_counted(copy_of, format_name):
    folder = copy_of("xor")
    engines = plant(folder, format_name, "change_weight", 40.0)
    report = verify_without_digests(folder, format_name)
    for engine in engines:
        (row,) = [row for row in rows_of(report, engine) if row.golden == "off-corner"]
        assert 0 < row.outputs[0].flips < 256


@pytest.mark.parametrize("format_name", FORMATS)
def test_with_digests_no_engine_runs_the_changed_file_and_all_others_run(copy_of, format_name):
    folder = copy_of("xor")
    engines = plant(folder, format_name, "change_weight", 1e-3)
    report = verify_folder(folder, Selection())
    assert report.exit_code == 1
    failed = [row for row in report.digests if row.outcome is not Outcome.PASS]
    assert [(row.path, row.outcome) for row in failed] == [(f"xor.{format_name}", Outcome.FAIL)]
    assert "instead of" in failed[0].reason
    for engine in {row.engine for row in report.parity}:
        if engine in engines:
            (row,) = rows_of(report, engine)
            assert row.outcome is Outcome.SKIPPED
            assert row.reason == f"not run: digest of xor.{format_name} failed"
            assert row.seconds is None
        else:
            assert set(outcomes(report, engine)) == {Outcome.PASS}


@pytest.mark.parametrize("format_name", ["keras", "savedmodel"])
def test_a_model_with_other_weights_fails_in_the_formats_of_tensorflow(copy_of, bundles, tmp_path, format_name):
    from xorexport.exporters.base import ExportOptions
    from xorexport.registry import FORMATS as REGISTERED
    from xorexport.registry import load
    from xorexport.tracing.trace import trace

    folder = copy_of("two_by_two")
    model = sample_model("two_by_two")
    kernel = model.layers[2].kernel
    values = kernel.numpy()
    values[0, 0] += 1e-3
    kernel.assign(values)
    (path,) = folder.glob(f"*.{format_name}")
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    load(REGISTERED[format_name].exporter, "").export(trace(model), ExportOptions(), "two_by_two", folder, format_name)
    report = verify_without_digests(folder, format_name)
    assert report.exit_code == 1
    assert set(outcomes(report, format_name)) == {Outcome.FAIL}


@pytest.mark.parametrize("part", ["golden/off-corner.inputs.x.bin", "golden/off-corner.outputs.y.bin"])
def test_changed_golden_data_keep_every_engine_from_running(copy_of, part):
    folder = copy_of("xor")
    raw = bytearray((folder / part).read_bytes())
    raw[5] ^= 1
    (folder / part).write_bytes(raw)
    report = verify_folder(folder, Selection())
    assert report.exit_code == 1
    assert [row.path for row in report.digests if row.outcome is Outcome.FAIL] == [part]
    assert {row.outcome for row in report.parity} == {Outcome.SKIPPED}
    assert {row.reason for row in report.parity} == {f"not run: digest of {part} failed"}


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_a_changed_file_inside_a_savedmodel_keeps_it_from_being_loaded(copy_of, name):
    folder = copy_of("xor")
    path = folder / "xor.savedmodel" / name
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    report = verify_folder(folder, Selection(engines=("savedmodel", "onnxruntime")))
    assert report.exit_code == 1
    assert outcomes(report, "savedmodel") == [Outcome.SKIPPED]
    assert set(outcomes(report, "onnxruntime")) == {Outcome.PASS}


def test_a_file_that_was_added_to_a_savedmodel_keeps_it_from_being_loaded(copy_of):
    folder = copy_of("xor")
    (folder / "xor.savedmodel" / "extra").write_text("loaded with the rest")
    report = verify_folder(folder, Selection(engines=("savedmodel",)))
    assert report.exit_code == 1
    (failed,) = [row for row in report.digests if row.outcome is Outcome.FAIL]
    assert (failed.path, failed.reason) == ("xor.savedmodel/extra", "the manifest does not list it")
    assert outcomes(report, "savedmodel") == [Outcome.SKIPPED]


def test_a_changed_report_is_found_and_stops_no_engine(copy_of):
    folder = copy_of("xor")
    path = folder / "report.json"
    path.write_bytes(path.read_bytes().replace(b'"exit_code": 0', b'"exit_code": 1'))
    report = verify_folder(folder, Selection(engines=("onnxruntime",)))
    assert report.exit_code == 1
    assert [row.path for row in report.digests if row.outcome is Outcome.FAIL] == ["report.json"]
    assert set(outcomes(report, "onnxruntime")) == {Outcome.PASS}
