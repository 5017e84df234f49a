"""Sessions: every engine takes and gives named arrays of the signature, and refuses everything else."""

import dataclasses

import msgspec
import numpy as np
import pytest

from xorexport.bundle import Bundle
from xorexport.errors import MismatchError, UsageError
from xorexport.registry import ENGINES, load
from xorexport.runtimes.base import Session
from xorexport.spec import Signature, TensorSpec


def artifact_for(bundle, engine):
    (artifact,) = [entry for entry in bundle.manifest.artifacts if entry.format == ENGINES[engine].format]
    return artifact


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def session(engine, bundles):
    """The two-input model opened on each engine in turn."""
    bundle = Bundle.read(bundles("two_by_two"))
    with load(ENGINES[engine].runtime, engine).open(artifact_for(bundle, engine), bundle.root) as opened:
        yield opened


def rows(count=2, dtype=np.float32):
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=(count, 3)).astype(dtype) for name in ("zebra", "ant")}


def test_an_engine_reports_the_files_interface_in_the_models_order(session):
    described = [spec.describe() for side in (session.interface().inputs, session.interface().outputs) for spec in side]
    assert described == [
        "zebra float32[batch, 3]",
        "ant float32[batch, 3]",
        "west float32[batch, 2]",
        "east float32[batch, 2]",
    ]


def test_outputs_come_in_the_signatures_order_whatever_the_inputs_order(session):
    inputs = rows()
    outputs = session.run(inputs)
    assert list(outputs) == ["west", "east"]
    assert [array.shape for array in outputs.values()] == [(2, 2), (2, 2)]
    assert {array.dtype.name for array in outputs.values()} == {"float32"}
    np.testing.assert_allclose(outputs["east"].sum(axis=1), 1, rtol=1e-5)
    turned = session.run(dict(reversed(inputs.items())))
    assert all((outputs[name] == turned[name]).all() for name in outputs)


def test_inputs_are_not_changed_and_outputs_stay_as_they_were(session):
    inputs = rows()
    before = {name: array.copy() for name, array in inputs.items()}
    first = session.run(inputs)
    kept = {name: array.copy() for name, array in first.items()}
    session.run({name: array * 3 for name, array in inputs.items()})
    assert all((inputs[name] == before[name]).all() for name in inputs)
    assert all((first[name] == kept[name]).all() for name in first)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda inputs: inputs.pop("ant"), "found zebra"),
        (lambda inputs: inputs.update(third=inputs["ant"]), "third"),
        (lambda inputs: inputs.update(ant=inputs["ant"].astype(np.float64)), "ant float32[batch, 3], found float64[2"),
        (lambda inputs: inputs.update(ant=inputs["ant"][:, :2]), "found float32[2, 2]"),
        (lambda inputs: inputs.update(ant=inputs["ant"][0]), "found float32[3]"),
    ],
)
def test_inputs_that_do_not_fit_the_signature_are_refused(session, change, named):
    inputs = rows()
    change(inputs)
    with pytest.raises(UsageError) as caught:
        session.run(inputs)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("side", "position", "changes"),
    [
        ("inputs", 0, {"name": "horse"}),
        ("inputs", 1, {"dtype": "float16"}),
        ("inputs", 0, {"shape": (None, 4)}),
        ("inputs", 0, {"shape": (1, 3)}),
        ("outputs", 0, {"name": "north"}),
        ("outputs", 1, {"shape": (None, 5)}),
    ],
)
def test_a_file_that_is_not_what_the_manifest_says_is_a_mismatch(engine, bundles, side, position, changes):
    if engine == "keras" and side == "outputs":
        return check_keras_outputs(bundles, position, changes)
    if engine == "keras" and changes.get("shape") == (1, 3):
        return check_keras_leaves_it_open(bundles)
    bundle = Bundle.read(bundles("two_by_two"))
    artifact = with_changed_spec(artifact_for(bundle, engine), side, position, changes)
    with pytest.raises(MismatchError) as caught:
        load(ENGINES[engine].runtime, engine).open(artifact, bundle.root)
    assert caught.value.exit_code == 1
    assert getattr(artifact.signature, side)[position].describe() in str(caught.value)
    return None


