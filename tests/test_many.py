"""Many models in one command: a process for each, one table, one exit code, and the bytes of single exports."""

import io
import json
import os
import re
import shutil
import signal
import time

import pytest
from rich.console import Console
from support import assert_one_line, contents, finish, python, sample_model, start, xorexport

from xorexport.cli import run
from xorexport.reports import models
from xorexport.results import ModelResult, Outcome, ParityReport, ParityRow, common_exit_code
from xorexport.spec import Precision, Refusal

FUNCTIONS = """
import os, pathlib, sys, time

def endless():
    pathlib.Path("pid.new").write_text(str(os.getpid()))
    pathlib.Path("pid.new").rename("pid")
    time.sleep(600)

def aborts():
    print("this is not for standard output")
    print("its last words", file=sys.stderr, flush=True)
    os.abort()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fresh_exports):
    """A folder with two models, half a model, and functions that never return one."""
    made = tmp_path_factory.mktemp("many")
    sample_model("two_by_two").save(made / "two_by_two.keras")
    shutil.copy(fresh_exports["convnet"][0][0].parent.parent / "convnet.keras", made)
    (made / "half.keras").write_bytes((made / "convnet.keras").read_bytes()[:2000])
    (made / "functions.py").write_text(FUNCTIONS)
    return made


def worker_of(folder):
    """Waits for the process that runs `functions:endless`."""
    path = folder / "pid"
    deadline = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pid = int(path.read_text())
    path.unlink()
    return pid


@pytest.fixture(scope="module")
def mixed(folder):
    """Five models two at a time, of which one is cut off, one aborts, and one is killed from outside."""
    sources = ("convnet.keras", "half.keras", "functions:endless", "functions:aborts", "two_by_two.keras")
    process = start("-m", "xorexport", "export", *sources, "-o", "mixed", "--jobs", "2", folder=folder)
    os.kill(worker_of(folder), signal.SIGKILL)
    return folder / "mixed", finish(process)


@pytest.fixture(scope="module")
def one_by_one(folder):
    """The two good models, one after the other."""
    result = xorexport(
        "export", "two_by_two.keras", "convnet.keras", "-o", "one", "--jobs", "1", "--json", folder=folder
    )
    assert result.returncode == 0, result.stderr
    return folder / "one", result


def test_a_failure_does_not_end_the_others(mixed):
    root, result = mixed
    assert result.returncode == 2
    assert sorted(path.name for path in root.iterdir()) == ["convnet", "two_by_two"]
    assert "Traceback" not in result.stdout + result.stderr


def test_every_model_has_one_line_of_progress_when_it_is_done(mixed):
    lines = mixed[1].stderr.splitlines()
    assert [line[:6] for line in lines] == [f"[{number}/5] " for number in range(1, 6)]
    assert sum(bool(re.fullmatch(r"\[\d/5\] (convnet|two_by_two): complete, [\d.]+ s", line)) for line in lines) == 2
    assert any(re.match(r"\[\d/5\] half: failed, [\d.]+ s: half.keras: expected a model file", line) for line in lines)


def test_one_table_says_what_became_of_each(mixed):
    lines = mixed[1].stdout.splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[2:7]}
    assert list(rows) == ["convnet", "half", "endless", "aborts", "two_by_two"]
    for name in ("convnet", "two_by_two"):
        assert re.match(rf"mixed/{name} complete keras, savedmodel, tflite, onnx \d\.\de-\d+ \d+\.\d$", rows[name]), (
            rows[name]
        )
    for name in ("half", "endless", "aborts"):
        assert re.match(r"- failed \d+\.\d$", rows[name])
    assert lines[-1] == "2 complete, 3 failed"


def test_a_worker_that_dies_is_told_with_how_and_its_last_words(mixed):
    reasons = {line.partition(": ")[0]: line for line in mixed[1].stdout.splitlines()[7:-1]}
    assert list(reasons) == ["half", "endless", "aborts"]
    assert "it was killed by SIGKILL, as the system does where memory runs out;" in reasons["endless"]
    assert "it was killed by SIGABRT (its last words);" in reasons["aborts"]
    assert "this is not for standard output" not in mixed[1].stdout


def test_bundles_have_the_same_bytes_whichever_way_they_are_made(mixed, one_by_one, fresh_exports):
    for name in ("convnet", "two_by_two"):
        first, second = contents(mixed[0] / name), contents(one_by_one[0] / name)
        assert sorted(first) == sorted(second)
        assert [path for path in first if first[path] != second[path]] == []
    # The convnet was exported first of several, second of two, and by a command of its own.
    alone, second = contents(fresh_exports["convnet"][0][0]), contents(one_by_one[0] / "convnet")
    assert [path for path in alone if alone[path] != second[path]] == []


def test_json_is_one_document_and_alone(one_by_one):
    root, result = one_by_one
    assert result.stderr == ""
    document = json.loads(result.stdout)
    assert document["exit_code"] == 0
    for model, name in zip(document["models"], ("two_by_two", "convnet"), strict=True):
        assert list(model) == ["name", "source", "bundle", "exit_code", "seconds", "report", "error"]
        assert (model["name"], model["source"], model["bundle"]) == (name, f"{name}.keras", f"{root.name}/{name}")
        assert (model["exit_code"], model["error"]) == (0, None)
        assert model["report"]["exit_code"] == 0
        assert {row["outcome"] for row in model["report"]["parity"]} == {"PASS"}


def test_a_mismatch_decides_the_exit_code_and_nothing_is_left(folder):
    sources = ("two_by_two.keras", "nowhere.keras")
    exact = ("--rtol", "0", "--atol", "0", "--format", "onnx", "--json")
    result = xorexport("export", *sources, "-o", "exact", *exact, folder=folder)
    document = json.loads(result.stdout)
    assert result.returncode == document["exit_code"] == 1
    mismatch, missing = document["models"]
    assert (mismatch["exit_code"], mismatch["bundle"], mismatch["error"]) == (1, None, None)
    assert mismatch["report"]["exit_code"] == 1
    assert (missing["exit_code"], missing["bundle"], missing["report"]) == (2, None, None)
    assert "found no such file" in missing["error"]
    assert not (folder / "exact").exists()


def test_one_model_gets_a_folder_of_its_own_where_that_is_asked_for(folder):
    options = ("--each", "--keep-going", "--rtol", "0", "--atol", "0", "--format", "keras", "--format", "onnx")
    result = xorexport("export", "two_by_two.keras", "-o", "each", *options, folder=folder)
    assert result.returncode == 1
    assert (folder / "each" / "two_by_two" / "two_by_two.keras").is_file()
    assert re.search(r"^two_by_two +each/two_by_two +complete but for onnx +keras +0\.0e\+00 ", result.stdout, re.M)
    assert result.stdout.endswith("\n1 incomplete\n")


def test_two_models_of_one_name_are_refused_before_anything_is_done(folder):
    (folder / "other").mkdir()
    (folder / "other" / "convnet.h5").write_bytes(b"")
    result = xorexport("export", "convnet.keras", "half.keras", "other/convnet.h5", "-o", "clash", folder=folder)
    assert_one_line(result, 2, "'convnet.keras'", "'other/convnet.h5'", "'convnet' twice")
    assert not (folder / "clash").exists()


def test_an_option_that_suits_no_model_is_told_once(folder):
    result = xorexport("export", "convnet.keras", "half.keras", "-o", "options", "--opset", "99", folder=folder)
    assert_one_line(result, 2, "--opset", "found 99")
    assert not (folder / "options").exists()


def test_ctrl_c_ends_all_workers_and_leaves_nothing(folder, tmp_path):
    environment = {"TMPDIR": str(tmp_path)}
    arguments = ("functions:endless", "half.keras", "-o", "interrupted", "--jobs", "1")
    process = start("-m", "xorexport", "export", *arguments, folder=folder, environment=environment)
    worker = worker_of(folder)
    assert list((folder / "interrupted").iterdir()) != []
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "xorexport: interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert not (folder / "interrupted").exists()
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_tensorflow_starts_is_as_quiet(folder, tmp_path):
    environment = {"TMPDIR": str(tmp_path)}
    arguments = ("convnet.keras", "half.keras", "-o", "early")
    process = start("-m", "xorexport", "export", *arguments, folder=folder, environment=environment)
    while not list(tmp_path.glob("xorexport-*/*")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "xorexport: interrupted\n")
    assert list(tmp_path.iterdir()) == []
    assert not (folder / "early").exists()


def test_what_starts_the_workers_imports_nothing_heavy():
    loaded = python("import sys, xorexport.many; print(*sys.modules)").stdout.split()
    assert {"tensorflow", "keras", "onnxruntime", "ai_edge_litert", "rich"}.isdisjoint(loaded)


# In this process.


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["a.keras", "b.keras", "-o", "new", "--jobs", "0"], ("--jobs", "found 0")),
        (["a.keras", "b.keras", "-o", "new", "--samples", "-"], ("--samples", "standard input")),
        (["--each", "-o", "new"], ("--each", "one MODEL or more")),
        (["a.keras", "--each", "-o", "bundle"], ("bundle: expected a folder", "found a bundle")),
        (["a.keras", "b.keras", "-o", "file"], ("file: expected a folder", "found a file")),
    ],
)
def test_what_cannot_be_meant_is_refused_before_tensorflow_starts(arguments, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").touch()
    (tmp_path / "file").touch()
    assert run(["export", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert all(part in shown.err for part in parts)
    assert not (tmp_path / "new").exists()


def row(form, outcome, **fields):
    return ParityRow(
        artifact=f"net.{form}", format=form, precision=Precision.FLOAT32, engine="engine", outcome=outcome, **fields
    )


def made(bundle, *rows, refused=(), **fields):
    """A result of a model with these rows."""
    report = ParityReport(model="net", parity=rows, refused=refused)
    fields = {"name": "net", "source": "net.keras", "seconds": 1.0, "exit_code": report.exit_code, **fields}
    return ModelResult(bundle=bundle, report=report, **fields)


NO_TFLITE = Refusal(format="tflite", precision=Precision.FLOAT32, reason="no such op")
NO_INT8 = Refusal(format="onnx", precision=Precision.INT8, reason="no data")
WHOLE = made("out/net", row("onnx", Outcome.PASS))
PARTIAL = made("out/net", row("onnx", Outcome.PASS), refused=(NO_TFLITE, NO_INT8))
WRONG = made(None, row("onnx", Outcome.PASS), row("tflite", Outcome.FAIL, reason="off by 1"))
BROKEN = made(None, row("tflite", Outcome.ERROR, reason="crashed"))
REFUSED = ModelResult(name="net", source="net.keras", bundle=None, exit_code=2, seconds=0.1, error="no such file")


@pytest.mark.parametrize(
    ("result", "outcome", "formats", "reasons"),
    [
        (WHOLE, "complete", ("onnx",), ()),
        (PARTIAL, "complete but for tflite, onnx int8", ("onnx",), ("tflite: no such op", "onnx int8: no data")),
        (WRONG, "does not match", (), ("net.tflite on engine: off by 1",)),
        (BROKEN, "failed", (), ("net.tflite on engine: crashed",)),
        (REFUSED, "failed", (), ("no such file",)),
    ],
)
def test_outcomes_formats_and_reasons(result, outcome, formats, reasons):
    assert (result.outcome, result.formats, result.reasons) == (outcome, formats, reasons)


@pytest.mark.parametrize(
    ("results", "code"),
    [([WHOLE], 0), ([WHOLE, PARTIAL], 2), ([REFUSED, WRONG, WHOLE], 1), ([WHOLE, REFUSED], 2), ([WHOLE, WHOLE], 0)],
)
def test_one_exit_code_for_all(results, code):
    assert common_exit_code(results) == code
    assert models.document(results)["exit_code"] == code


def test_many_reasons_are_cut_short_and_markup_is_shown_as_it_is():
    rows = [row(f"f{number}", Outcome.FAIL, reason=f"[bold]{number}") for number in range(5)]
    console = Console(file=io.StringIO(), width=120)
    models.render([made(None, *rows), WHOLE], console)
    shown = console.file.getvalue()
    assert shown.count("on engine") == 3
    assert "net: net.f2 on engine: [bold]2\nnet: and 2 more, see --json\n" in shown
    assert shown.endswith("1 not matching, 1 complete\n")
