"""A user's own samples through a whole export: what is checked on, what is calibrated with, from every source."""

import json
import sys

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from sample_models import randomised
from support import manifest_of

from xorexport import cli
from xorexport.bundle import Bundle
from xorexport.errors import UsageError
from xorexport.exporters.base import Exporter
from xorexport.network.interface import parse_spec
from xorexport.pipeline import ExportRequest, export
from xorexport.spec import Precision
from xorexport.verification.verify import Selection, verify_folder

PRECISIONS = (Precision.FLOAT32, Precision.INT8)


def dense(batch=None):
    x = keras.Input((3,), name="x")
    hidden = layers.Dense(5, activation="tanh", name="hidden")(x)
    return randomised(keras.Model(x, layers.Dense(2, name="y")(hidden), name="dense"))


def rows(count, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 3)).astype(np.float32)


@pytest.fixture
def calibrations(monkeypatch):
    """Every set of batches that an artifact was quantised with, by the artifact's path."""
    seen, quantized = {}, Exporter.quantized

    def watched(self, artifact, precision, calibration, root):
        seen[artifact.path] = calibration.batches
        return quantized(self, artifact, precision, calibration, root)

    monkeypatch.setattr(Exporter, "quantized", watched)
    return seen


def exported(folder, samples, formats=("tflite",), **request):
    request = {"model": dense(), "formats": formats, "precisions": PRECISIONS, "samples": samples, **request}
    report = export(ExportRequest(**request), folder)
    assert report.exit_code == 0, list(report.rows())
    return report


def checked(folder, name="x"):
    """The rows that a bundle is checked on, set by set."""
    bundle = Bundle.read(folder)
    return {golden.name: bundle.golden_arrays(golden.inputs)[name] for golden in bundle.manifest.golden}


def as_set(*arrays):
    return {row.tobytes() for array in arrays for row in array}


def calibrated(batches, name="x"):
    return np.concatenate([batch[name] for batch in batches])


# What is held back.


def test_rows_are_calibrated_with_or_checked_on_and_never_both(tmp_path, calibrations):
    given = rows(130)
    exported(tmp_path / "bundle", {"x": given}, formats=("tflite", "onnx"))
    sets = checked(tmp_path / "bundle")
    assert {name: len(array) for name, array in sets.items()} == {"samples": 3, "more-samples": 17, "held-back": 6}
    for path in ("dense.tflite", "dense.onnx"):
        used = calibrated(calibrations[path])
        assert len(used) == 104
        assert not as_set(used) & as_set(*sets.values())
        assert as_set(used) | as_set(*sets.values()) == as_set(given)
    assert {len(batch["x"]) for batch in calibrations["dense.tflite"]} == {32, 8}
    assert {entry.budget[0].rows for entry in Bundle.read(tmp_path / "bundle").manifest.artifacts if entry.budget} == {
        26
    }


def test_the_seed_alone_decides_which(tmp_path, calibrations):
    given, found = rows(40), []
    for number, seed in enumerate((4, 4, 5)):
        exported(tmp_path / str(number), {"x": given}, seed=seed)
        found.append(
            (as_set(*checked(tmp_path / str(number)).values()), as_set(calibrated(calibrations["dense.tflite"])))
        )
    first, again, other = found
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]
    names = [f"{number}/dense-int8.tflite" for number in range(3)]
    data = [(tmp_path / name).read_bytes() for name in names]
    assert data[0] == data[1]
    manifests = [(tmp_path / str(number) / "manifest.json").read_bytes() for number in range(3)]
    assert manifests[0] == manifests[1] != manifests[2]
    assert manifest_of(tmp_path / "2")["settings"] == {"samples_seed": 5}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_rows_do_for_both(tmp_path, calibrations, count):
    given = rows(count)
    exported(tmp_path / "bundle", {"x": given})
    sets = checked(tmp_path / "bundle")
    assert as_set(*sets.values()) <= as_set(given)
    assert as_set(calibrated(calibrations["dense.tflite"])) == as_set(given)
    assert len(as_set(*sets.values())) == 1
    assert {name: len(array) for name, array in sets.items()} == {"samples": 1, "more-samples": 17}
    assert (
        manifest_of(tmp_path / "bundle")["golden"][0]["description"]
        == f"1 of {count} given rows, chosen with seed 0, which it is calibrated with as well"
    )


