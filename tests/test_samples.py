"""The inputs that models are checked on: seeded, within what the model takes, and off the corners."""

import numpy as np
import pytest

from xorexport import segments
from xorexport.errors import ModelError, UsageError
from xorexport.samples import Domain, draw, drawn_sets, given_sets, segment_sets
from xorexport.spec import TensorSpec


def spec(name="x", dtype="float32", shape=(None, 3)):
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def test_the_segments_are_the_exclusive_or():
    assert segments.INPUTS.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert segments.TARGETS.tolist() == [[0], [1], [1], [0]]
    assert (segments.INPUTS.dtype, segments.TARGETS.dtype) == (np.float32, np.float32)
    assert len(segments.SEGMENTS) == len(set(segments.SEGMENTS)) == 4
    assert segments.LABELS == ("not loyal", "loyal")


def test_the_segments_run_one_at_a_time_and_as_a_batch():
    corners, points = segment_sets("x", seed=0)
    assert corners.inputs["x"] is segments.INPUTS
    assert corners.batch_sizes == (1, 4)
    assert corners.row_names == segments.SEGMENTS
    assert points.batch_sizes == (256,)
    assert (corners.rows, points.rows) == (4, 256)


def test_the_points_are_off_the_corners_and_fill_the_square():
    points = segment_sets("x", seed=0, rows=256, reach=3.0)[1].inputs["x"]
    assert (points.shape, points.dtype) == ((256, 2), np.float32)
    assert points.min() < -2.8
    assert points.max() > 2.8
    assert np.abs(points).max() <= 3.0
    assert not {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)} & set(map(tuple, points.tolist()))
    assert np.abs(points[:, 0] - points[:, 1]).min() > 0, "on the diagonal swapped inputs would not show"


