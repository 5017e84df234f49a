"""`xorexport predict` with files: what it prints, what it writes, and its one line where it cannot."""

import io
import json
import re
import sys

import numpy as np
import pytest
from PIL import Image
from support import rewrite_manifest

from xorexport.bundle import Bundle
from xorexport.cli import run
from xorexport.prediction import Predictions
from xorexport.reports.predictions import lines

ROWS = "x_0,x_1\n0,0\n1,0\n0,1\n1,1\n"
LABELS = ("not loyal", "loyal", "loyal", "not loyal")


@pytest.fixture
def rows(tmp_path):
    """A CSV file of the four segments."""
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def fails(capsys, arguments, *parts):
    assert run(["predict", *map(str, arguments)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("xorexport: ")
    assert shown.err.count("\n") == 1, shown.err
    assert all(str(part) in shown.err for part in parts), shown.err


@pytest.mark.parametrize("engine", [[], ["--engine", "onnx-reference"], ["--precision", "float32"]])
def test_every_row_is_a_line_with_its_label(xor, rows, capsys, engine):
    assert run(["predict", str(xor), "--input", str(rows), *engine]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for row, (line, label) in enumerate(zip(shown.out.splitlines(), LABELS, strict=True)):
        assert re.fullmatch(rf"row {row}: y = 0\.\d+  \({label}\)", line)
        assert line.startswith(f"row {row}: y = 0.9" if label == "loyal" else f"row {row}: y = 0.0")


@pytest.mark.parametrize("text", [ROWS, "[[0, 0], [1, 0], [0, 1], [1, 1]]"])
def test_standard_input_is_predicted_on(xor, capsys, monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run(["predict", str(xor), "--input", "-", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == 4
    assert printed["labels"] == {"y": list(LABELS)}
    np.testing.assert_allclose(printed["outputs"]["y"], [[0], [1], [1], [0]], atol=0.05)


def test_json_has_the_outputs_own_shapes_and_values(bundles, tmp_path, capsys):
    bundle = Bundle.read(bundles("two_by_two"))
    golden = bundle.manifest.golden[0]
    np.savez(tmp_path / "in.npz", **bundle.golden_arrays(golden.inputs))
    assert run(["predict", str(bundle.root), "--input", str(tmp_path / "in.npz"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["outputs"]) == ["west", "east"]
    for name, expected in bundle.golden_arrays(golden.outputs).items():
        np.testing.assert_allclose(printed["outputs"][name], expected, rtol=1e-5, atol=1e-5)


def test_several_outputs_are_a_line_each(bundles, tmp_path, capsys):
    (tmp_path / "in.csv").write_text("zebra_0,zebra_1,zebra_2,ant_0,ant_1,ant_2\n1,2,3,4,5,6\n")
    assert run(["predict", str(bundles("two_by_two")), "--input", str(tmp_path / "in.csv")]) == 0
    one, other = capsys.readouterr().out.splitlines()
    assert one.startswith("row 0: west = ")
    assert other.startswith("row 0: east = ")


def test_a_photo_is_resized_labelled_and_named(copy_of, tmp_path, capsys):
    folder = copy_of("convnet")
    rewrite_manifest(folder, lambda content: content["model"].update(labels=["cat", "dog", "owl"]))
    pixels = np.random.default_rng(3).integers(0, 256, (10, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    values = [str(value) for value in pixels.ravel()]
    assert run(["predict", str(folder), "--input", str(tmp_path / "photo.png")]) == 0
    shown = capsys.readouterr()
    assert "note: pixels are given as 0 to 255" in shown.err
    assert run(["predict", str(folder), *values]) == 0
    assert shown.out == f"photo.png: {capsys.readouterr().out}"
    assert re.fullmatch(r"photo\.png: species = \S+, \S+, \S+  \((cat|dog|owl)\)\n", shown.out)
    Image.fromarray(pixels).resize((24, 20)).save(tmp_path / "photo.png")
    assert run(["predict", str(folder), "--input", str(tmp_path / "photo.png"), "--json"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out)["notes"][0] == "photo.png: resized from 24x20 to 12x10 (width x height), bilinear"


@pytest.mark.parametrize("given", [[], ["--input"]])
def test_outputs_are_written_by_name(xor, rows, tmp_path, capsys, given):
    source = [*given, str(rows)] if given else ["0", "1"]
    target = tmp_path / "out.npz"
    assert run(["predict", str(xor), *source, "--output", str(target)]) == 0
    count = 4 if given else 1
    assert capsys.readouterr().out == f"wrote {target}: y float32[{count}, 1]\n"
    with np.load(target) as written:
        assert written.files == ["y"]
        np.testing.assert_allclose(written["y"], [[0], [1], [1], [0]] if given else [[1]], atol=0.05)
        assert written["y"].dtype == "float32"
    before = target.read_bytes()
    fails(capsys, [xor, "0", "1", "--output", target], "--output", "a new .npz file", "which exists")
    assert target.read_bytes() == before
    assert run(["predict", str(xor), "0", "1", "--output", str(tmp_path / "other.npz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == {"y": "loyal"}
    assert (tmp_path / "other.npz").is_file()


@pytest.mark.parametrize("name", ["out.csv", "absent/out.npz"])
def test_what_cannot_be_written_is_refused(xor, tmp_path, capsys, name):
    fails(capsys, [xor, "0", "1", "--output", tmp_path / name], "--output", tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_the_bundle(xor, capsys):
    fails(capsys, [xor, "0", "1", "--output", xor / "out.npz"], "--output", "in the bundle")
    assert not (xor / "out.npz").exists()


def test_nothing_is_written_where_nothing_was_predicted(xor, tmp_path, capsys):
    fails(capsys, [xor, "0", "--output", tmp_path / "out.npz"], "found 1;")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("the values of one row, or --input, found neither", "--help")),
        (("0", "1", "--input", "rows.csv"), ("found both",)),
        (("--input",), ("--input", "expected one argument")),
        (("--input", "absent.csv"), ("absent.csv", "No such file")),
        (("--input", "rows.xls"), ("rows.xls", "a file (.npz, ")),
        (("0", "1", "--precision", "int9"), ("--precision", "did you mean 'int8'?")),
        (("0", "1", "--engine", "onnx"), ("--engine",)),
    ],
)
def test_arguments_that_cannot_be_meant(xor, tmp_path, monkeypatch, capsys, arguments, parts):
    monkeypatch.chdir(tmp_path)
    fails(capsys, [xor, *arguments], *parts)


def test_values_may_stand_behind_an_option(xor, capsys):
    assert run(["predict", str(xor), "--engine", "onnxruntime", "-1e-3", "1"]) == 0
    assert capsys.readouterr().out.startswith("y = 0.9")


def shown(outputs, rows, **fields):
    predictions = Predictions(engine="", artifact="", outputs=outputs, labels={}, rows=rows, **fields)
    return list(lines(predictions))


def test_large_outputs_are_shortened_and_whole_numbers_are_not():
    large = np.arange(24, dtype="float32").reshape(2, 3, 4)
    assert shown({"y": large}, 2) == [
        "row 0: y = 0, 1, 2, 3, 4, 5, ... [3, 4]",
        "row 1: y = 12, 13, 14, 15, 16, 17, ... [3, 4]",
    ]
    assert shown({"n": np.array([12345678])}, 1, names=("a.png",)) == ["a.png: n = 12345678"]
    assert shown({"y": np.arange(10.0)[None]}, 1) == ["row 0: y = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"]


def test_an_output_without_rows_is_a_line_with_its_shape():
    assert shown({"total": np.float32([[1, 2]]), "y": np.zeros((3, 1))}, 3)[-1] == "all rows: total = 1, 2 [1, 2]"
    assert shown({"total": np.zeros((9, 9))}, 3) == ["all rows: total = 0, 0, 0, 0, 0, 0, ... [9, 9]"]
