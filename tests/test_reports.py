"""Reports: the same rows as a table and as JSON, without recomputing or losing any."""

import json

import pytest
from rich.console import Console

from xorexport.reports import contents, text
from xorexport.reports.json import render
from xorexport.results import Comparison, DigestRow, EquivalenceRow, Outcome, ParityReport, ParityRow
from xorexport.spec import Budget, Precision, Quantization, Refusal
from xorexport.verification.verify import Selection, verify_folder


def row(outcome=Outcome.PASS, engine="onnxruntime", **changes):
    values = {
        "artifact": "net.onnx", "format": "onnx", "precision": Precision.FLOAT32, "engine": engine,
        "outcome": outcome, "golden": "samples", "batch": 4, "seconds": 0.0125, "worst_input": "row 3: 1, 2",
        "outputs": (
            Comparison(output="y", outcome=outcome, max_abs=2.5e-7, max_rel=1.5e-6, max_ulp=3, worst=(3, 0), flips=0),
            Comparison(output="z", outcome=outcome, max_abs=1e-9, max_rel=1e-3, max_ulp=9, worst=(0, 1)),
        ),
    }  # fmt: skip
    return ParityRow(**{**values, **changes})


def report(*rows, **groups):
    return ParityReport(model="net", parity=rows, **groups)


def printed(value, width=160, color=False):
    console = Console(width=width, record=True, force_terminal=color, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    text.render(value, console)
    return console.export_text(styles=color)


def test_the_table_has_the_largest_of_all_outputs():
    line = next(line for line in printed(report(row())).splitlines() if "onnxruntime" in line)
    for part in ("samples by 4", "PASS", "2.5e-07", "1.0e-03", "9", "0", "12.5", "row 3: 1, 2"):
        assert part in line


def test_the_worst_input_is_left_out_where_there_is_no_room():
    assert "row 3" not in printed(report(row()), width=100)
    assert "2.5e-07" in printed(report(row()), width=100)


def test_a_reason_is_given_once_for_each_engine():
    failed = [row(Outcome.FAIL, batch=batch, reason="y: 3 of 8 values differ") for batch in (1, 4)]
    shown = printed(report(*failed, row(Outcome.SKIPPED, engine="other", reason="it is not installed")))
    assert shown.count("net.onnx on onnxruntime: y: 3 of 8 values differ") == 1
    assert "net.onnx on other: it is not installed" in shown


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ((row(),), "1 PASS: everything matches"),
        ((row(), row(Outcome.FAIL)), "1 PASS, 1 FAIL: something does not match"),
        ((row(Outcome.SKIPPED),), "1 SKIPPED: not verified"),
        ((row(), row(Outcome.ERROR)), "not verified"),
    ],
)
def test_the_verdict_is_the_exit_codes(rows, verdict):
    assert verdict in printed(report(*rows)).splitlines()[-1]


def test_the_verdict_says_whether_what_was_written_matches_where_something_was_refused():
    refused = (Refusal(format="tflite", precision=Precision.FLOAT32, reason="no strings"),)
    assert "1 PASS, 1 refused: everything matches but for what was refused" in printed(report(row(), refused=refused))
    assert "1 refused: not verified" in printed(report(row(Outcome.ERROR), refused=refused))


def test_the_verdict_counts_rows_of_every_kind():
    digests = (DigestRow(path="a", outcome=Outcome.PASS),)
    rows = (EquivalenceRow(check="weights", outcome=Outcome.PASS, detail=""),)
    assert "3 PASS: everything matches" in printed(report(row(), digests=digests, equivalence=rows))


def test_failed_digests_are_named_and_the_others_counted():
    digests = (
        DigestRow(path="a", outcome=Outcome.PASS),
        DigestRow(path="net.onnx", outcome=Outcome.FAIL, reason="other bytes"),
    )
    shown = printed(report(row(Outcome.SKIPPED), digests=digests))
    assert "1 of 2 files" in shown
    assert "FAIL net.onnx: other bytes" in shown


