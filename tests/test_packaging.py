"""What a user installs: the setup, the locked requirements, and the wheel without TensorFlow."""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import xorexport

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["base", "dev", "uv"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# What the lock is resolved for: every Python, on every platform with packages of TensorFlow.
PYTHONS = ["3.11", "3.12", "3.13"]
PLATFORMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]


def run(*command, **kwargs):
    """Runs a program and returns what it did, output and errors as one text."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **kwargs)


# The locked requirements.


def locked(name):
    """The requirements of a lock, each with its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    lines = text.replace("\\\n", " ").splitlines()
    entries = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [(Requirement(entry.split(" --hash=")[0]), entry.split(" --hash=")[1:]) for entry in entries]


def environments():
    for python in PYTHONS:
        for system, machine in PLATFORMS:
            yield default_environment() | {
                "python_version": python,
                "python_full_version": f"{python}.0",
                "sys_platform": system,
                "platform_machine": machine,
                "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
                "os_name": "nt" if system == "win32" else "posix",
            }


def versions(name, environment):
    """The versions that a lock installs in an environment."""
    chosen = [entry for entry, _ in locked(name) if entry.marker is None or entry.marker.evaluate(environment)]
    result = {}
    for entry in chosen:
        (pin,) = entry.specifier
        assert pin.operator == "==", f"{entry} is no pin"
        assert canonicalize_name(entry.name) not in result, f"{entry.name} twice in {name}.txt"
        result[canonicalize_name(entry.name)] = pin.version
    return result


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_requirement_has_hashes(name):
    entries = locked(name)
    assert entries
    for entry, hashes in entries:
        assert hashes, f"{entry} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest.strip()) for digest in hashes)


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").iterdir()), ids=lambda path: path.name)
def test_requirements_name_no_host_and_no_absolute_path(path):
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"(?m)(^|[\s=\"'@])/\w", text)
    assert not re.search(r"--?(extra-)?index|--find-links|--trusted-host|(?m:^-[if] )", text)
    assert not re.search(r"\b[\w-]+\.(com|org|net|io|dev|local|internal)\b", text)


