"""What several test files need: running the command line, and reading and changing bundles."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from xorexport.bundle import seal
from xorexport.registry import ENGINES
from xorexport.registry import FORMATS as REGISTERED_FORMATS
from xorexport.spec import Manifest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
FORMATS = tuple(REGISTERED_FORMATS)
LIGHT_ENGINES = tuple(name for name, engine in ENGINES.items() if engine.runtime.requires != "tensorflow")
"""The engines that run without TensorFlow."""
SAMPLE_MODELS = (
    "convnet",
    "two_by_two",
    "dict_outputs",
    "embedding",
    "attention",
    "awkward_names",
    "unnamed",
)
"""The functions of `sample_models` whose models every format can hold."""


def sample_model(name):
    """Builds one of the sample models; TensorFlow starts here at the latest."""
    importlib.import_module("xorexport.network")
    return getattr(importlib.import_module("sample_models"), name)()


def start(*command, environment=None, folder=None):
    """Starts a Python program that finds the package and the sample models; `None` takes a variable away."""
    variables = {"PYTHONPATH": f"{ROOT}{os.pathsep}{TESTS}", "COLUMNS": "120", **(environment or {})}
    merged = {key: value for key, value in {**os.environ, **variables}.items() if value is not None}
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=merged,
        cwd=folder or ROOT,
    )


def finish(process):
    """Waits for a program that `start` began."""
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def python(code, *arguments, **options):
    """Runs Python code in a process of its own."""
    return finish(start("-c", code, *arguments, **options))


def xorexport(*arguments, **options):
    """Runs the command line in a process of its own."""
    return finish(start("-m", "xorexport", *arguments, **options))


def assert_one_line(result, exit_code, *parts):
    """A command ended with one line on standard error that holds every part, and with nothing else."""
    assert result.returncode == exit_code, result.stderr
    assert result.stderr.startswith("xorexport: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith("\n")
    for part in parts:
        assert str(part) in result.stderr
    assert result.stdout == ""


def manifest_of(folder):
    """A bundle's manifest as plain JSON."""
    return json.loads((folder / "manifest.json").read_bytes())


def rewrite_manifest(folder, change):
    """Changes a manifest as someone would who can seal it again: `change` gets it as plain JSON."""
    import msgspec

    content = manifest_of(folder)
    change(content)
    (folder / "manifest.json").write_bytes(seal(msgspec.convert(content, Manifest)))


def contents(folder):
    """Every file below a folder with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def outcomes(report, engine):
    """The outcomes of an engine's rows."""
    return [row.outcome for row in report.parity if row.engine == engine]
