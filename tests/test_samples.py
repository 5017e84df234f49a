"""The inputs that models are checked on: seeded, within what the model takes, and off the corners."""

import numpy as np
import pytest

from xorexport import segments
from xorexport.errors import ModelError
from xorexport.samples import Domain, draw, drawn_sets, segment_sets
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


@pytest.mark.parametrize("dtype", ["string", "complex64"])
def test_inputs_that_cannot_be_drawn_are_refused_by_name(dtype):
    with pytest.raises(ModelError, match=rf"input 'text'.*found dtype {dtype}"):
        draw([spec("text", dtype)], {}, 4, 0)
