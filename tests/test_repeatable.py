"""Two exports of the same model in two fresh processes are the same bytes, in every file."""

import json
import os
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from support import ROOT, contents, finish, sample_model, start, xorexport

MODELS = ("xor", "convnet")


@pytest.fixture(scope="session")
def exports(fresh_exports):
    """Both models' bundles, each exported in two processes that know nothing of each other."""
    return {name: [folder for folder, _ in fresh_exports[name]] for name in MODELS}


@pytest.mark.parametrize("model", MODELS)
def test_every_file_has_the_same_bytes(exports, model):
    first, second = (contents(folder) for folder in exports[model])
    assert sorted(first) == sorted(second)
    assert {f"{model}.keras", f"{model}.onnx", f"{model}.tflite", "manifest.json", "report.json"} <= set(first)
    assert f"{model}.savedmodel/saved_model.pb" in first
    different = [name for name in first if first[name] != second[name]]
    assert different == []


@pytest.mark.parametrize("model", MODELS)
def test_no_file_holds_a_time_an_address_or_this_machine(exports, model):
    for name, data in contents(exports[model][0]).items():
        for folder in (Path.home(), tempfile.gettempdir(), sys.prefix, sys.base_prefix, ROOT):
            assert os.fsencode(f"{folder}{os.sep}") not in data, (name, folder)
        for word in (b"xorexport-", b"site-packages"):
            assert word not in data, (name, word)
    with zipfile.ZipFile(exports[model][0] / f"{model}.keras") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(archive.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"
        addresses = re.findall(rb'"shared_object_id": (\d+)', archive.read("config.json"))
        assert all(int(number) < 100 for number in addresses)


def test_the_two_models_differ(exports):
    # Otherwise equal bytes would say little.
    xor, convnet = (contents(exports[name][0])["manifest.json"] for name in MODELS)
    assert xor != convnet


def test_the_written_keras_file_loads_and_exports_to_the_same_files_again(exports, tmp_path):
    from xorexport.pipeline import ExportRequest, export

    first = exports["convnet"][0]
    export(ExportRequest(model=str(first / "convnet.keras"), formats=("tflite", "onnx")), tmp_path / "again")
    assert (tmp_path / "again" / "convnet.tflite").read_bytes() == (first / "convnet.tflite").read_bytes()
    assert (tmp_path / "again" / "convnet.onnx").read_bytes() == (first / "convnet.onnx").read_bytes()


def test_another_seed_gives_other_bytes(exports, tmp_path):
    from xorexport.network.training import TrainingSettings
    from xorexport.pipeline import ExportRequest, export

    report = export(ExportRequest(training=TrainingSettings(seed=3)), tmp_path / "other")
    assert report.exit_code == 0
    first, other = contents(exports["xor"][0]), contents(tmp_path / "other")
    assert all(first[name] != other[name] for name in ("xor.onnx", "xor.tflite", "xor.keras", "manifest.json"))


def test_sample_model_and_command_line_agree(exports):
    assert json.loads(contents(exports["convnet"][0])["manifest.json"])["model"]["parameters"] == (
        sample_model("convnet").count_params()
    )
    assert xorexport("verify", exports["convnet"][1], "--format", "onnx").returncode == 0


# tf2onnx keeps sets of names, whose order is that of their hashes.

CODE = """
import sys
from pathlib import Path
from support import sample_model
from xorexport.exporters import onnx_conversion
from xorexport.pipeline import ExportRequest, export
from xorexport.tracing import freezing
for name in ("recurrent", "attention", "embedding"):
    if name == "embedding":
        onnx_conversion.HUGE, freezing.LARGE = 100, 100
    report = export(ExportRequest(model=sample_model(name), formats=("onnx",)), Path(sys.argv[1]) / name)
    assert report.exit_code == 0, report
print(hash("a string"))
"""


def test_onnx_files_do_not_depend_on_the_hashes_of_strings(tmp_path):
    seeds = ("1", "2")
    running = [start("-c", CODE, tmp_path / seed, environment={"PYTHONHASHSEED": seed}) for seed in seeds]
    results = [finish(process) for process in running]
    assert [result.returncode for result in results] == [0, 0], [result.stderr for result in results]
    assert results[0].stdout != results[1].stdout
    first, second = (contents(tmp_path / seed) for seed in seeds)
    files = {"recurrent/recurrent.onnx", "attention/attention.onnx", "embedding/embedding.onnx"}
    assert {*files, "embedding/embedding.onnx.data"} <= set(first)
    assert [name for name in first if first[name] != second.get(name)] == []
