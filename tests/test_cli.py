"""The command line: exit codes, what goes to which stream, and help."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest
from faults import plant
from support import ROOT, assert_one_line, contents, finish, sample_model, start, xorexport

from xorexport import __version__, cli
from xorexport.cli import run

COMMANDS = ("export", "verify", "compare", "inspect", "predict")
ESCAPE = "\x1b"


@pytest.fixture
def keras_file(tmp_path):
    """A saved model that exports in a moment."""
    path = tmp_path / "net.keras"
    sample_model("two_by_two").save(path)
    return path


# In a process of its own.


def test_an_export_prints_its_steps_and_its_tables_and_nothing_of_tensorflow(fresh_exports):
    for folder, result in fresh_exports["xor"]:
        lines = result.stderr.splitlines()
        assert lines[0].startswith("training 2-16-1")
        assert re.fullmatch(r"all four segments right at epoch [\d,]+ .*", lines[1])
        assert all(re.fullmatch(r"wrote xor\.\w+, [\d,]+ bytes", line) for line in lines[2:])
        assert len(lines) == 6
        assert f"{folder} is complete." in result.stdout
        assert "everything matches" in result.stdout


def test_pipes_get_no_escape_codes(fresh_exports, xor):
    for _, result in fresh_exports["convnet"]:
        assert ESCAPE not in result.stdout + result.stderr
    result = xorexport("verify", xor, "--format", "onnx", environment={"COLUMNS": None})
    assert result.returncode == 0
    assert ESCAPE not in result.stdout + result.stderr
    assert result.stderr == ""


def in_a_terminal(*arguments, **variables):
    """What a command shows in a terminal."""
    parent, child = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **variables}
    command = [sys.executable, "-m", "xorexport", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # what Linux reports where the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(parent)
    assert process.wait() == 0, shown
    return shown.decode()


def test_a_terminal_gets_colours_unless_no_color_is_set(xor):
    coloured = in_a_terminal("verify", xor, "--format", "onnx")
    assert f"{ESCAPE}[32m" in coloured
    plain = in_a_terminal("verify", xor, "--format", "onnx", NO_COLOR="1")
    assert "everything matches" in plain
    assert not re.search(r"\x1b\[[\d;]*3\dm", plain)


@pytest.mark.parametrize("arguments", [("verify",), ("inspect",), ("predict", "0", "1")])
def test_json_is_alone_on_standard_output(xor, arguments):
    command, *values = arguments
    result = xorexport(command, xor, *values, "--json", *(("--format", "onnx") if command == "verify" else ()))
    assert result.returncode == 0
    assert isinstance(json.loads(result.stdout), dict)
    assert result.stderr == ""


def test_a_reader_that_stops_early_ends_a_command_without_a_traceback(xor):
    process = start("-m", "xorexport", "inspect", xor)
    process.stdout.close()
    process.wait()
    errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors


def test_another_backend_of_keras_is_refused_before_tensorflow_starts(tmp_path):
    result = xorexport("export", "-o", tmp_path / "bundle", environment={"KERAS_BACKEND": "jax"})
    assert_one_line(result, 2, "KERAS_BACKEND", "found 'jax'", "unset KERAS_BACKEND")
    assert list(tmp_path.iterdir()) == []


def test_consumers_do_not_care_for_the_backend_of_keras(xor):
    jax = {"KERAS_BACKEND": "jax"}
    assert xorexport("verify", xor, "--format", "tflite", "--format", "onnx", environment=jax).returncode == 0
    assert "loyal" in xorexport("predict", xor, "0", "1", environment=jax).stdout
    inspected = xorexport("inspect", xor, "--json", environment=jax)
    assert inspected.returncode == 0, inspected.stderr
    assert len(json.loads(inspected.stdout)["contents"]) >= 3


# In this process.


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as caught:
        run([command, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert f"  xorexport {command} " in shown.split("examples:")[1]
    assert "exit codes:" in shown
    assert all(len(line) <= 120 for line in shown.splitlines())


def test_the_main_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        run(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"^    {command} ", shown, re.MULTILINE) for command in COMMANDS)
    assert set(cli.COMMANDS) == set(COMMANDS)


def test_the_examples_in_the_help_parse():
    from xorexport import arguments

    for command in COMMANDS:
        text = next(
            action.choices[command].epilog
            for action in arguments.parser()._actions
            if isinstance(action.choices, dict) and command in action.choices
        )
        examples = re.findall(r"^  xorexport (.*?)(?:  +#.*)?$", text, re.MULTILINE)
        assert len(examples) >= 2
        for example in examples:
            assert arguments.parser().parse_args(example.split()).command == command


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as caught:
        run(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"xorexport {__version__}\n"


def test_verify_ends_with_0_1_and_2(copy_of, capsys):
    folder = copy_of("xor")
    assert run(["verify", str(folder), "--format", "onnx"]) == 0
    plant(folder, "onnx", "change_weight", 1e-3)
    assert run(["verify", str(folder), "--format", "onnx"]) == 1
    assert run(["verify", str(folder), "--format", "onnx", "--no-digests"]) == 1
    assert run(["verify", str(folder / "golden")]) == 2
    shown = capsys.readouterr()
    assert "everything matches" in shown.out
    assert "something does not match" in shown.out
    assert "digest of xor.onnx failed" in shown.out
    assert shown.err.count("\n") == 1


def test_verify_writes_a_report_elsewhere_and_never_into_the_bundle(copy_of, tmp_path, capsys):
    folder = copy_of("xor")
    before = contents(folder)
    target = tmp_path / "report.json"
    assert run(["verify", str(folder), "--format", "onnx", "--report", str(target), "--json"]) == 0
    assert json.loads(target.read_text()) == json.loads(capsys.readouterr().out)
    for inside in ("report.json", "golden/new.json"):
        assert run(["verify", str(folder), "--format", "onnx", "--report", str(folder / inside)]) == 2
        assert "outside the bundle" in capsys.readouterr().err
    assert run(["verify", str(folder), "--format", "onnx", "--report", str(tmp_path / "no" / "report.json")]) == 2
    assert "choose another path" in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("engine", [[], ["--engine", "onnx-reference"]])
def test_predict_prints_the_value_and_the_label(xor, capsys, engine):
    assert run(["predict", str(xor), "0", "1", *engine]) == 0
    assert re.fullmatch(r"y = 0\.9\d+  \(loyal\)\n", capsys.readouterr().out)
    assert run(["predict", str(xor), "1", "1", *engine]) == 0
    assert "(not loyal)" in capsys.readouterr().out


@pytest.mark.parametrize("values", [["-1", "0.5"], ["-1e-3", "1"], ["-.5", "-2"], ["1e2", "-1E+1"]])
def test_predict_takes_negative_numbers(xor, capsys, values):
    assert run(["predict", str(xor), *values]) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.startswith("y = ")


def test_compare_ends_with_0_or_1(keras_file, tmp_path, capsys):
    model = sample_model("two_by_two")
    kernel = model.layers[2].kernel
    values = kernel.numpy()
    values[0, 0] += 1e-3
    kernel.assign(values)
    model.save(tmp_path / "other.keras")
    assert run(["compare", str(keras_file), str(keras_file)]) == 0
    assert "no difference found" in capsys.readouterr().out
    assert run(["compare", str(keras_file), str(tmp_path / "other.keras"), "--json"]) == 1
    compared = json.loads(capsys.readouterr().out)
    assert compared["exit_code"] == 1
    assert {"PASS", "FAIL"} <= {row["outcome"] for row in compared["rows"]}


def test_export_prints_json_alone_and_says_where_nothing_was_written(keras_file, tmp_path, capsys):
    target = tmp_path / "bundle"
    exact = ["--rtol", "0", "--atol", "0", "--format", "onnx"]
    assert run(["export", str(keras_file), "-o", str(target), *exact]) == 1
    assert "was not written" in capsys.readouterr().err
    assert not target.exists()
    assert run(["export", str(keras_file), "-o", str(target), "--format", "onnx", "--opset", "15", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["exit_code"] == 0
    assert shown.err == ""
    assert run(["inspect", str(target / "net.onnx")]) == 0
    assert "ai.onnx 15" in capsys.readouterr().out


def test_what_the_users_module_prints_is_no_result(tmp_path, capsys, monkeypatch):
    (tmp_path / "chatty.py").write_text(
        "import sample_models\ndef build():\n    print('hello')\n    return sample_models.embedding()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "tests")
    arguments = ["export", "chatty:build", "-o", str(tmp_path / "bundle"), "--format", "tflite", "--json"]
    assert run(arguments) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["exit_code"] == 0
    assert "hello" in shown.err


def test_options_that_would_do_nothing_are_refused(xor, keras_file, tmp_path, capsys):
    target = str(tmp_path / "bundle")
    for arguments, line in (
        (["export", str(keras_file), "-o", target, "--format", "tflite", "--opset", "17"], "--opset: expected it"),
        (
            ["verify", str(xor), "--format", "onnx", "--engine", "litert-builtin"],
            "--engine litert-builtin: expected an",
        ),
        (["verify", str(xor / "xor.onnx"), "--golden", "g.npz", "--no-digests"], "--no-digests: expected it with a"),
    ):
        assert run(arguments) == 2
        assert line in capsys.readouterr().err


def test_export_takes_a_function_from_the_folder_that_one_is_in(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT / "tests")
    assert run(["export", "sample_models:embedding", "-o", str(tmp_path / "bundle"), "--format", "tflite"]) == 0
    assert (tmp_path / "bundle" / "embedding.tflite").is_file()
    assert "loading sample_models:embedding" in capsys.readouterr().err


def test_an_interrupted_command_says_so(monkeypatch, capsys):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "inspect", interrupt)
    assert run(["inspect", "x"]) == 130
    assert capsys.readouterr().err == "xorexport: interrupted\n"


def test_ctrl_c_during_an_export_leaves_nothing_behind(tmp_path):
    process = start("-m", "xorexport", "export", "-o", tmp_path / "bundle")
    assert process.stderr.readline().startswith("training")
    process.send_signal(2)
    result = finish(process)
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1] == "xorexport: interrupted"
    assert list(tmp_path.iterdir()) == []
