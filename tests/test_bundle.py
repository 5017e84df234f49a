"""Manifest and golden data: what is written reads back as the very same values, and whatever was changed is seen."""

import hashlib
import json
import struct

import msgspec
import numpy as np
import pytest
from support import manifest_of, rewrite_manifest

from xorexport import bundle
from xorexport.bundle import Bundle
from xorexport.errors import BundleError
from xorexport.results import Outcome
from xorexport.spec import (
    Artifact,
    Decision,
    FileDigest,
    GoldenSet,
    Manifest,
    ModelInfo,
    Precision,
    Signature,
    TensorSpec,
    Tolerance,
)
from xorexport.verification.verify import Selection, verify_folder

EMPTY = GoldenSet(name="set", description="", batch_sizes=(1,), inputs={}, outputs={})


def small_manifest(root, inputs=None, outputs=None):
    """A manifest with one artifact, whose file is no model: only digests can be checked."""
    (root / "net.onnx").write_bytes(b"not a model")
    files = bundle.digest_files(root, root / "net.onnx")
    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, 2), keras_name="x-1"),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 1)),),
    )
    arrays = {"inputs": inputs or {}, "outputs": outputs or {}}
    return Manifest(
        seal="",
        manifest_version=1,
        model=ModelInfo(
            name="net",
            description='quotes " and ü',
            parameters=3,
            weights_sha256="0" * 64,
            labels=("no", "yes"),
            decisions={"y": Decision.THRESHOLD},
        ),
        signature=signature,
        artifacts=(
            Artifact(
                format="onnx",
                precision=Precision.FLOAT32,
                path="net.onnx",
                size=files[0].size,
                files=files,
                signature=signature,
                details={"opset": "18"},
            ),
        ),
        golden=(bundle.record_golden(root, EMPTY, arrays),),
        tolerances={Precision.FLOAT32: Tolerance(rtol=1e-5, atol=1e-7)},
        versions={"xorexport": "0.1.0"},
        settings={"hidden": [16, 4], "loss": "mse", "margin": 0.05, "seed": 2},
    )


def write(root, manifest):
    (root / "manifest.json").write_bytes(bundle.seal(manifest))


@pytest.fixture
def small(tmp_path):
    write(tmp_path, small_manifest(tmp_path))
    return tmp_path


# The manifest.


def test_a_manifest_reads_back_as_it_was_written(tmp_path):
    manifest = small_manifest(tmp_path, {"x": np.float32([[0, 1]])}, {"y": np.float32([[0.1]])})
    write(tmp_path, manifest)
    read = Bundle.read(tmp_path).manifest
    assert msgspec.structs.replace(read, seal="") == manifest
    assert len(read.seal) == 64


def test_the_seal_is_the_digest_of_the_bytes_with_zeros_in_its_place(small):
    raw = (small / "manifest.json").read_bytes()
    seal = manifest_of(small)["seal"].encode()
    assert raw.count(seal) == 1
    assert hashlib.sha256(raw.replace(seal, b"0" * 64)).hexdigest().encode() == seal
    assert bundle.seal_holds(raw) is True


def test_a_manifest_is_indented_utf8_json_that_ends_with_a_newline(small):
    text = (small / "manifest.json").read_text(encoding="utf-8")
    assert text.startswith('{\n  "seal": "')
    assert text.endswith("}\n")
    assert manifest_of(small)["model"]["description"] == 'quotes " and ü'


def verdict(folder):
    """What verifying says of a manifest: `failed`, or why it is refused."""
    try:
        report = verify_folder(folder, Selection())
    except BundleError as error:
        return error.found
    first = report.digests[0]
    failed = (first.path, first.outcome, report.exit_code) == ("manifest.json", Outcome.FAIL, 1)
    return "failed" if failed and Outcome.PASS not in {row.outcome for row in report.parity} else "passed"


@pytest.mark.parametrize("change", [0x01, 0x10, 0x80])
def test_a_changed_byte_anywhere_in_a_manifest_is_a_mismatch(small, change):
    path = small / "manifest.json"
    raw = path.read_bytes()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= change
        path.write_bytes(changed)
        found = verdict(small)
        # One that became newer is refused as that, one that lost its end as cut off.
        allowed = found == "failed" or found.startswith("version ") or "too early" in found
        assert allowed, (found, bytes(changed[max(0, position - 20) : position + 20]))


def test_a_manifest_cut_off_anywhere_is_refused_in_one_line(small):
    path = small / "manifest.json"
    raw = path.read_bytes()
    for length in range(0, len(raw) - 2, 50):
        path.write_bytes(raw[:length])
        with pytest.raises(BundleError, match=r"ends too early") as caught:
            verify_folder(small, Selection())
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)


def test_a_manifest_of_a_newer_version_is_refused_even_if_its_layout_is_unknown(small):
    (small / "manifest.json").write_text(json.dumps({"manifest_version": 3, "layout": "another"}))
    with pytest.raises(BundleError, match=r"version 2 or older, found version 3; upgrade xorexport"):
        Bundle.read(small)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda content: content.pop("golden"), "golden"),
        (lambda content: content.update(surprise=1), "surprise"),
        (lambda content: content["model"].update(parameters="three"), "parameters"),
        (lambda content: content["artifacts"][0].update(precision="float8"), "artifacts[0].precision"),
        (lambda content: content["artifacts"][0]["files"][0].update(sha256="abc"), "sha256"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_by_the_name_of_the_field(small, change, field):
    content = manifest_of(small)
    change(content)
    (small / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError) as caught:
        Bundle.read(small)
    assert field in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("path", ["../elsewhere", "/etc/hostname", "a/../../b", "..", "a\\..\\..\\b", "C:\\b", ""])
@pytest.mark.parametrize("where", ["artifact", "file", "golden"])
def test_a_path_that_leads_out_of_the_bundle_is_refused(tmp_path, path, where):
    write(tmp_path, small_manifest(tmp_path, {"x": np.zeros((100, 2), np.float32)}))
    content = manifest_of(tmp_path)
    if where == "artifact":
        content["artifacts"][0]["path"] = path
    elif where == "file":
        content["artifacts"][0]["files"][0]["path"] = path
    else:
        content["golden"][0]["inputs"]["x"]["file"] = path
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(BundleError):
        Bundle.read(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "a_file", "empty"])
