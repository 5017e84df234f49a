"""Models that take or return text: what holds them matches, the rest says why it does not."""

import io
import json
import shutil
import sys

import msgspec
import numpy as np
import pytest
from support import manifest_of, rewrite_manifest

from xorexport.bundle import Bundle
from xorexport.cli import run
from xorexport.consistency import problems
from xorexport.dtypes import known, texts
from xorexport.errors import BundleError, UsageError
from xorexport.inputs import csv
from xorexport.inputs.arrays import from_arrays
from xorexport.network.domains import domains_of
from xorexport.network.interface import interface_of
from xorexport.pipeline import ExportRequest, export
from xorexport.samples import Words, draw
from xorexport.spec import Manifest, TensorData, TensorSpec, Tolerance
from xorexport.verification.comparison import compare
from xorexport.verification.verify import Selection, verify

COLOURS = ["red", "green", "größer blau"]


def colours():
    """A model of words and numbers that returns numbers and a word: 'red' where the first word is red, else 'green'."""
    import keras
    from keras import layers

    words = keras.Input((2,), dtype="string", name="words")
    z = keras.Input((2,), name="z")
    numbers = layers.StringLookup(vocabulary=COLOURS, name="lookup")(words)
    vectors = layers.Flatten()(layers.Embedding(4, 3, name="embedding")(numbers))
    score = layers.Dense(1, name="score")(layers.Concatenate()([vectors, z]))
    is_red = keras.ops.cast(keras.ops.equal(numbers[:, 0], 1), "int32")
    name = layers.StringLookup(vocabulary=["green", "red"], num_oov_indices=0, invert=True, name="name")
    return keras.Model({"words": words, "z": z}, [score, name(is_red)])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The model's bundle, without the formats that hold no strings, and the report."""
    folder = tmp_path_factory.mktemp("strings") / "colours"
    report = export(ExportRequest(model=colours(), keep_going=True), folder)
    return folder, report


def test_keras_and_savedmodel_match_and_the_rest_names_the_layer(bundle):
    folder, report = bundle
    assert {row.format: row.outcome for row in report.parity} == {"keras": "PASS", "savedmodel": "PASS"}
    reasons = {refusal.format: refusal.reason for refusal in report.refused}
    assert set(reasons) == {"tflite", "onnx"}
    for reason in reasons.values():
        assert "words string[batch, 2]" in reason
        assert "LookupTableFindV2 in layers 'lookup' and 'name'" in reason
    assert verify(Bundle.read(folder), Selection()).exit_code == 0


def test_golden_data_has_known_and_unknown_words_and_both_answers(bundle):
    golden = Bundle.read(bundle[0]).manifest.golden
    words = {word for of_set in golden for word in of_set.inputs["words"].values}
    assert set(COLOURS) < words
    assert {word for of_set in golden for word in of_set.outputs["name"].values} == {"red", "green"}


def test_another_word_in_the_golden_data_is_a_mismatch(bundle, tmp_path):
    folder = shutil.copytree(bundle[0], tmp_path / "copy")

    def change(content):
        content["golden"][0]["outputs"]["name"]["values"][0] = "blue"

    rewrite_manifest(folder, change)
    failed = [row for row in verify(Bundle.read(folder), Selection()).parity if row.outcome == "FAIL"]
    assert {row.format for row in failed} == {"keras", "savedmodel"}
    assert all("expected 'blue' +- 0, found" in row.reason for row in failed)


