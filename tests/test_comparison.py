"""Comparison of arrays: what must pass, what must fail, and what is measured."""

import numpy as np
import pytest

from xorexport.results import Outcome
from xorexport.spec import Decision, Tolerance
from xorexport.verification.comparison import compare, decide, flips, max_ulp

EXACT = Tolerance(rtol=0.0, atol=0.0)
FLOATS = (np.float16, np.float32, np.float64)


def floats(*values, dtype=np.float32):
    return np.array(values, dtype)


def outcome(actual, expected, tolerance=EXACT):
    return compare("y", actual, expected, tolerance).outcome


# Tolerances.


@pytest.mark.parametrize(("rtol", "atol"), [(0.0, 0.5), (0.25, 0.0), (0.125, 0.25)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_edge_of_the_tolerance_passes_and_the_next_float_beyond_it_fails(rtol, atol, sign):
    expected = floats(2.0, dtype=np.float64)
    edge = 2.0 + sign * 0.5
    beyond = np.nextafter(edge, sign * np.inf)
    tolerance = Tolerance(rtol=rtol, atol=atol)
    assert outcome(floats(edge, dtype=np.float64), expected, tolerance) is Outcome.PASS
    assert outcome(floats(beyond, dtype=np.float64), expected, tolerance) is Outcome.FAIL


def test_the_relative_tolerance_is_of_the_expected_value_and_not_of_the_actual_one():
    tolerance = Tolerance(rtol=0.5, atol=0.0)
    assert outcome(floats(1.0), floats(2.0), tolerance) is Outcome.PASS
    assert outcome(floats(2.0), floats(1.0), tolerance) is Outcome.FAIL


def test_one_bad_value_among_ten_thousand_fails():
    expected = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    actual = expected.copy()
    actual[61, 7] += 1e-3
    result = compare("y", actual, expected, Tolerance(rtol=1e-5, atol=1e-5))
    assert result.outcome is Outcome.FAIL
    assert result.worst == (61, 7)
    assert "1 of 10000" in result.reason


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int32, np.int64, np.uint8, np.bool_])
def test_equal_arrays_pass_without_any_tolerance(dtype):
    array = np.array([[0, 1], [1, 0]], dtype)
    result = compare("y", array, array.copy(), EXACT)
    assert (result.outcome, result.max_abs, result.max_rel, result.reason) == (Outcome.PASS, 0.0, 0.0, "")


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.bool_])
def test_whole_numbers_and_truth_values_that_differ_fail(dtype):
    assert outcome(np.array([0, 1], dtype), np.array([1, 1], dtype)) is Outcome.FAIL


def test_unsigned_numbers_do_not_wrap_around():
    assert compare("y", np.array([0], np.uint8), np.array([255], np.uint8), EXACT).max_abs == 255.0


def test_neighbouring_large_whole_numbers_differ():
    assert outcome(np.array([2**53 + 1]), np.array([2**53])) is Outcome.FAIL


# Values that are not finite.


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_value_on_one_side_fails_whatever_the_tolerance(dtype, value):
    huge = Tolerance(rtol=1e30, atol=1e30)
    assert outcome(floats(1.0, value, dtype=dtype), floats(1.0, 2.0, dtype=dtype), huge) is Outcome.FAIL
    assert outcome(floats(1.0, 2.0, dtype=dtype), floats(1.0, value, dtype=dtype), huge) is Outcome.FAIL


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_same_non_finite_value_in_the_same_place_passes(dtype, value):
    array = floats(1.0, value, dtype=dtype)
    assert outcome(array, array.copy()) is Outcome.PASS


@pytest.mark.parametrize(("actual", "expected"), [(np.inf, -np.inf), (np.nan, np.inf), (-np.inf, np.nan)])
def test_different_non_finite_values_fail(actual, expected):
    assert outcome(floats(actual), floats(expected), Tolerance(rtol=1.0, atol=1.0)) is Outcome.FAIL


def test_nan_in_another_place_fails():
    assert outcome(floats(np.nan, 1.0), floats(1.0, np.nan)) is Outcome.FAIL


def test_a_non_finite_value_is_the_worst():
    result = compare("y", floats(9.0, np.nan, 1.0), floats(1.0, 1.0, 1.0), Tolerance(rtol=0.0, atol=1e-3))
    assert result.worst == (1,)
    assert result.max_abs == np.inf


# Arrays that cannot be compared.


@pytest.mark.parametrize(
    ("actual", "expected", "reason"),
    [
        (None, floats(1.0), "no such output"),
        (floats(1.0, 2.0), floats(1.0), "shape [2] instead of [1]"),
        (floats(1.0).reshape(1, 1), floats(1.0), "shape [1, 1] instead of [1]"),
        (floats(1.0, dtype=np.float64), floats(1.0), "dtype float64 instead of float32"),
        (np.array([1], np.int32), floats(1.0), "dtype int32 instead of float32"),
        (floats(), floats(), "nothing to compare"),
        (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32), "nothing to compare"),
    ],
)
def test_what_cannot_be_compared_fails_and_says_why(actual, expected, reason):
    result = compare("y", actual, expected, Tolerance(rtol=1.0, atol=1e9))
    assert result.outcome is Outcome.FAIL
    assert reason in result.reason
    assert result.max_abs is None


# What is measured.


def test_differences_are_the_largest_absolute_and_relative_ones():
    result = compare("y", floats(1.5, 101.0), floats(1.0, 100.0), Tolerance(rtol=1.0, atol=1.0))
    assert result.max_abs == 1.0
    assert result.max_rel == 0.5


