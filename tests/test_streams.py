"""Standard streams that are full, closed or narrow never end a command with a traceback or a wrong verdict."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [["verify", "--format", "onnx"], ["predict", "0", "1"], ["inspect"]]


def shell(command, redirection, xor, **environment):
    """Runs a command of xorexport with a redirection of the shell."""
    arguments = " ".join([command[0], f"'{xor}'", *command[1:]])
    return subprocess.run(
        ["sh", "-c", f"'{sys.executable}' -m xorexport {arguments} {redirection}"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_standard_output_is_one_line_and_trouble(xor, command):
    result = shell(command, ">/dev/full", xor)
    assert result.returncode == 2
    assert result.stderr == (
        "xorexport: standard output: expected a place to write to, found 'No space left on device'; free it\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_closed_streams_do_not_change_the_verdict(xor, command, redirection):
    result = shell(command, redirection, xor)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_character_that_the_terminal_lacks_is_written_another_way(copy_of):
    folder = copy_of("xor")
    moved = folder.with_name("größe")
    folder.rename(moved)
    (moved / "xor.onnx").write_bytes(b"")
    for arguments in ([], ["--json"]):
        result = shell(["verify", *arguments], "", moved, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr
    assert json.loads(result.stdout)["exit_code"] == 1


def test_no_identifier_of_the_device_is_written_into_the_home(xor, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    assert shell(["verify", "--format", "onnx"], "", xor, HOME=str(home)).returncode == 0
    assert list(Path(home).rglob("*")) == []


def test_a_settings_file_of_keras_does_not_reach_the_default_network(tmp_path):
    settings = tmp_path / ".keras"
    settings.mkdir()
    (settings / "keras.json").write_text('{"backend": "jax", "floatx": "float64"}')
    result = subprocess.run(
        [sys.executable, "-m", "xorexport", "export", "-o", str(tmp_path / "bundle"), "--json"],
        env=os.environ | {"KERAS_HOME": str(settings), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["exit_code"] == 0