@pytest.mark.parametrize(
    ("values", "problem"), [([1.0, 2.0], "with other values"), (None, "with both values and a file, or with neither")]
)
def test_a_manifest_whose_strings_are_none_contradicts_itself(bundle, values, problem):
    content = manifest_of(bundle[0])
    tensor = content["golden"][0]["inputs"]["words"]
    tensor["values"] = values and values * (len(tensor["values"]) // 2)
    assert any(problem in found for found in problems(msgspec.convert(content, Manifest)))


def test_strings_in_a_file_are_refused(bundle):
    tensor = TensorData(dtype="string", shape=(1,), file="golden/words.bin")
    with pytest.raises(BundleError, match="expected strings for 'words' in the manifest itself, found a file"):
        Bundle.read(bundle[0]).golden_arrays({"words": tensor})


# Predicting.


@pytest.mark.parametrize(
    "source",
    [
        'words_0,words_1,z_0,z_1\nred,"größer blau",0.5,-1\ngreen,red,0.5,-1\n',
        'red,"größer blau",0.5,-1\ngreen,red,0.5,-1\n',
        '{"words": [["red", "größer blau"], ["green", "red"]], "z": [[0.5, -1], [0.5, -1]]}',
    ],
)
def test_text_is_read_from_csv_and_json(bundle, capsys, monkeypatch, source):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.encode())))
    assert run(["predict", str(bundle[0]), "--input", "-", "--json", "--engine", "savedmodel"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs"]["name"] == ["red", "green"]


def test_text_is_read_from_arguments_and_written_as_numpys_own(bundle, capsys, tmp_path):
    assert run(["predict", str(bundle[0]), "red", "green", "0.5", "-1", "--engine", "savedmodel"]) == 0
    assert "name = red" in capsys.readouterr().out
    np.savez(tmp_path / "in.npz", words=np.array([["green", "red"]]), z=np.zeros((1, 2), np.float32))
    out = tmp_path / "out.npz"
    assert run(["predict", str(bundle[0]), "--input", str(tmp_path / "in.npz"), "--output", str(out)]) == 0
    assert np.load(out, allow_pickle=False)["name"].tolist() == ["green"]


@pytest.mark.parametrize(
    ("given", "found"), [(np.array([1.5]), "found floats"), (np.array(["a", None], dtype=object), "found None")]
)
def test_what_is_no_text_is_refused(given, found):
    with pytest.raises(UsageError, match=f"expected text, {found}"):
        from_arrays({"word": given}, [TensorSpec(name="word", dtype="string", shape=(None,))], "samples")


def test_a_first_line_of_words_is_a_header_only_if_it_has_a_columns_name():
    specs = [TensorSpec(name="word", dtype="string", shape=(None,))]
    assert csv.parse("word\nred\n", specs, "rows").arrays["word"].tolist() == ["red"]
    assert csv.parse("blue\nred\n", specs, "rows").arrays["word"].tolist() == ["blue", "red"]


# The parts.


def test_text_of_any_kind_becomes_pythons():
    for array in (np.array(["a", "ü"]), np.array([b"a", "ü".encode()], dtype=object), ["a", "ü"]):
        found = texts(array)
        assert (found.dtype, found.tolist()) == (np.dtype(object), ["a", "ü"])
    assert texts(np.float32([1])).dtype == np.float32
    assert [known(name) for name in ("string", "float32", "object", "complex64", "str")] == [True, True] + [False] * 3


def test_strings_match_only_as_a_whole():
    wanted = np.array(["red", "green"], dtype=object)
    assert compare("word", wanted.copy(), wanted, Tolerance(rtol=1, atol=9)).outcome == "PASS"
    result = compare("word", np.array(["red", "Green"], dtype=object), wanted, Tolerance(rtol=1, atol=9))
    assert (result.outcome, result.worst, result.max_abs) == ("FAIL", (1,), 1.0)


def test_drawn_text_is_what_the_layers_know():
    import keras
    from keras import layers

    text = keras.Input((1,), dtype="string", name="text")
    word = keras.Input((1,), dtype="string", name="word")
    read = layers.TextVectorization(vocabulary=["the", "cat"], output_sequence_length=4)(text)
    model = keras.Model([text, word], [read, layers.StringLookup(vocabulary=["up", "down"])(word)])
    specs = interface_of(model).inputs
    assert domains_of(model, specs) == {"text": Words(("the", "cat"), 12), "word": Words(("up", "down"), 1)}
    drawn = draw(specs, domains_of(model, specs), 200, seed=3)
    assert drawn["text"].shape == (200, 1)
    assert set(" ".join(drawn["text"].flat).split()) == {"the", "cat", "unheard"}
    assert set(drawn["word"].flat) == {"up", "down", "unheard"}
    assert max(len(value.split()) for value in drawn["text"].flat) == 12