def check_keras_leaves_it_open(bundles):
    """A size that the user fixed for the export is still dynamic in Keras' own file."""
    bundle = Bundle.read(bundles("two_by_two"))
    artifact = with_changed_spec(artifact_for(bundle, "keras"), "inputs", 0, {"shape": (1, 3)})
    load(ENGINES["keras"].runtime, "").open(artifact, bundle.root).close()


def check_keras_outputs(bundles, position, changes):
    """Keras names its outputs only in its layers: what comes out is held against the signature when it is run."""
    bundle = Bundle.read(bundles("two_by_two"))
    artifact = with_changed_spec(artifact_for(bundle, "keras"), "outputs", position, changes)
    if "name" in changes:
        return
    with (
        load(ENGINES["keras"].runtime, "").open(artifact, bundle.root) as session,
        pytest.raises(MismatchError, match=r"output 'east'"),
    ):
        session.run(rows())


def with_changed_spec(artifact, side, position, changes):
    specs = list(getattr(artifact.signature, side))
    specs[position] = msgspec.structs.replace(specs[position], **changes)
    signature = msgspec.structs.replace(artifact.signature, **{side: tuple(specs)})
    return msgspec.structs.replace(artifact, signature=signature)


@pytest.mark.parametrize("engine", ["savedmodel", "litert-xnnpack", "litert-builtin", "onnxruntime", "onnx-reference"])
def test_an_order_that_is_not_the_manifests_is_a_mismatch_where_the_file_has_an_order(engine, bundles):
    bundle = Bundle.read(bundles("two_by_two"))
    artifact = artifact_for(bundle, engine)
    turned = Signature(inputs=artifact.signature.inputs[::-1], outputs=artifact.signature.outputs)
    artifact = msgspec.structs.replace(artifact, signature=turned)
    runtime = load(ENGINES[engine].runtime, engine)
    if engine == "savedmodel":  # names alone
        with runtime.open(artifact, bundle.root) as session:
            assert set(session.run(rows())) == {"west", "east"}
    else:
        with pytest.raises(MismatchError, match=r"expected ant .*, zebra .*, found zebra"):
            runtime.open(artifact, bundle.root)


@dataclasses.dataclass
class Answer:
    """What a made-up engine returns."""

    value: object


class MadeUp(Session):
    """A session whose engine returns whatever it is told to."""

    def __init__(self, artifact, answer):
        super().__init__(artifact)
        self.answer = answer
        self.closed = False

    def interface(self):
        return self._signature

    def _run(self, inputs):
        return self.answer

    def close(self):
        self.closed = True


@pytest.fixture
def made_up(bundles):
    artifact = artifact_for(Bundle.read(bundles("two_by_two")), "onnxruntime")
    return lambda answer: MadeUp(artifact, answer)


GOOD = {"east": np.ones((2, 2), np.float32), "west": np.zeros((2, 2), np.float32)}


def test_what_an_engine_returns_is_put_in_order(made_up):
    assert list(made_up(GOOD).run(rows())) == ["west", "east"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"east": GOOD["east"]},
        {**GOOD, "north": GOOD["east"]},
        {**GOOD, "east": GOOD["east"].astype(np.float64)},
        {**GOOD, "east": GOOD["east"][:, :1]},
        {**GOOD, "east": GOOD["east"].ravel()},
    ],
    ids=["nothing", "one too few", "one too many", "dtype", "shape", "rank"],
)
def test_what_an_engine_returns_that_does_not_fit_the_signature_is_a_mismatch(made_up, wrong):
    with pytest.raises(MismatchError):
        made_up(wrong).run(rows())


def test_a_session_is_closed_when_its_block_ends_even_by_an_error(made_up):
    session = made_up(GOOD)
    with pytest.raises(KeyError), session:
        raise KeyError
    assert session.closed


def test_a_spec_describes_itself_with_the_batch_and_unknown_sizes():
    assert TensorSpec(name="x", dtype="int32", shape=(None, 2, None)).describe() == "x int32[batch, 2, ?]"
    assert TensorSpec(name="x", dtype="int32", shape=(1, 2)).describe() == "x int32[1, 2]"
    assert TensorSpec(name="x", dtype="int32", shape=(None, 2, 3)).row_size() == 6
    assert TensorSpec(name="x", dtype="int32", shape=(None,)).row_size() == 1