def test_zero_against_zero_has_no_relative_difference_and_zero_against_one_an_infinite_one():
    assert compare("y", floats(0.0), floats(-0.0), EXACT).max_rel == 0.0
    assert compare("y", floats(1.0), floats(0.0), EXACT).max_rel == np.inf


def test_the_worst_element_is_the_furthest_in_units_of_its_own_tolerance():
    # 3 off where 10 are allowed, against 0.2 off where 0.1 are: the smaller difference is the worse one.
    expected, actual = floats([1000.0, 10.0]), floats([1003.0, 10.2])
    result = compare("y", actual, expected, Tolerance(rtol=0.01, atol=0.0))
    assert result.worst == (0, 1)
    assert result.max_abs == pytest.approx(3.0)
    assert "expected 10 +- 0.1, found 10.1999998" in result.reason


def test_random_arrays_pass_exactly_where_numpy_says_that_they_are_close():
    generator = np.random.default_rng(5)
    seen = set()
    for _ in range(300):
        shape = tuple(generator.integers(1, 5, generator.integers(1, 4)))
        expected = (generator.normal(size=shape) * 10.0 ** generator.integers(-3, 4)).astype(np.float32)
        tolerance = Tolerance(rtol=10.0 ** -generator.integers(2, 6), atol=10.0 ** -generator.integers(2, 6))
        allowed = tolerance.atol + tolerance.rtol * np.abs(expected)
        actual = (expected + allowed * generator.uniform(-1.02, 1.02, shape)).astype(np.float32)
        close = np.abs(actual.astype(float) - expected) <= tolerance.atol + tolerance.rtol * np.abs(
            expected.astype(float)
        )
        result = compare("y", actual, expected, tolerance)
        assert result.outcome is (Outcome.PASS if close.all() else Outcome.FAIL)
        assert result.max_abs == np.abs(actual.astype(float) - expected).max()
        seen.add(result.outcome)
    assert seen == {Outcome.PASS, Outcome.FAIL}


# Units in the last place.


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("value", [1.0, -1.0, 0.0, 1000.25, -6e-5])
def test_neighbouring_floats_are_one_unit_apart(dtype, value):
    array = floats(value, dtype=dtype)
    assert max_ulp(np.nextafter(array, dtype(np.inf)), array) == 1
    assert max_ulp(array, np.nextafter(array, dtype(-np.inf))) == 1


@pytest.mark.parametrize("dtype", FLOATS)
def test_units_are_counted_across_zero_and_both_zeros_are_equal(dtype):
    smallest = np.nextafter(dtype(0), dtype(1))
    assert max_ulp(floats(-smallest, dtype=dtype), floats(smallest, dtype=dtype)) == 2
    assert max_ulp(floats(-0.0, dtype=dtype), floats(0.0, dtype=dtype)) == 0


@pytest.mark.parametrize("dtype", FLOATS)
def test_units_between_powers_of_two_are_the_numbers_of_the_mantissa(dtype):
    mantissas = 2 ** np.finfo(dtype).nmant
    assert max_ulp(floats(2.0, dtype=dtype), floats(1.0, dtype=dtype)) == mantissas
    assert max_ulp(floats(-4.0, dtype=dtype), floats(-1.0, dtype=dtype)) == 2 * mantissas


def test_units_between_the_ends_of_float64_do_not_overflow():
    ends = np.finfo(np.float64)
    assert max_ulp(floats(ends.min, dtype=np.float64), floats(ends.max, dtype=np.float64)) == 2 * (2047 * 2**52 - 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_random_steps_are_counted(dtype):
    generator = np.random.default_rng(1)
    start = generator.normal(size=20).astype(dtype)
    stepped = start.copy()
    for _ in range(17):
        stepped = np.nextafter(stepped, dtype(np.inf))
    assert max_ulp(stepped, start) == 17


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.array([1]), np.array([2])),
        (floats(np.nan), floats(1.0)),
        (floats(1.0), floats(np.inf)),
        (floats(1.0, dtype=np.float64), floats(1.0)),
    ],
)
def test_whole_numbers_and_non_finite_values_have_no_units(actual, expected):
    assert max_ulp(actual, expected) is None


# Decisions.


def test_a_threshold_decides_for_one_above_one_half():
    below, above = np.nextafter(np.float32(0.5), np.float32([0, 1]))
    assert decide(floats([below], [0.5], [above]), Decision.THRESHOLD).tolist() == [0, 0, 1]


def test_the_largest_class_wins_on_the_last_axis():
    assert decide(floats([0.1, 0.7, 0.2], [0.5, 0.2, 0.3]), Decision.ARGMAX).tolist() == [1, 0]
    assert decide(floats([[0.1, 0.9], [0.8, 0.2]]), Decision.ARGMAX).tolist() == [[1, 0]]


def test_rows_that_decide_differently_are_counted_and_need_not_fail():
    expected, actual = floats([0.4999], [0.5001], [0.9]), floats([0.5001], [0.4999], [0.9])
    result = compare("y", actual, expected, Tolerance(rtol=0.0, atol=0.01), Decision.THRESHOLD)
    assert (result.outcome, result.flips) == (Outcome.PASS, 2)
    swapped = floats([0.2, 0.8], [0.6, 0.4])
    assert flips(swapped, swapped[:, ::-1], Decision.ARGMAX) == 2
    assert flips(swapped, swapped, Decision.ARGMAX) == 0


def test_an_output_that_decides_nothing_has_no_flips():
    assert compare("y", floats(0.4), floats(0.6), EXACT).flips is None
