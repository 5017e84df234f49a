"""Large weights of ONNX models in a file of their own: here with the limits of two gigabytes lowered to kilobytes."""

import shutil

import keras
import numpy as np
import onnx
import pytest
from keras import layers, ops
from sample_models import randomised
from support import contents, manifest_of, xorexport

from xorexport.bundle import Bundle
from xorexport.errors import ExportError
from xorexport.exporters import onnx_conversion
from xorexport.exporters.onnx_external import ALIGNMENT
from xorexport.pipeline import ExportRequest, export
from xorexport.prediction import Choice, predict_inputs
from xorexport.results import Outcome
from xorexport.spec import Precision
from xorexport.verification.verify import Selection, verify_folder

ENGINES = ("onnxruntime", "onnxruntime-plain", "onnx-reference")
HUGE = 20_000
"""Bytes: more than a weight that may be folded with others, less than those that are large here."""


def words():
    """An embedding and two dense layers: two weights beyond the limit, one that is large, and small ones."""
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    vectors = layers.Flatten(name="flat")(layers.Embedding(700, 8, name="table")(tokens))
    hidden = layers.Dense(200, activation="relu", name="wide")(vectors)
    hidden = layers.Dense(22, activation="tanh", name="narrow")(hidden)
    return randomised(keras.Model(tokens, layers.Dense(2, name="y")(hidden), name="words"))


LARGE = {"table/embeddings": (700, 8), "wide/kernel": (32, 200)}


