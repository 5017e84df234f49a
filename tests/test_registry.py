"""The lists of formats and engines: every entry leads somewhere, and an entry alone makes a new one work."""

import dataclasses
import importlib
import re

import pytest

from xorexport import registry
from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.exporters.base import Exporter
from xorexport.registry import ENGINES, FORMATS, Engine, Entry, Format, check_names, load
from xorexport.results import Outcome
from xorexport.runtimes.base import Runtime
from xorexport.verification.verify import Selection, verify_folder

ENTRIES = {
    **{f"{name} exporter": entry.exporter for name, entry in FORMATS.items()},
    **{f"{name} reader": entry.reader for name, entry in FORMATS.items()},
    **{f"{name} engine": engine.runtime for name, engine in ENGINES.items()},
}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_leads_to_what_its_name_says(name):
    target = load(ENTRIES[name], name)
    if name.endswith("exporter"):
        assert isinstance(target, Exporter)
        assert target.suffix.startswith(".")
    elif name.endswith("engine"):
        assert isinstance(target, Runtime)
    else:
        assert callable(target)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_requires_a_module_that_is_there_and_says_what_installs_it(name):
    assert importlib.util.find_spec(ENTRIES[name].requires)
    assert re.fullmatch(r"pip install ('xorexport\[tensorflow\]'|xorexport)", ENTRIES[name].hint)
    assert ("tensorflow" in ENTRIES[name].hint) == (ENTRIES[name].requires == "tensorflow")


def test_every_format_has_engines_and_every_engine_a_format():
    assert {engine.format for engine in ENGINES.values()} == set(FORMATS)


def test_the_formats_that_edge_and_servers_use_have_witnesses_of_more_than_one_family():
    for name in ("tflite", "onnx"):
        assert len({engine.family for engine in ENGINES.values() if engine.format == name}) > 1


def test_a_class_is_made_anew_with_its_options_each_time():
    with_it, without = load(ENGINES["litert-xnnpack"].runtime, ""), load(ENGINES["litert-builtin"].runtime, "")
    assert type(with_it) is type(without)
    assert with_it is not load(ENGINES["litert-xnnpack"].runtime, "")
    assert vars(with_it) != vars(without)


def test_what_is_not_installed_is_said_with_what_installs_it():
    with pytest.raises(EngineUnavailableError) as caught:
        load(Entry("no.such:thing", "no_such_library", "pip install it"), "engine nothing")
    assert str(caught.value) == (
        "engine nothing: expected the module no_such_library, found it is not installed; pip install it"
    )


def test_what_is_installed_and_broken_is_said_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text("import a_part_that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineUnavailableError, match=r"cannot be imported: No module named 'a_part_that_is_missing'"):
        load(Entry("broken_library:thing", "broken_library", "pip install it"), "engine broken")


@pytest.mark.parametrize(
    ("wrong", "remedy"), [("ONNX", "choose one of these"), ("onx", "did you mean 'onnx'?"), ("", "choose one of these")]
)
def test_a_wrong_name_is_refused_with_what_there_is(wrong, remedy):
    with pytest.raises(UsageError) as caught:
        check_names("--format", (wrong,), FORMATS)
    assert caught.value.remedy == remedy
    assert f"'{wrong}'" in str(caught.value)
    assert all(name in str(caught.value) for name in FORMATS)


def test_right_names_are_accepted():
    check_names("--format", tuple(FORMATS), FORMATS)
    check_names("--engine", (), ENGINES)


def test_an_engine_is_used_the_moment_it_is_listed(xor, monkeypatch):
    monkeypatch.setitem(ENGINES, "another", dataclasses.replace(ENGINES["onnx-reference"], family="another"))
    report = verify_folder(xor, Selection(formats=("onnx",)))
    rows = [row for row in report.parity if row.engine == "another"]
    assert len(rows) == 3
    assert {row.outcome for row in rows} == {Outcome.PASS}
    assert {row.engine for row in verify_folder(xor, Selection(engines=("another",))).parity} == {"another"}


def test_a_format_is_written_read_and_verified_the_moment_it_is_listed(tmp_path, monkeypatch):
    from support import manifest_of, sample_model

    from xorexport.inspection import inspect
    from xorexport.pipeline import ExportRequest, export

    reader = FORMATS["onnx"].reader
    exporter = registry._tensorflow("upper_case_onnx:UpperCase")
    (tmp_path / "upper_case_onnx.py").write_text(
        "from xorexport.exporters.onnx import OnnxExporter\nclass UpperCase(OnnxExporter):\n    suffix = '.ONNX2'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(FORMATS, "onnx2", Format(exporter, reader))
    monkeypatch.setitem(ENGINES, "second", Engine("onnx2", "onnx", ENGINES["onnx-reference"].runtime))
    report = export(ExportRequest(model=sample_model("two_by_two"), formats=("onnx2",)), tmp_path / "bundle")
    assert report.exit_code == 0
    assert {row.engine for row in report.parity} == {"second"}
    (artifact,) = manifest_of(tmp_path / "bundle")["artifacts"]
    assert (artifact["format"], artifact["path"]) == ("onnx2", "two_by_two.ONNX2")
    assert inspect(tmp_path / "bundle").contents[0].ops["MatMul"] > 0
