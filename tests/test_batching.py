"""Any number of rows on artifacts of any batch, and of integers in place of floats."""

import msgspec
import numpy as np
import pytest

from xorexport.bundle import Bundle
from xorexport.ends import from_artifact, to_artifact
from xorexport.errors import UsageError
from xorexport.registry import ENGINES, load
from xorexport.runtimes.base import Session
from xorexport.runtimes.batching import fixed_batch, run_rows
from xorexport.spec import Quantization, Signature, TensorSpec

ROWS = np.arange(14, dtype="float32").reshape(7, 2)


class Doubling(Session):
    """Doubles `x`, and makes as many rows of it as `repeats` says; it keeps the batches that it was given."""

    def __init__(self, artifact, repeats=1):
        super().__init__(artifact)
        self.batches, self._repeats = [], repeats

    def interface(self):
        return self._signature

    def _run(self, inputs):
        self.batches.append(inputs["x"])
        return {"y": np.repeat(2 * inputs["x"], self._repeats, axis=0)}


@pytest.fixture
def doubling(xor):
    """Makes a session of which the signature fixes a batch, or none."""
    artifact = Bundle.read(xor).manifest.artifacts[0]

    def make(batch=None, repeats=1):
        signature = Signature(
            inputs=(TensorSpec(name="x", dtype="float32", shape=(batch, 2)),),
            outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 2)),),
        )
        return Doubling(msgspec.structs.replace(artifact, signature=signature), repeats), signature

    return make


@pytest.mark.parametrize(
    ("fixed", "batch", "sizes"),
    [
        (None, None, [7]),
        (None, 3, [3, 3, 1]),
        (None, 32, [7]),
        (3, None, [3, 3, 3]),
        (3, 2, [3, 3, 3]),
        (7, 1, [7]),
        (8, 1, [8]),
        (1, 7, [1] * 7),
    ],
)
def test_rows_come_back_in_their_order_whatever_the_batches(doubling, fixed, batch, sizes):
    session, signature = doubling(fixed)
    outputs = run_rows(session, signature, {"x": ROWS}, batch)
    np.testing.assert_array_equal(outputs["y"], 2 * ROWS)
    assert [len(rows) for rows in session.batches] == sizes


def test_a_batch_is_filled_up_with_its_last_row(doubling):
    session, signature = doubling(4)
    run_rows(session, signature, {"x": ROWS[:6]}, None)
    assert session.batches[-1].tolist() == ROWS[[4, 5, 5, 5]].tolist()


def test_no_rows_give_nothing(doubling):
    session, signature = doubling(4)
    assert run_rows(session, signature, {"x": ROWS[:0]}, 2) == {}
    assert session.batches == []


def test_an_output_of_more_rows_works_where_nothing_is_filled_up(doubling):
    for fixed, rows in ((None, 7), (3, 6)):
        session, signature = doubling(fixed, repeats=2)
        outputs = run_rows(session, signature, {"x": ROWS[:rows]}, 3)
        np.testing.assert_array_equal(outputs["y"], np.repeat(2 * ROWS[:rows], 2, axis=0))


def test_an_output_of_more_rows_is_refused_where_a_batch_is_filled_up(doubling):
    session, signature = doubling(3, repeats=2)
    with pytest.raises(UsageError, match=r"a multiple of 3, since output 'y'.*found 1 left over"):
        run_rows(session, signature, {"x": ROWS}, None)


def test_inputs_that_fix_different_batches_are_refused():
    specs = [
        TensorSpec(name=name, dtype="float32", shape=(size, 2)) for name, size in (("a", 2), ("b", 4), ("c", None))
    ]
    assert fixed_batch(Signature(inputs=(specs[0], specs[2]), outputs=())) == 2
    assert fixed_batch(Signature(inputs=(specs[2],), outputs=())) is None
    with pytest.raises(UsageError, match=r"2 for 'a', 4 for 'b'"):
        fixed_batch(Signature(inputs=tuple(specs), outputs=()))


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_runs_rows_in_batches(bundles, engine):
    bundle = Bundle.read(bundles("two_by_two"))
    (artifact,) = (one for one in bundle.manifest.artifacts if one.format == ENGINES[engine].format)
    golden = bundle.manifest.golden[1]
    inputs = {name: array[:7] for name, array in bundle.golden_arrays(golden.inputs).items()}
    expected = bundle.golden_arrays(golden.outputs)
    with load(ENGINES[engine].runtime, engine).open(artifact, bundle.root) as session:
        outputs = run_rows(session, artifact.signature, inputs, 3)
    for name, array in outputs.items():
        np.testing.assert_allclose(array, expected[name][:7], rtol=1e-5, atol=1e-5)


# Integers in place of floats.


def quantized(dtype="int8", scale=0.5, zero_point=-3, name="x"):
    return TensorSpec(
        name=name, dtype=dtype, shape=(None, 2), quantization=Quantization(scale=scale, zero_point=zero_point)
    )


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_numbers_become_the_nearest_integers_and_come_back(dtype):
    spec = quantized(dtype, 0.5, 5)
    numbers = np.float32([[0, 1], [0.2, 0.3], [20, -2.5]])
    integers = to_artifact({"x": numbers}, (spec,))["x"]
    assert integers.dtype == dtype
    assert integers.tolist() == [[5, 7], [5, 6], [45, 0]]
    back = from_artifact({"x": integers}, (spec,))["x"]
    assert back.dtype == "float32"
    assert back.tolist() == [[0, 1], [0, 0.5], [20, -2.5]]


def test_what_is_beyond_the_integers_becomes_the_last_of_them():
    integers = to_artifact({"x": np.float32([[1e30, -1e30], [np.inf, -np.inf]])}, (quantized(),))["x"]
    assert integers.tolist() == [[127, -128], [127, -128]]


def test_a_number_that_is_none_has_no_integer():
    with pytest.raises(UsageError, match=r"input 'x'.*int8 can stand for.*NaN"):
        to_artifact({"x": np.float32([[1, np.nan]])}, (quantized(),))


def test_the_difference_from_the_zero_point_does_not_overflow():
    back = from_artifact({"x": np.int8([[-128, 127]])}, (quantized(zero_point=127, scale=1.0),))["x"]
    assert back.tolist() == [[-255, 0]]


def test_floats_of_another_width_are_rounded_to_it():
    half = to_artifact({"x": np.float32([[0.1, 1e30]])}, (TensorSpec(name="x", dtype="float16", shape=(None, 2)),))["x"]
    assert half.dtype == "float16"
    assert half.tolist() == [[float(np.float16(0.1)), np.inf]]


def test_what_is_not_quantised_stays_as_it_is():
    plain = TensorSpec(name="ids", dtype="int32", shape=(None,))
    ids = np.int32([1, 2])
    both = {"ids": ids, "x": np.float32([[1, 2]])}
    assert list(to_artifact(both, (quantized(), plain))) == ["x", "ids"]
    assert to_artifact(both, (quantized(), plain))["ids"] is ids
    assert from_artifact({"ids": ids}, (plain,))["ids"] is ids