# A fixed batch.


@pytest.mark.parametrize(("count", "held", "used"), [(4, 4, 4), (7, 4, 4), (8, 4, 4), (15, 4, 8), (50, 8, 40)])
def test_a_fixed_batch_is_filled_with_rows_of_its_own(tmp_path, calibrations, count, held, used):
    signature = (parse_spec("x float32[4, 3]"),)
    given = rows(count)
    exported(tmp_path / "bundle", {"x": given}, inputs=signature)
    sets = checked(tmp_path / "bundle")
    assert len(as_set(*sets.values())) == held
    batches = calibrations["dense.tflite"]
    assert {batch["x"].shape for batch in batches} == {(4, 3)}
    assert len(calibrated(batches)) == used
    if count >= 8:
        assert not as_set(calibrated(batches)) & as_set(*sets.values())
    assert all(golden["batch_sizes"] == [4] for golden in manifest_of(tmp_path / "bundle")["golden"])


def test_too_few_rows_for_a_fixed_batch_are_refused(tmp_path):
    request = ExportRequest(model=dense(), samples={"x": rows(3)}, inputs=(parse_spec("x float32[4, 3]"),))
    with pytest.raises(UsageError, match=r"--samples: expected at least 4 rows, found 3"):
        export(request, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


# Sources.


def run(folder, capsys, model, samples, *options):
    """The command line, in this process; returns what it printed as JSON."""
    model.save(folder / f"{model.name}.keras")
    arguments = ["export", folder / f"{model.name}.keras", "-o", folder / "bundle", "--samples", samples, "--json"]
    for option in ("--format tflite", "--precision float32", "--precision int8"):
        arguments += option.split()
    assert cli.run([*map(str, arguments), *options]) == 0, capsys.readouterr().err
    assert verify_folder(folder / "bundle", Selection()).exit_code == 0
    return json.loads(capsys.readouterr().out)


def two_inputs():
    """Floats and token ids."""
    x, tokens = keras.Input((3,), name="x"), keras.Input((2,), dtype="int32", name="tokens")
    vectors = layers.Flatten(name="flat")(layers.Embedding(50, 2, name="table")(tokens))
    mixed = layers.Concatenate(name="mixed")([x, vectors])
    return randomised(keras.Model([x, tokens], layers.Dense(1, activation="sigmoid", name="y")(mixed), name="mixed_up"))


def test_from_npz_rows_of_all_inputs_stay_together(tmp_path, capsys, calibrations):
    numbers = np.arange(30)
    arrays = {"x": rows(30), "tokens": np.stack([numbers, numbers + 20], axis=1)}
    np.savez(tmp_path / "rows.npz", **arrays)
    printed = run(tmp_path, capsys, two_inputs(), tmp_path / "rows.npz")
    assert [row["artifact"] for row in printed["budgets"]] == ["mixed_up-int8.tflite"]
    seen = []
    (batch,) = calibrations["mixed_up.tflite"]
    sets = [
        (array, checked(tmp_path / "bundle", "tokens")[name]) for name, array in checked(tmp_path / "bundle").items()
    ]
    for x, tokens in (*sets, (batch["x"], batch["tokens"])):
        assert tokens.dtype == np.int32
        for row, (token, other) in zip(x, tokens, strict=True):
            assert row.tobytes() == arrays["x"][token].tobytes()
            assert other == token + 20
            seen.append(token)
    assert set(seen) == set(range(30))
    assert not set(batch["tokens"][:, 0]) & {int(token) for _, tokens in sets for token in tokens[:, 0]}


def test_from_csv(tmp_path, capsys, calibrations):
    given = rows(25)
    lines = ["x_0,x_1,x_2", *(",".join(str(value) for value in row) for row in given)]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    run(tmp_path, capsys, dense(), tmp_path / "rows.csv", "--samples-seed", "3")
    used = calibrated(calibrations["dense.tflite"])
    held = checked(tmp_path / "bundle")
    assert as_set(used) | as_set(*held.values()) == as_set(given)
    assert (len(used), len(as_set(*held.values()))) == (20, 5)
    assert manifest_of(tmp_path / "bundle")["golden"][0]["description"] == "3 of 25 given rows, chosen with seed 3"


def test_from_parquet(tmp_path, capsys, calibrations):
    import pyarrow
    from pyarrow import parquet

    given = rows(25)
    parquet.write_table(pyarrow.table({"x": given.tolist()}), tmp_path / "rows.parquet")
    run(tmp_path, capsys, dense(), tmp_path / "rows.parquet")
    held = checked(tmp_path / "bundle")
    assert as_set(calibrated(calibrations["dense.tflite"])) | as_set(*held.values()) == as_set(given)


def test_from_a_folder_of_images_whose_names_stand_in_the_bundle(tmp_path, capsys, calibrations):
    pixels = np.random.default_rng(3).integers(0, 256, (12, 6, 5, 3), dtype=np.uint8)
    (tmp_path / "photos").mkdir()
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / "photos" / f"bird{number:02}.png")
    image = keras.Input((6, 5, 3), name="image")
    hidden = layers.Flatten(name="flat")(layers.Rescaling(1 / 255, name="scale")(image))
    model = randomised(keras.Model(image, layers.Dense(3, activation="softmax", name="species")(hidden), name="birds"))
    run(tmp_path, capsys, model, tmp_path / "photos")
    bundle, seen = Bundle.read(tmp_path / "bundle"), set()
    for golden in bundle.manifest.golden:
        held = bundle.golden_arrays(golden.inputs)["image"]
        for name, array in zip(golden.row_names, held, strict=True):
            np.testing.assert_array_equal(array, pixels[int(name[4:6])])
            assert name.endswith(".png")
            seen.add(array.tobytes())
    assert len(seen) == 2
    used = as_set(calibrated(calibrations["birds.tflite"], "image"))
    assert used | seen == as_set(pixels.astype(np.float32))
    assert not used & seen