def exported(folder, model=None, **request):
    model = model or words()
    return export(ExportRequest(model=model, formats=("onnx",), **request), folder / "bundle")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle with external data, not to be changed."""
    folder = tmp_path_factory.mktemp("external")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_conversion, "HUGE", HUGE)
        report = exported(folder)
    assert report.exit_code == 0, [row for row in report.rows() if row.outcome is not Outcome.PASS]
    return folder / "bundle"


@pytest.fixture
def copy(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "copy")


def external(folder, name="words"):
    """The file without data, and by name what its external initialisers say of their place."""
    model = onnx.load(folder / f"{name}.onnx", load_external_data=False)
    places = {
        tensor.name: {entry.key: entry.value for entry in tensor.external_data}
        for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    }
    return model, places


def weights(folder, name="words"):
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(folder / f"{name}.onnx").graph.initializer
    }


def assert_holds_the_weights(folder, model, name="words"):
    found = weights(folder, name)
    for variable in model.variables:
        array = np.asarray(variable.value)
        assert found[variable.path.removeprefix(f"{name}/")].tobytes() == array.tobytes(), variable.path


def test_large_weights_stand_beside_the_model_and_small_ones_in_it(bundle):
    model, places = external(bundle)
    assert set(places) == set(LARGE)
    inside = {tensor.name for tensor in model.graph.initializer} - set(places)
    assert {"wide/bias", "narrow/kernel", "narrow/bias", "y/kernel", "y/bias"} <= inside
    data = (bundle / "words.onnx.data").stat().st_size
    ends = []
    for name, place in places.items():
        assert place["location"] == "words.onnx.data"
        assert int(place["length"]) == 4 * np.prod(LARGE[name])
        assert int(place["offset"]) % ALIGNMENT == 0
        ends.append((int(place["offset"]), int(place["offset"]) + int(place["length"])))
    (_, end), (begin, last) = sorted(ends)
    assert end <= begin
    assert last <= data < last + ALIGNMENT
    assert (bundle / "words.onnx").stat().st_size < 40_000
    assert [value.name for value in model.graph.input] == ["tokens"]


def test_both_files_are_the_artifact_and_every_engine_ran_them(bundle):
    (artifact,) = Bundle.read(bundle).manifest.artifacts
    assert [file.path for file in artifact.files] == ["words.onnx", "words.onnx.data"]
    assert artifact.size == sum((bundle / file.path).stat().st_size for file in artifact.files)
    report = verify_folder(bundle, Selection())
    assert report.exit_code == 0
    assert {row.engine for row in report.parity} == set(ENGINES)
    assert {row.outcome for row in report.rows()} == {Outcome.PASS}
    assert {"words.onnx", "words.onnx.data"} <= {row.path for row in report.digests}
    onnx.checker.check_model(bundle / "words.onnx", full_check=True)


def test_the_weights_come_back_bit_for_bit(bundle):
    assert_holds_the_weights(bundle, words())


def test_the_bundle_predicts_where_it_is_moved_to(copy, tmp_path):
    moved = copy.rename(tmp_path / "moved")
    np.savez(tmp_path / "rows.npz", tokens=np.int32([[1, 2, 3, 699], [4, 0, 5, 6]]))
    expected = words().predict(np.int32([[1, 2, 3, 699], [4, 0, 5, 6]]), verbose=0)
    for engine in ENGINES:
        found = predict_inputs(moved, tmp_path / "rows.npz", Choice(engine))
        np.testing.assert_allclose(found.outputs["y"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("place", ["table/embeddings", "wide/kernel"])
def test_a_changed_weight_is_found_by_its_digest_and_by_the_engines(copy, place):
    _, places = external(copy)
    raw = bytearray((copy / "words.onnx.data").read_bytes())
    offset, length = (int(places[place][key]) for key in ("offset", "length"))
    values = np.frombuffer(raw, np.float32, length // 4, offset)
    values[:] = values * np.float32(1.1)
    (copy / "words.onnx.data").write_bytes(raw)
    report = verify_folder(copy, Selection())
    assert report.exit_code == 1
    (failed,) = [row for row in report.digests if row.outcome is not Outcome.PASS]
    assert (failed.path, failed.outcome) == ("words.onnx.data", Outcome.FAIL)
    # What was changed is not run: an engine may be made to read anything by it.
    assert {row.outcome for row in report.parity} == {Outcome.SKIPPED}
    assert all("words.onnx.data" in row.reason for row in report.parity)
    report = verify_folder(copy, Selection(digests=False))
    assert report.exit_code == 1
    assert {row.engine for row in report.parity if row.outcome is Outcome.FAIL} == set(ENGINES)


def test_predict_refuses_changed_data(copy, tmp_path):
    raw = bytearray((copy / "words.onnx.data").read_bytes())
    raw[5] ^= 1
    (copy / "words.onnx.data").write_bytes(raw)
    np.savez(tmp_path / "rows.npz", tokens=np.int32([[1, 2, 3, 4]]))
    result = cli_predict(copy, tmp_path)
    assert result == 1


def cli_predict(folder, rows):
    from xorexport import cli

    return cli.run(["predict", str(folder), "--input", str(rows / "rows.npz"), "--engine", "onnxruntime"])


def test_data_that_is_missing_is_an_error(copy):
    (copy / "words.onnx.data").unlink()
    from xorexport.errors import BundleError

    with pytest.raises(BundleError, match=r"words\.onnx\.data"):
        verify_folder(copy, Selection())
    report = verify_folder(copy, Selection(digests=False))
    assert report.exit_code == 2
    assert {row.outcome for row in report.parity} == {Outcome.ERROR}


def test_a_bundle_with_external_data_is_replaced_by_one_without(copy, bundle):
    assert export(ExportRequest(model=words(), formats=("onnx",)), copy).exit_code == 0
    assert set(contents(copy)) == {*contents(bundle)} - {"words.onnx.data"}


# Precisions.


@pytest.mark.parametrize("precision", [Precision.FLOAT16, Precision.INT8_DYNAMIC])
def test_such_a_model_is_not_quantised(tmp_path, monkeypatch, precision):
    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    with pytest.raises(ExportError, match=rf"onnx {precision} of 'words.onnx': expected a model below 2 GB") as caught:
        exported(tmp_path, precisions=(Precision.FLOAT32, precision))
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_other_formats_are_quantised_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    request = ExportRequest(
        model=words(), formats=("tflite", "onnx"), keep_going=True, precisions=(Precision.FLOAT32, Precision.FLOAT16)
    )
    report = export(request, tmp_path / "bundle")
    assert report.exit_code == 2
    assert [(entry.format, entry.precision) for entry in report.refused] == [("onnx", Precision.FLOAT16)]
    files = {"words.tflite", "words-float16.tflite", "words.onnx", "words.onnx.data"}
    assert {file["path"] for entry in manifest_of(tmp_path / "bundle")["artifacts"] for file in entry["files"]} == files
    assert verify_folder(tmp_path / "bundle", Selection()).exit_code == 0


# Other models, and other ways out.


def test_the_bytes_are_those_of_another_export(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    assert exported(tmp_path).exit_code == 0
    again, first = contents(tmp_path / "bundle"), contents(bundle)
    assert [name for name in first if first[name] != again.get(name)] == []


def test_many_weights_that_are_too_much_together_all_stand_beside_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_conversion, "LIMIT", 50_000)
    assert exported(tmp_path).exit_code == 0
    _, places = external(tmp_path / "bundle")
    # Those that freezing kept out of the graph; a bias is never worth it.
    assert set(places) == {*LARGE, "narrow/kernel"}
    assert_holds_the_weights(tmp_path / "bundle", words())


def test_weights_below_both_limits_stay_in_the_model(tmp_path, monkeypatch):
    size = sum(4 * int(np.prod(shape)) for shape in LARGE.values()) + 4 * 200 * 22
    monkeypatch.setattr(onnx_conversion, "HUGE", 4 * 32 * 200)
    monkeypatch.setattr(onnx_conversion, "LIMIT", size + 1)
    assert exported(tmp_path).exit_code == 0
    assert not (tmp_path / "bundle" / "words.onnx.data").exists()
    assert external(tmp_path / "bundle")[1] == {}


def test_a_weight_that_is_used_twice_stands_there_once(tmp_path, monkeypatch):
    """A table that gives vectors to tokens and, turned round, scores to vectors, as in language models."""
    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    table = layers.Embedding(700, 8, name="table")
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    hidden = ops.mean(table(tokens), axis=1)

    class Scores(layers.Layer):
        def call(self, hidden):
            return ops.matmul(hidden, ops.transpose(table.embeddings))

    model = randomised(keras.Model(tokens, Scores(name="scores")(hidden), name="tied"))
    assert exported(tmp_path, model).exit_code == 0
    _, places = external(tmp_path / "bundle", "tied")
    assert list(places) == ["table/embeddings"]
    assert (tmp_path / "bundle" / "tied.onnx.data").stat().st_size < 4 * 700 * 8 + ALIGNMENT
    assert_holds_the_weights(tmp_path / "bundle", model, "tied")


def test_equal_weights_stay_two_and_keep_their_names(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    x = keras.Input((100,), name="x")
    first, second = layers.Dense(60, name="first"), layers.Dense(60, name="second")
    model = randomised(keras.Model(x, {"a": first(x), "b": second(ops.tanh(x))}, name="twins"))
    second.set_weights(first.get_weights())
    assert exported(tmp_path, model).exit_code == 0
    assert set(external(tmp_path / "bundle", "twins")[1]) == {"first/kernel", "second/kernel"}
    assert len(weights(tmp_path / "bundle", "twins")) == 3, "one bias in place of two"


def test_another_process_verifies_and_inspects_it(bundle):
    result = xorexport("inspect", bundle, "--json")
    assert result.returncode == 0, result.stderr
    assert "words.onnx" in result.stdout


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_model_that_onnx_does_not_accept_leaves_no_data_behind(tmp_path, monkeypatch, keep_going):
    from xorexport.exporters import onnx as exporter

    monkeypatch.setattr(onnx_conversion, "HUGE", HUGE)
    monkeypatch.setattr(exporter, "SUBSTITUTES", {})
    x = keras.Input((100,), name="x")
    hidden = layers.Dense(60, name="wide")(x)
    gelu = layers.Activation(lambda x: keras.activations.gelu(x, approximate=False), name="exact")(hidden)
    model = randomised(keras.Model(x, layers.Dense(1, name="y")(gelu), name="exact"))
    request = ExportRequest(model=model, formats=("tflite", "onnx"), keep_going=keep_going)
    if keep_going:
        assert export(request, tmp_path / "bundle").exit_code == 2
        assert set(contents(tmp_path / "bundle")) >= {"exact.tflite", "manifest.json", "report.json"}
        assert not [name for name in contents(tmp_path / "bundle") if "onnx" in name]
        # A file that no manifest lists would keep the bundle from being replaced.
        assert export(ExportRequest(model=model, formats=("tflite",)), tmp_path / "bundle").exit_code == 0
    else:
        with pytest.raises(ExportError, match="Erfc in layer 'exact'"):
            export(request, tmp_path / "bundle")
        assert list(tmp_path.iterdir()) == []
