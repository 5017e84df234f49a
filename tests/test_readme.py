"""README says what is true: its programs run, its commands parse, its figures are those of the bundle."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xorexport import arguments
from xorexport.bundle import Bundle

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
COMMANDS = re.findall(r"^    xorexport (.+)$", README, re.MULTILINE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_python_block_runs_in_the_clone(program: str):
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"0\.9\d|PASS", result.stdout), result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_command_parses(command: str):
    assert arguments.parser().parse_args(shlex.split(command, comments=True)).command == command.split()[0]


def test_readme_shows_enough_to_be_tested():
    assert len(PROGRAMS) >= 3
    assert len(COMMANDS) >= 8


def test_sizes_are_those_of_the_committed_bundle():
    shown = dict(re.findall(r"^wrote (\S+), ([\d,]+) bytes$", README, re.MULTILINE))
    artifacts = Bundle.read(ROOT / "artifacts").manifest.artifacts
    assert shown == {artifact.path: f"{artifact.size:,}" for artifact in artifacts}


def test_training_is_that_of_the_committed_bundle():
    settings = Bundle.read(ROOT / "artifacts").manifest.settings
    assert f"right at epoch {settings['first_right_epoch']:,} " in README
    assert f"targets after {settings['epochs']:,}\n" in README


def test_seal_can_be_checked_with_the_shell_alone():
    manual = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^  (sed .+)$", manual, re.MULTILINE)
    shell = subprocess.run(command, shell=True, cwd=ROOT / "artifacts", capture_output=True, text=True, check=True)
    assert shell.stdout.split()[0] == Bundle.read(ROOT / "artifacts").manifest.seal