def test_what_is_no_bundle_is_refused(tmp_path, name):
    (tmp_path / "a_file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleError, match=r"expected a bundle") as caught:
        Bundle.read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


# Golden data.


def read_back(root, name, array):
    write(root, small_manifest(root, {"x": array}))
    read = Bundle.read(root)
    return read.golden_arrays(read.manifest.golden[0].inputs)["x"]


@pytest.mark.parametrize("rows", [8, 200])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"])
def test_recorded_arrays_read_back_bit_for_bit(tmp_path, dtype, rows):
    generator = np.random.default_rng(3)
    raw = generator.integers(0, 2 if dtype == "bool" else 256, rows * np.dtype(dtype).itemsize).astype(np.uint8)
    array = raw.view(dtype)
    if array.dtype.kind == "f":
        array = np.where(np.isfinite(array), array, array.dtype.type(-0.0))
    array = array.reshape(rows // 2, 2)
    read = read_back(tmp_path, "x", array)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.tobytes() == array.tobytes()


def test_floats_at_the_ends_of_their_range_read_back_from_json(tmp_path):
    limits = np.finfo(np.float32)
    array = np.float32(
        [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, -0.0, 1 + limits.eps, 0.1, 1e22]
    )
    assert read_back(tmp_path, "x", array).tobytes() == array.tobytes()
    data = Bundle.read(tmp_path).manifest.golden[0].inputs["x"]
    assert data.file is None
    assert data.values[6] == 0.1  # and not 0.10000000149011612


def test_a_recorded_float_reads_back_in_other_languages_too(tmp_path):
    array = np.random.default_rng(9).normal(size=60).astype(np.float32)
    read_back(tmp_path, "x", array)
    values = manifest_of(tmp_path)["golden"][0]["inputs"]["x"]["values"]
    assert [struct.pack("<f", value) for value in values] == [struct.pack("<f", value) for value in array.tolist()]


def test_large_arrays_are_raw_little_endian_files(tmp_path):
    array = np.arange(200, dtype=np.float32).reshape(100, 2) / 7
    assert read_back(tmp_path, "x", array).tobytes() == array.tobytes()
    data = Bundle.read(tmp_path).manifest.golden[0].inputs["x"]
    assert (data.values, data.shape, data.file) == (None, (100, 2), "golden/set.inputs.x.bin")
    assert (tmp_path / data.file).read_bytes() == struct.pack("<200f", *array.ravel().tolist())


def test_big_endian_arrays_are_written_little_endian(tmp_path):
    array = np.arange(100, dtype=">i4")
    bundle.record_golden(tmp_path, EMPTY, {"inputs": {"x": array}, "outputs": {}})
    assert (tmp_path / "golden/set.inputs.x.bin").read_bytes() == struct.pack("<100i", *range(100))


@pytest.mark.parametrize("damage", ["missing", "short", "long"])
def test_a_golden_file_that_is_not_whole_is_refused(tmp_path, damage):
    write(tmp_path, small_manifest(tmp_path, {"x": np.zeros((100, 2), np.float32)}))
    file = tmp_path / "golden/set.inputs.x.bin"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(bytes(796 if damage == "short" else 804))
    read = Bundle.read(tmp_path)
    with pytest.raises(BundleError) as caught:
        read.golden_arrays(read.manifest.golden[0].inputs)
    assert str(file) in str(caught.value)


# Digests.


def test_digests_of_a_folder_name_every_file_below_it_in_order(tmp_path):
    for name, data in (("b", b"two"), ("a", b"one"), ("c/d", b"three")):
        path = tmp_path / "model" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(data)
    digests = bundle.digest_files(tmp_path, tmp_path / "model")
    assert digests == tuple(
        FileDigest(path=f"model/{name}", sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        for name, data in (("a", b"one"), ("b", b"two"), ("c/d", b"three"))
    )


def test_a_digest_covers_files_larger_than_a_chunk(tmp_path):
    data = np.random.default_rng(0).bytes((1 << 20) + 17)
    (tmp_path / "large").write_bytes(data)
    assert bundle.sha256(tmp_path / "large") == hashlib.sha256(data).hexdigest()


def test_a_real_bundle_lists_every_file_of_its_folder_once(xor):
    content = manifest_of(xor)
    listed = [file["path"] for file in content["files"]]
    listed += [file["path"] for artifact in content["artifacts"] for file in artifact["files"]]
    there = [path.relative_to(xor).as_posix() for path in xor.rglob("*") if path.is_file()]
    assert sorted([*listed, "manifest.json"]) == sorted(there)
    for artifact in content["artifacts"]:
        assert artifact["size"] == sum(file["size"] for file in artifact["files"])


def test_a_resealed_manifest_is_accepted(copy_of):
    folder = copy_of("xor")
    rewrite_manifest(folder, lambda content: content["model"].update(description="another"))
    report = verify_folder(folder, Selection(engines=("onnxruntime",)))
    assert report.exit_code == 0
