"""The side that checks bundles runs where TensorFlow is not: end to end, and module by module."""

import fnmatch
import json
import tomllib

import pytest
from support import ROOT, python

from xorexport.registry import ENGINES

BLOCKED = ("tensorflow", "keras", "tf2onnx")
BLOCK = f"import sys\nsys.modules.update(dict.fromkeys({BLOCKED!r}))\n"
"""Makes every import of these modules fail, and look as if they were not installed."""

RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
TENSORFLOW_SIDE = [pattern for pattern, rules in RULES.items() if pattern.startswith("xorexport") and "TID251" in rules]
MODULES = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "xorexport").rglob("*.py") if path.name != "__main__.py"
)
LIGHT_MODULES = [path for path in MODULES if not any(fnmatch.fnmatch(path, pattern) for pattern in TENSORFLOW_SIDE)]


def dotted(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def blocked(code, *arguments):
    result = python(BLOCK + code, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


RUN = """
from xorexport.cli import run
code = run(sys.argv[1:])
print(f"exit code {code}")
print("loaded", *(name for name in ("tensorflow", "keras", "tf2onnx") if sys.modules.get(name)))
"""


def command(*arguments):
    """Runs a command without TensorFlow; returns its output, which it must have ended well."""
    output, _, end = blocked(RUN, *arguments).rpartition("exit code ")
    assert end == "0\nloaded\n"
    return output


@pytest.mark.parametrize("model", ["xor", "convnet", "embedding"])
def test_a_bundle_verifies_without_tensorflow(bundles, model):
    report = json.loads(command("verify", bundles(model), "--json"))
    assert report["exit_code"] == 0
    assert {row["outcome"] for row in report["digests"]} == {"PASS"}
    for name, engine in ENGINES.items():
        rows = [row for row in report["parity"] if row["engine"] == name]
        if engine.runtime.requires == "tensorflow":
            (row,) = rows
            assert row["outcome"] == "SKIPPED"
            assert "it is not installed" in row["reason"]
            assert "pip install 'xorexport[tensorflow]'" in row["reason"]
        else:
            assert {row["outcome"] for row in rows} == {"PASS"}
            assert len(rows) >= 2


def test_a_required_engine_of_tensorflow_is_an_error_without_it(xor):
    assert blocked(RUN, "verify", xor, "--require", "savedmodel").split("exit code ")[1].startswith("2\n")


def test_a_bundle_is_inspected_without_tensorflow(xor):
    inspection = json.loads(command("inspect", xor, "--json"))
    assert {contents["format"] for contents in inspection["contents"]} == {"keras", "tflite", "onnx"}
    assert list(inspection["unread"]) == ["xor.savedmodel"]
    assert "pip install 'xorexport[tensorflow]'" in inspection["unread"]["xor.savedmodel"]
    shown = command("inspect", xor)
    assert "x float32[batch, 2]" in shown
    assert "not read" in shown


@pytest.mark.parametrize("engine", [None, "litert-builtin", "onnxruntime", "onnx-reference"])
def test_a_bundle_predicts_without_tensorflow(xor, engine):
    chosen = ("--engine", engine) if engine else ()
    prediction = json.loads(command("predict", xor, "1", "0", "--json", *chosen))
    assert prediction["outputs"]["y"][0] > 0.9
    assert prediction["labels"] == {"y": "loyal"}


def test_the_public_functions_for_consumers_work_without_tensorflow(xor):
    code = (
        "import xorexport, pathlib\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "report = xorexport.verify(root, xorexport.Selection(formats=('onnx',)))\n"
        "print(report.exit_code, xorexport.Bundle.read(root).manifest.model.name)\n"
    )
    assert blocked(code, xor) == "0 xor\n"


@pytest.mark.parametrize(
    "module", ["xorexport.network", "xorexport.tracing", "xorexport.exporters", "xorexport.pipeline"]
)
def test_the_blocker_bites(module):
    result = python(f"{BLOCK}import {module}")
    assert result.returncode == 1
    assert "EngineUnavailableError" in result.stderr
    assert "pip install 'xorexport[tensorflow]'" in result.stderr


def test_a_command_that_needs_tensorflow_says_what_installs_it(tmp_path):
    result = python(BLOCK + RUN, "export", "-o", tmp_path / "bundle")
    assert "exit code 2" in result.stdout
    assert result.stderr.count("\n") == 1
    assert "pip install 'xorexport[tensorflow]'" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_both_sides_have_modules():
    assert len(LIGHT_MODULES) > 20
    assert {"xorexport/verification/verify.py", "xorexport/cli.py", "xorexport/prediction.py"} <= set(LIGHT_MODULES)
    assert {"xorexport/network/training.py", "xorexport/pipeline.py"}.isdisjoint(LIGHT_MODULES)
    for pattern in TENSORFLOW_SIDE:
        assert any(fnmatch.fnmatch(path, pattern) for path in MODULES), f"{pattern} exempts nothing"


def test_every_light_module_imports_without_tensorflow():
    code = (
        "import importlib\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "print(*(name for name in sys.modules if name.split('.')[0] in ('tensorflow', 'keras', 'tf2onnx')))\n"
    )
    assert set(blocked(code, *map(dotted, LIGHT_MODULES)).split()) == set(BLOCKED)


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"numpy", "onnx", "onnxruntime", "ai_edge_litert", "tensorflow", "keras", "msgspec", "rich", "argparse"}
    loaded = python("import sys, xorexport; print(*sys.modules)").stdout.split()
    assert "xorexport" in loaded
    assert heavy.isdisjoint(loaded)


def test_the_public_names_lead_somewhere_and_no_others_do():
    code = (
        "import xorexport\n"
        "assert set(xorexport.__all__) <= set(dir(xorexport))\n"
        "print(*(type(getattr(xorexport, name)).__name__ for name in xorexport.__all__))\n"
        "try:\n    xorexport.nothing\nexcept AttributeError as error:\n    print(error)\n"
    )
    kinds, error = python(code).stdout.splitlines()
    assert set(kinds.split()) == {"type", "function"}
    assert "'nothing'" in error


def test_help_and_refusals_import_no_engine():
    code = (
        "import sys\nfrom xorexport.cli import run\n"
        "try:\n    run(['verify', '--help'])\nexcept SystemExit:\n    pass\n"
        "run(['verify', 'nowhere', '--engine', 'x'])\n"
        "print(*sys.modules)\n"
    )
    loaded = set(python(code).stdout.splitlines()[-1].split())
    assert "xorexport.cli" in loaded
    assert {"tensorflow", "keras", "onnxruntime", "ai_edge_litert"}.isdisjoint(loaded)
