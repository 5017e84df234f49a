"""A manifest that contradicts itself is refused before anything it lists is used, although its seal holds."""

import pytest
from support import rewrite_manifest

from xorexport.bundle import Bundle
from xorexport.consistency import problems
from xorexport.errors import BundleError
from xorexport.inspection import inspect
from xorexport.prediction import predict
from xorexport.verification.verify import Selection, verify_folder


def artifact(content, **changes):
    content["artifacts"][-1].update(changes)


def resize(content, shape):
    content["artifacts"][-1]["signature"]["inputs"][0].update(shape=shape)


def retype(content, dtype):
    content["artifacts"][-1]["signature"]["inputs"][0].update(dtype=dtype)


def golden(content, **changes):
    content["golden"][0].update(changes)


def tensor(content, side="outputs", **changes):
    next(iter(content["golden"][0][side].values())).update(changes)


FAULTS = {
    "no artifacts": lambda content: content.update(artifacts=[]),
    "no golden data": lambda content: content.update(golden=[]),
    "no outputs": lambda content: content["signature"].update(outputs=[]),
    "input 'x' of dtype 'nonsense'": lambda content: content["signature"]["inputs"][0].update(dtype="nonsense"),
    "input 'x' of dtype 'object'": lambda content: content["signature"]["inputs"][0].update(dtype="object"),
    "two inputs or outputs of one name": lambda content: content["signature"]["outputs"][0].update(name="x"),
    "artifact 'xor.onnx' twice": lambda content: content["artifacts"].append(content["artifacts"][-1]),
    "golden set 'segments' twice": lambda content: content["golden"].append(content["golden"][0]),
    "the format 'onxx'": lambda content: artifact(content, format="onxx"),
    "other inputs than the model's": lambda content: artifact(content, signature={"inputs": [], "outputs": []}),
    "input x float32[batch, 3] instead of x float32[batch, 2]": lambda content: resize(content, [None, 3]),
    "input x int8[batch, 2] instead of x float32[batch, 2]": lambda content: retype(content, "int8"),
    "quantised, but without a budget": lambda content: artifact(content, precision="int8"),
    "artifact 'xor.onnx': no files": lambda content: artifact(content, files=[]),
    "the file 'xor.tflite', which is not below it": lambda content: artifact(
        content, files=content["artifacts"][-2]["files"]
    ),
    "no tolerance for float32": lambda content: content.update(tolerances={}),
    "no batch sizes": lambda content: golden(content, batch_sizes=[]),
    "3 row names": lambda content: golden(content, row_names=["a", "b", "c"]),
    "inputs none instead of x": lambda content: golden(content, inputs={}),
    "outputs none instead of y": lambda content: golden(content, outputs={}),
    "output 'y' of shape [0, 1]": lambda content: tensor(content, shape=[0, 1], values=[]),
    "output 'y' of shape [4]": lambda content: tensor(content, shape=[4]),
    "output 'y' of dtype 'float64'": lambda content: tensor(content, dtype="float64"),
    "with 3 values for shape [4, 1]": lambda content: tensor(content, values=[0, 1, 1]),
    "both values and a file": lambda content: tensor(content, file="golden/off-corner.outputs.y.bin"),
    "or with neither": lambda content: tensor(content, values=None),
    "which has no digest": lambda content: content.update(files=[]),
    "a decision on the unknown output 'z'": lambda content: content["model"]["decisions"].update(z="argmax"),
}


@pytest.mark.parametrize("problem", FAULTS)
def test_a_contradiction_is_named_and_nothing_is_used(copy_of, problem):
    folder = copy_of("xor")
    rewrite_manifest(folder, FAULTS[problem])
    for use in (
        lambda: verify_folder(folder, Selection()),
        lambda: verify_folder(folder, Selection(digests=False)),
        lambda: predict(folder, ("0", "1")),
        lambda: inspect(folder),
    ):
        with pytest.raises(BundleError) as caught:
            use()
        assert problem in str(caught.value)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("model", ["xor", "two_by_two", "embedding", "awkward_names"])
def test_what_export_writes_agrees_with_itself(bundles, model):
    assert list(problems(Bundle.read(bundles(model)).manifest)) == []


def test_a_file_behind_a_link_out_of_the_bundle_fails(copy_of, tmp_path):
    folder = copy_of("xor")
    elsewhere = tmp_path / "elsewhere.onnx"
    (folder / "xor.onnx").rename(elsewhere)
    (folder / "xor.onnx").symlink_to(elsewhere)
    report = verify_folder(folder, Selection())
    assert report.exit_code == 1
    assert [row.reason for row in report.digests if row.path == "xor.onnx"] == [
        "it is a link that leads out of the bundle"
    ]
