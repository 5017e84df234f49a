"""Bad input: one clear line on standard error, exit code 2, no traceback, and nothing overwritten."""

import json

import keras
import numpy as np
import pytest
from support import contents, sample_model

from xorexport.cli import run


@pytest.fixture
def models(tmp_path):
    """A folder with models of which none can be exported."""
    folder = tmp_path / "models"
    folder.mkdir()
    good = sample_model("two_by_two")
    good.save(folder / "good.keras")
    whole = (folder / "good.keras").read_bytes()
    (folder / "truncated.keras").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "empty.keras").touch()
    keras.Sequential([keras.layers.Dense(1)]).save(folder / "unbuilt.keras")
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)]).save(folder / "lambda.keras")
    good.layers[2].kernel.assign(np.full(good.layers[2].kernel.shape, np.nan))
    good.save(folder / "nan.keras")
    (folder / "good.h5").touch()
    return folder


def fails(capsys, arguments, *parts):
    """Runs a command that must end with 2 and, but for its steps, one line that holds every part."""
    assert run([str(argument) for argument in arguments]) == 2
    shown = capsys.readouterr()
    steps = [line for line in shown.err.splitlines() if not line.startswith("loading ")]
    assert len(steps) == 1, shown.err
    assert steps[0].startswith("xorexport: ")
    assert shown.out == ""
    for part in parts:
        assert str(part) in steps[0]


MODELS = [
    ("nowhere.keras", ("nowhere.keras", "no such file")),
    ("truncated.keras", ("truncated.keras",)),
    ("empty.keras", ("empty.keras",)),
    ("unbuilt.keras", ("unbuilt.keras", "never built", "keras.Input")),
    ("lambda.keras", ("lambda.keras", "Lambda", "Python code would run", "--unsafe")),
    ("nan.keras", ("finite weights", "found nan")),
    ("good.h5", ("good.h5", "a whole model as model.save")),
]


@pytest.mark.parametrize(("name", "parts"), MODELS)
def test_a_model_that_cannot_be_exported_leaves_the_old_bundle(models, copy_of, capsys, name, parts):
    folder = copy_of("xor")
    before = contents(folder)
    fails(capsys, ["export", models / name, "-o", folder], *parts)
    assert contents(folder) == before


@pytest.mark.parametrize(("name", "parts"), MODELS[:5])
def test_a_model_that_cannot_be_loaded_cannot_be_compared(models, capsys, name, parts):
    fails(capsys, ["compare", models / "good.keras", models / name], *parts)


def test_a_lambda_is_exported_where_that_is_allowed(models, tmp_path, capsys):
    target = tmp_path / "bundle"
    assert run(["export", str(models / "lambda.keras"), "-o", str(target), "--unsafe"]) == 0
    assert run(["predict", str(target), "3", "4"]) == 0
    assert "= 6, 8" in capsys.readouterr().out
    assert run(["verify", str(target), "--engine", "keras", "--unsafe"]) == 0
    assert run(["verify", str(target), "--engine", "keras"]) == 2
    assert "--unsafe" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["export", "verify", "predict", "inspect"])
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "manifest.json"),
        (b"", "too early"),
        (b'{"manifest_version": 1, "model"', "too early"),
        (b'{"manifest_version": 3}', "version 3"),
        (b"no json at all", "malformed"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_a_manifest_that_cannot_be_read(copy_of, capsys, command, content, part):
    folder = copy_of("xor")
    if content is None:
        (folder / "manifest.json").unlink()
        part = "not a bundle" if command == "export" else part
    else:
        (folder / "manifest.json").write_bytes(content)
    before = contents(folder)
    arguments = {"export": ["-o", folder], "predict": [folder, "0", "1"]}.get(command, [folder])
    fails(capsys, [command, *arguments], part, folder)
    assert contents(folder) == before


def test_a_manifest_cut_off_anywhere(copy_of, capsys):
    folder = copy_of("xor")
    path = folder / "manifest.json"
    raw = path.read_bytes()
    for length in range(0, len(raw) - 2, 50):
        path.write_bytes(raw[:length])
        fails(capsys, ["verify", folder], "ends too early", path)


@pytest.mark.parametrize("name", ["xor.onnx", "xor.tflite", "xor.keras", "golden/off-corner.outputs.y.bin"])
def test_a_missing_file_of_a_bundle(copy_of, capsys, name):
    folder = copy_of("xor")
    (folder / name).unlink()
    fails(capsys, ["verify", folder], folder / name, "No such file")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--format", "onxx"], ("--format", "'onxx'", "did you mean 'onnx'?")),
        (["--engine", "litert"], ("--engine", "'litert'", "did you mean 'litert-")),
        (["--require", "tensorflow"], ("--require", "'tensorflow'")),
        (["--form", "onnx"], ("unrecognized arguments: --form", "--help")),
        (["--report"], ("--report", "expected one argument")),
    ],
)
def test_an_option_that_cannot_be_meant(xor, capsys, arguments, parts):
    fails(capsys, ["verify", xor, *arguments], *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--format", "tflight"], ("'tflight'", "did you mean 'tflite'?")),
        (["--opset", "12"], ("--opset", "from 13 to 18", "found 12")),
        (["--opset", "x"], ("--opset", "'x'")),
        (["--loss", "hinge"], ("mean_squared_error", "'hinge'")),
        (["--hidden", "0"], ("at least 1", "found 0")),
        (["--max-epochs", "0"], ("at least 1",)),
        (["--rtol", "nan"], ("rtol",)),
        (["--atol", "-1"], ("atol",)),
        (["--atol", "inf"], ("atol",)),
        (["good.keras", "--hidden", "4"], ("--hidden", "good.keras")),
    ],
)
def test_an_option_of_export_that_cannot_be_meant(tmp_path, capsys, arguments, parts):
    fails(capsys, ["export", "-o", tmp_path / "bundle", *arguments], *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["export"], ["verify"], ["predict"], ["predict", "x"]])
def test_a_command_line_that_is_no_command(capsys, arguments):
    fails(capsys, arguments, "--help")


def test_a_target_that_is_no_bundle_is_not_overwritten(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "holiday.jpg").write_bytes(b"irreplaceable")
    fails(capsys, ["export", "-o", folder], folder, "a folder that is not a bundle", "-o")
    fails(capsys, ["export", "-o", folder / "holiday.jpg"], "found a file")
    assert contents(tmp_path) == {"photos/holiday.jpg": b"irreplaceable"}


def test_a_seed_that_does_not_learn_says_what_to_try(tmp_path, capsys):
    target = tmp_path / "bundle"
    assert run(["export", "-o", str(target), "--max-epochs", "5", "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "seed 2" in shown.err
    assert "--max-epochs" in shown.err
    assert not target.exists()


def test_errors_are_not_json_and_leave_standard_output_empty(tmp_path, capsys):
    assert run(["verify", str(tmp_path), "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    with pytest.raises(json.JSONDecodeError):
        json.loads(shown.err)