def test_equivalence_rows_are_shown():
    rows = (EquivalenceRow(check="weights", outcome=Outcome.FAIL, detail="hidden/kernel at [0, 1]"),)
    shown = printed(report(row(), equivalence=rows))
    assert "weights" in shown
    assert "hidden/kernel at [0, 1]" in shown


def test_square_brackets_in_names_are_text_and_not_markup():
    shown = printed(report(row(Outcome.FAIL, worst_input="[bold]x[/]", reason="[red]shape[/] [3] instead of [4]")))
    assert "[bold]x[/]" in shown
    assert "[red]shape[/] [3] instead of [4]" in shown


def test_json_has_every_row_of_the_report_with_its_exit_code():
    value = report(row(), row(Outcome.FAIL, reason="differs"), digests=(DigestRow(path="a", outcome=Outcome.PASS),))
    content = json.loads(render(value, timings=True))
    assert content["exit_code"] == 1
    assert [entry["outcome"] for entry in content["parity"]] == ["PASS", "FAIL"]
    assert content["parity"][0]["seconds"] == 0.0125
    assert content["parity"][0]["outputs"][0]["max_abs"] == 2.5e-7
    assert content["parity"][0]["outputs"][0]["worst"] == [3, 0]
    assert content["digests"] == [{"path": "a", "outcome": "PASS", "reason": ""}]


def test_json_without_timings_is_the_same_whatever_the_time():
    fast, slow = (render(report(row(seconds=seconds)), timings=False) for seconds in (0.1, 7.0))
    assert fast == slow
    assert b"seconds" not in fast
    assert fast.endswith(b"}\n")


def test_the_contents_of_a_bundle_are_shown(xor):
    from xorexport.inspection import inspect

    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    contents.render(inspect(xor), console)
    shown = console.export_text()
    for part in ("xor, manifest version 2", "x float32[batch, 2]", "MatMul x2", "FULLY_CONNECTED x2", "Dense x2"):
        assert part in shown
    assert f"onnx, {(xor / 'xor.onnx').stat().st_size:,} bytes" in shown


def test_what_only_the_manifest_knows_is_shown_with_the_contents(xor):
    import msgspec

    from xorexport.inspection import inspect

    change, inspection = msgspec.structs.replace, inspect(xor)
    manifest = inspection.manifest
    (tflite,) = (artifact for artifact in manifest.artifacts if artifact.format == "tflite")
    (x,) = tflite.signature.inputs
    integer = change(x, quantization=Quantization(scale=0.5, zero_point=-3))
    budget = Budget(output="y", rows=20, max_abs=0.0412, mean_abs=0.01, snr_db=34.71, flips=2, limit=0.06)
    tflite = change(
        tflite,
        signature=change(tflite.signature, inputs=(integer,)),
        budget=(budget,),
        notes=("the batch is fixed at 1",),
    )
    manifest = change(
        manifest,
        model=change(manifest.model, policy="mixed_float16", preprocessing="divide by 255"),
        artifacts=(tflite,),
        refused=(Refusal(format="onnx", precision=Precision.INT8, reason="no samples"),),
    )
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    contents.render(change(inspection, manifest=manifest), console)
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    for line in (
        "policy mixed_float16",
        "preprocessing divide by 255",
        "decisions y by threshold",
        "tolerance y 1e-05 + 1e-05 times its value",
        "no onnx int8 no samples",
        "integers x = 0.5 * (integer - -3)",
        "budget y off by 0.041 at most, 34.7 dB, 2 of 20 decisions flip",
        "note the batch is fixed at 1",
    ):
        assert line in lines


def test_a_real_report_fits_its_table(xor):
    shown = printed(verify_folder(xor, Selection(formats=("onnx", "tflite"))), width=120)
    assert all(len(line) <= 120 for line in shown.splitlines())
    assert "everything matches" in shown