def test_the_base_install_has_no_tensorflow():
    heavy = {"tensorflow", "tensorflow-cpu", "keras", "tf2onnx"}
    assert not heavy & {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    assert not heavy & {canonicalize_name(entry.name) for entry, _ in locked("base")}


@pytest.mark.parametrize(
    "environment",
    environments(),
    ids=lambda e: f"{e['python_version']}-{e['sys_platform']}-{e['platform_machine']}",
)
def test_the_lock_satisfies_the_project(environment):
    base, dev = versions("base", environment), versions("dev", environment)
    assert base.items() <= dev.items(), "base.txt and dev.txt lock different versions"
    assert versions("uv", environment).items() <= dev.items(), "uv.txt and dev.txt lock different versions"

    # On some platforms the lock holds the processor's build of TensorFlow under its own name.
    making = {"tensorflow": dev.get("tensorflow-cpu"), **dev}
    wanted = [(line, base) for line in PROJECT["dependencies"]]
    wanted += [(line, making) for line in PROJECT["optional-dependencies"]["tensorflow"]]
    for line, lock in wanted:
        requirement = Requirement(line)
        version = lock.get(canonicalize_name(requirement.name))
        assert version, f"{line} is not locked"
        assert requirement.specifier.contains(version), f"{version} is locked, {line} is wanted"


def test_every_locked_package_admits_this_python():
    # uv overlooks an upper bound in Requires-Python, pip does not.
    for name in versions("dev", default_environment()):
        admitted = SpecifierSet(importlib.metadata.metadata(name).get("Requires-Python", ""))
        assert admitted.contains(platform.python_version()), f"{name} admits {admitted}"


def test_the_package_says_its_version():
    assert xorexport.__version__ == PROJECT["version"]


# The setup.

# The setup's probe, run by this Python under another name and version.
FAKE = """\
#!/bin/sh
for code; do :; done
exec '{python}' -c 'import sys; sys.version_info = {version}; exec(sys.argv[1])' "$code"
"""
BROKEN = "#!/bin/sh\necho 'shim: command not found' >&2\nexit 127\n"

# A uv that writes down what it is asked for and installs nothing; UV_FAKE says how its installing ends.
UV = """\
#!/bin/sh
echo "$1" >>'{log}'
case $1 in
venv) mkdir -p .venv/bin && ln -s '{python}' .venv/bin/python ;;
pip) case ${{UV_FAKE:-}} in failed) exit 1 ;; killed) kill -KILL $PPID ;; esac ;;
esac
"""


def program(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def clone(tmp_path):
    """A folder with what the setup reads, at a path with a space."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in ["Makefile", "pyproject.toml"]:
        shutil.copy(ROOT / name, clone)
    for name in ["requirements", "tools"]:
        shutil.copytree(ROOT / name, clone / name)
    return clone


@pytest.fixture
def setup(tmp_path, clone):
    """Runs the setup where PATH holds the given programs alone; they are a version of Python, or a text."""

    def run_setup(programs, **environment):
        folder = tmp_path / "path"
        folder.mkdir()
        for name, content in programs.items():
            text = content if isinstance(content, str) else FAKE.format(python=sys.executable, version=content)
            program(folder / name, text)
        before = sorted(clone.rglob("*"))
        result = run("/bin/sh", clone / "tools" / "setup", env={"PATH": str(folder), **environment})
        assert sorted(clone.rglob("*")) == before, "the setup made something"
        return result

    return run_setup


class TestSetupRefuses:
    @pytest.mark.parametrize("version", [(3, 6, 15), (3, 10, 13), (3, 14, 0), (4, 0, 0)])
    def test_a_python_that_tensorflow_is_not_there_for(self, setup, version):
        result = setup({"python3": version, "python3.12": BROKEN})
        found = ".".join(map(str, version))
        assert result.returncode == 2
        assert result.stdout.count("\n") == 1
        assert "expected 3.11, 3.12 or 3.13 " in result.stdout
        assert f"found python3 {found};" in result.stdout
        assert "make PYTHON=" in result.stdout

    def test_a_machine_without_python(self, setup):
        result = setup({"python3": BROKEN})
        assert result.returncode == 2
        assert result.stdout.count("\n") == 1
        assert "found no python3 that runs;" in result.stdout

    def test_a_named_python_even_where_another_suits(self, setup):
        result = setup({"python3": (3, 12, 1), "python3.10": (3, 10, 13)}, PYTHON="python3.10")
        assert result.returncode == 2
        assert "found python3.10 3.10.13;" in result.stdout

    def test_a_python_without_venv(self, setup):
        text = FAKE.replace("import sys;", 'import sys; sys.modules["ensurepip"] = None;')
        result = setup({"python3": text.format(python=sys.executable, version=(3, 12, 1))})
        assert result.returncode == 2
        assert "found python3 3.12.1 without venv;" in result.stdout

    def test_before_make_runs_anything_else(self, clone, tmp_path):
        program(tmp_path / "python3", FAKE.format(python=sys.executable, version=(3, 14, 0)))
        result = run("make", "-C", clone, "export", f"PYTHON={tmp_path / 'python3'}")
        assert result.returncode == 2
        assert "3.14.0" in result.stdout
        assert not (clone / ".venv").exists()
        assert not (clone / "artifacts").exists()


class TestSetup:
    @pytest.fixture(autouse=True)
    def _programs(self, tmp_path, clone):
        self.clone = clone
        (clone / "xorexport").mkdir()
        folder = tmp_path / "path"
        folder.mkdir()
        self.log = tmp_path / "log"
        program(folder / "uv", UV.format(log=self.log, python=sys.executable))
        self.environment = os.environ | {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def make(self, uv=""):
        """Runs the setup as every target does; returns its exit code and what it asked of uv."""
        self.log.write_text("", encoding="utf-8")
        result = run("make", "-C", self.clone, ".venv/.ready", env=self.environment | {"UV_FAKE": uv})
        asked = self.log.read_text(encoding="utf-8").split()
        return result.returncode, [word for word in asked if word != "--version"]

    @property
    def ready(self):
        return self.clone / ".venv" / ".ready"

    def change_the_lock(self):
        os.utime(self.clone / "requirements" / "dev.txt")
        os.utime(self.ready, (0, 0))

    def test_happens_once(self):
        assert self.make() == (0, ["venv", "pip", "pip"])
        assert self.make() == (0, [])

    @pytest.mark.parametrize("end", ["failed", "killed"])
    def test_that_ends_early_is_made_anew(self, end):
        assert self.make(end) == (2, ["venv", "pip"])
        assert not self.ready.exists()
        assert self.make() == (0, ["venv", "pip", "pip"])

    def test_follows_the_lock_in_place(self):
        self.make()
        self.change_the_lock()
        assert self.make() == (0, ["pip", "pip"])
        assert self.make() == (0, [])

    def test_keeps_what_was_there_where_an_update_fails(self):
        self.make()
        self.change_the_lock()
        assert self.make("failed") == (2, ["pip"])
        assert self.make() == (0, ["pip", "pip"])

    def test_makes_anew_after_a_killed_update(self):
        self.make()
        self.change_the_lock()
        assert self.make("killed") == (2, ["pip"])
        assert self.make() == (0, ["venv", "pip", "pip"])

    def test_makes_anew_in_a_clone_that_was_moved(self):
        self.make()
        self.clone = self.clone.rename(self.clone.with_name("moved (2)"))
        assert self.make() == (0, ["venv", "pip", "pip"])

    def test_makes_anew_where_the_python_is_gone(self):
        self.make()
        (self.clone / ".venv" / "bin" / "python").unlink()
        assert self.make() == (0, ["venv", "pip", "pip"])


@pytest.mark.slow
def test_a_fresh_clone_sets_itself_up_whatever_the_shell_holds(clone, tmp_path):
    shutil.copytree(ROOT / "xorexport", clone / "xorexport", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ["LICENSE", "README.md"]:
        shutil.copy(ROOT / name, clone)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "numpy.py").write_text("raise ImportError('not this one')", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("numpy<2", encoding="utf-8")
    disturbance = {
        "PYTHONPATH": str(tmp_path / "elsewhere"),
        "VIRTUAL_ENV": str(tmp_path / "elsewhere"),
        "CONDA_PREFIX": str(tmp_path / "elsewhere"),
        "PIP_USER": "1",
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "UV_SYSTEM_PYTHON": "1",
        "UV_PYTHON": "3.8",
        "UV_CONSTRAINT": str(tmp_path / "constraints.txt"),
        "UV_EXCLUDE_NEWER": "2020-01-01",
    }
    first = run("make", "-C", clone, ".venv/.ready", f"PYTHON={sys.executable}", env=os.environ | disturbance)
    assert first.returncode == 0, first.stdout
    packages = {"xorexport", *versions("dev", default_environment())}
    found = run(
        clone / ".venv" / "bin" / "python",
        *("-c", "from importlib.metadata import distributions; print(*(d.name for d in distributions()))"),
        env=clean_environment(),
        cwd=tmp_path,
    )
    assert {canonicalize_name(name) for name in found.stdout.split()} - {"pip"} == packages
    says = run(clone / ".venv" / "bin" / "xorexport", "--version", env=clean_environment(), cwd=tmp_path)
    assert says.stdout == f"xorexport {PROJECT['version']}\n"


def test_make_alone_lists_the_targets(clone):
    result = run("make", "-C", clone, "--no-print-directory")
    assert result.returncode == 0
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"(?m)^\.PHONY: (.*)$", makefile)
    for target in set(phony.split()) - {"FORCE"}:
        assert re.search(rf"(?m)^  make {target} ", result.stdout), f"{target} is not listed"
    assert not (clone / ".venv").exists()


# The wheel.


def clean_environment():
    """This process's environment, without what leads a Python to other packages."""
    dropped = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON"}
    return {name: value for name, value in os.environ.items() if name not in dropped}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source distribution, built from the tree."""
    out = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT, env=clean_environment())
    assert built.returncode == 0, built.stdout
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def light(wheel, tmp_path_factory):
    """The programs of a new environment with the wheel and requirements/base.txt alone."""
    environment = tmp_path_factory.mktemp("light") / "venv"
    uv = Path(sys.executable).with_name("uv")  # the locked one
    scripts = environment / "bin"
    target = ["--python", scripts / "python"]
    for command in [
        ["venv", "--python", sys.executable, environment],
        ["pip", "sync", *target, "--system-certs", "--require-hashes", ROOT / "requirements" / "base.txt"],
        ["pip", "install", *target, "--no-deps", "--offline", wheel],
        ["pip", "check", *target],
    ]:
        done = run(uv, *command, env=clean_environment())
        assert done.returncode == 0, done.stdout
    return scripts


@pytest.fixture
def bundle(tmp_path):
    """A copy of the committed bundle, outside the clone."""
    return shutil.copytree(ROOT / "artifacts", tmp_path / "artifacts")


@pytest.fixture
def command(light, tmp_path):
    """Runs the program of the light environment outside the clone."""
    return lambda *arguments: run(light / "xorexport", *arguments, cwd=tmp_path, env=clean_environment())


class TestWheel:
    def test_has_the_package_and_its_data_and_nothing_else(self, wheel):
        names = zipfile.ZipFile(wheel).namelist()
        assert {name.split("/")[0].split("-")[0] for name in names} == {"xorexport"}
        package = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "xorexport").rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert package <= set(names)
        assert any(name.endswith("/licenses/LICENSE") for name in names)

    @pytest.mark.parametrize("module", ["tensorflow", "keras", "tf2onnx"])
    def test_brings_no_tensorflow(self, light, tmp_path, module):
        result = run(light / "python", "-c", f"import {module}", cwd=tmp_path, env=clean_environment())
        assert result.returncode == 1
        assert "ModuleNotFoundError" in result.stdout

    def test_is_what_is_imported_outside_the_clone(self, light, tmp_path):
        code = "import xorexport; print(xorexport.__file__)"
        result = run(light / "python", "-c", code, cwd=tmp_path, env=clean_environment())
        assert Path(result.stdout.strip()).is_relative_to(light.parent), result.stdout

    def test_verifies_the_committed_bundle(self, command, bundle):
        result = command("verify", bundle)
        assert result.returncode == 0, result.stdout
        assert "FAIL" not in result.stdout
        skips = [line for line in result.stdout.splitlines() if line.startswith("SKIPPED")]
        for engine in ["keras", "savedmodel"]:
            (line,) = [skip for skip in skips if f" on {engine}:" in skip]
            assert "xorexport[tensorflow]" in line, "a skip names what to install"

    def test_verifies_every_file_that_needs_no_tensorflow(self, command, bundle):
        rows = json.loads(command("verify", bundle, "--json").stdout)["parity"]
        outcomes = {row["engine"]: set() for row in rows}
        for row in rows:
            outcomes[row["engine"]].add(row["outcome"])
        assert outcomes.pop("keras") == outcomes.pop("savedmodel") == {"SKIPPED"}
        assert set().union(*outcomes.values()) == {"PASS"}
        assert {row["format"] for row in rows if row["outcome"] == "PASS"} == {"tflite", "onnx"}

    def test_fails_where_a_skipped_engine_is_required(self, command, bundle):
        assert command("verify", bundle, "--require", "keras").returncode == 2

    def test_inspects_the_committed_bundle(self, command, bundle):
        result = command("inspect", bundle)
        assert result.returncode == 0, result.stdout
        assert "batch" in result.stdout

    def test_predicts_with_the_committed_bundle(self, command, bundle):
        result = command("predict", bundle, "0", "1")
        assert result.returncode == 0, result.stdout
        (value,) = re.findall(r"(?m)^\S+ = ([\d.e-]+)", result.stdout)
        assert float(value) > 0.95

    def test_says_what_exporting_needs(self, command, tmp_path):
        result = command("export", "-o", tmp_path / "out")
        assert result.returncode == 2, result.stdout
        assert "xorexport[tensorflow]" in result.stdout
        assert "Traceback" not in result.stdout
        assert not (tmp_path / "out").exists()