def test_the_seed_alone_decides_on_the_points():
    first, again, other = (segment_sets("x", seed)[1].inputs["x"] for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert (first != other).all()


def test_drawn_rows_are_repeatable_and_differ_between_inputs_and_sets():
    specs = [spec("a"), spec("b")]
    few, many = drawn_sets(specs, {}, seed=3)
    again, _ = drawn_sets(specs, {}, seed=3)
    assert few.inputs["a"].tobytes() == again.inputs["a"].tobytes()
    assert (few.inputs["a"] != few.inputs["b"]).all()
    assert (few.inputs["a"] != many.inputs["a"][:3]).all()
    assert (few.rows, few.batch_sizes, many.rows, many.batch_sizes) == (3, (1, 3), 17, (17,))


def test_a_fixed_batch_gets_rows_in_multiples_of_it():
    few, many = drawn_sets([spec(shape=(5, 3))], {}, seed=0)
    assert (few.rows, few.batch_sizes) == (5, (5,))
    assert (many.rows, many.batch_sizes) == (20, (5,))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64", "uint8", "bool"])
def test_drawn_arrays_have_the_inputs_dtype_and_shape(dtype):
    array = draw([spec(dtype=dtype, shape=(None, 4, None, 2))], {}, 7, 0)["x"]
    assert (array.dtype.name, array.shape) == (dtype, (7, 4, 32, 2))
    assert len(np.unique(array)) > 1


def test_floats_are_standard_normal_and_whole_numbers_zero_or_one_where_nothing_else_is_known():
    floats = draw([spec(shape=(None, 100))], {}, 100, 0)["x"]
    assert abs(floats.mean()) < 0.05
    assert abs(floats.std() - 1) < 0.05
    assert set(np.unique(draw([spec(dtype="int32", shape=(None, 100))], {}, 10, 0)["x"])) == {0, 1}


def test_token_ids_reach_both_ends_of_the_vocabulary_and_nothing_beyond():
    domains = {"x": Domain(low=0, high=10, integer=True)}
    for dtype in ("int32", "float32"):
        ids = draw([spec(dtype=dtype, shape=(None, 100))], domains, 10, 0)["x"]
        assert set(np.unique(ids)) == set(range(11))


def test_pixels_fill_their_range():
    pixels = draw([spec(shape=(None, 100))], {"x": Domain(0.0, 255.0)}, 20, 0)["x"]
    assert 0 <= pixels.min() < 1
    assert 254 < pixels.max() <= 255


def test_inputs_that_cannot_be_drawn_are_refused_by_name():
    with pytest.raises(ModelError, match=r"input 'wave'.*found dtype complex64"):
        draw([spec("wave", "complex64")], {}, 4, 0)


# A user's own rows.


def given(rows, batch=None, names=False, seed=0):
    """Sets and calibration rows of numbered rows, of two inputs."""
    arrays = {"a": np.arange(rows, dtype=np.float32)[:, None] * [1, 1], "b": 100 + np.arange(rows, dtype=np.int32)}
    specs = [spec("a", shape=(batch, 2)), spec("b", "int32", (batch,))]
    return given_sets(arrays, specs, seed, [f"row {i}" for i in range(rows)] if names else ())


def numbers(samples):
    return [int(row[0]) for row in samples.inputs["a"]]


def test_a_fifth_of_the_rows_is_checked_on_and_the_others_are_calibrated_with():
    sets, calibration = given(200)
    assert [(one.name, one.rows, one.batch_sizes) for one in sets] == [
        ("samples", 3, (1, 3)),
        ("more-samples", 17, (17,)),
        ("held-back", 20, (20,)),
    ]
    checked = [number for one in sets for number in numbers(one)]
    calibrated = calibration["a"][:, 0].astype(int).tolist()
    assert sorted(checked + calibrated) == list(range(200))
    assert checked != sorted(checked), "the first rows are no sample of rows in order"
    assert len(calibrated) == 160
    # Rows of all inputs stay together.
    for one in sets:
        assert (one.inputs["b"] - 100).tolist() == numbers(one)
    assert (calibration["b"] - 100).tolist() == calibrated
    assert sets[0].description == "3 of 200 given rows, chosen with seed 0"


def test_the_seed_decides_on_the_order():
    first, again, other = (given(60, seed=seed)[0] for seed in (1, 1, 2))
    assert list(map(numbers, first)) == list(map(numbers, again)) != list(map(numbers, other))


@pytest.mark.parametrize(("rows", "checked"), [(1, 1), (4, 1), (5, 1), (9, 1), (10, 2), (19, 3), (20, 4)])
def test_few_rows_are_checked_on_and_calibrated_with_where_they_have_to_be(rows, checked):
    sets, calibration = given(rows)
    assert len({number for one in sets for number in numbers(one)}) == checked
    assert len(calibration["a"]) == (rows if rows < 5 else rows - checked)
    # Rows come again, so that a batch of 17 is run all the same.
    assert [one.rows for one in sets] == [min(checked, 3), 17]
    assert ("calibrated with as well" in sets[0].description) == (rows < 5)


def test_one_row_runs_alone_once():
    sets, _ = given(1)
    assert [one.batch_sizes for one in sets] == [(1,), (17,)]


def test_names_go_with_their_rows():
    sets, _ = given(100, names=True)
    for one in sets:
        assert list(one.row_names) == [f"row {number}" for number in numbers(one)]
    assert given(100)[0][0].row_names == ()


def test_golden_sets_have_an_end():
    sets, calibration = given(3000)
    assert [one.rows for one in sets] == [3, 17, 256]
    assert len(calibration["a"]) == 2400
    assert sets[-1].description == "256 of 3000 given rows, chosen with seed 0"


@pytest.mark.parametrize(
    ("rows", "batch", "sizes"),
    [
        (4, 4, [4, 16]),
        (39, 4, [4, 16]),
        (40, 4, [4, 16]),
        (400, 4, [4, 16, 60]),
        (7, 7, [7, 28]),
        (2000, 300, [300, 300]),
        (300, 6, [6, 24, 30]),
    ],
)
def test_a_fixed_batch_is_checked_on_in_multiples_of_it(rows, batch, sizes):
    sets, _ = given(rows, batch)
    assert [one.rows for one in sets] == sizes
    assert {one.batch_sizes for one in sets} == {(batch,)}


@pytest.mark.parametrize(("rows", "checked", "calibrated"), [(8, 8, 8), (15, 8, 15), (16, 8, 8), (90, 16, 74)])
def test_fewer_rows_than_two_fixed_batches_do_for_both(rows, checked, calibrated):
    sets, calibration = given(rows, batch=8)
    assert len({number for one in sets for number in numbers(one)}) == checked
    assert len(calibration["a"]) == calibrated


def test_fewer_rows_than_a_fixed_batch_are_refused():
    with pytest.raises(UsageError, match=r"--samples: expected at least 8 rows, found 7"):
        given(7, batch=8)