def test_from_a_generator_in_python(tmp_path, capsys, calibrations, monkeypatch):
    (tmp_path / "own_samples.py").write_text(
        "import numpy as np\n"
        "def batches():\n"
        "    generator = np.random.default_rng(8)\n"
        "    for _ in range(5):\n"
        "        yield {'x': generator.uniform(-1, 1, (4, 3))}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_samples", raising=False)
    run(tmp_path, capsys, dense(), "own_samples:batches")
    generator = np.random.default_rng(8)
    given = np.concatenate([generator.uniform(-1, 1, (4, 3)) for _ in range(5)]).astype(np.float32)
    held = checked(tmp_path / "bundle")
    assert as_set(calibrated(calibrations["dense.tflite"])) | as_set(*held.values()) == as_set(given)


def test_samples_widen_the_range_that_is_calibrated(tmp_path):
    """What the files are quantised with are the user's rows: their range is the input's."""
    for factor in (1, 50):
        exported(tmp_path / str(factor), {"x": factor * rows(60)}, precisions=(Precision.INT8,), integer_ends=True)
    scales = [
        manifest_of(tmp_path / str(factor))["artifacts"][0]["signature"]["inputs"][0]["quantization"]["scale"]
        for factor in (1, 50)
    ]
    assert scales[1] == pytest.approx(50 * scales[0], rel=1e-3)
    assert scales[0] == pytest.approx(2 / 255, rel=0.1)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"z": rows(9)}, "one array for each of x, found z"),
        ({"x": rows(9)[:, :2]}, "x float32[batch, 3]"),
        ({"x": rows(0)}, "row"),
    ],
)
def test_samples_that_do_not_fit_the_model_are_refused(tmp_path, arrays, part):
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(UsageError, match=r"rows\.npz") as caught:
        export(ExportRequest(model=dense(), samples=tmp_path / "rows.npz"), tmp_path / "bundle")
    assert part in str(caught.value)
    assert not (tmp_path / "bundle").exists()
