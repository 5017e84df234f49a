"""What quantising costs, on numbers that can be worked out by hand."""

import math

import msgspec
import numpy as np
import pytest

from xorexport.errors import MismatchError
from xorexport.quantization.budget import excess, measure
from xorexport.spec import Budget, Decision

EXPECTED = np.array([[3.0], [-4.0]], dtype=np.float32)


def test_errors_and_the_ratio_are_those_of_the_formula():
    budget = measure("y", np.array([[3.5], [-4.0]], dtype=np.float32), EXPECTED, None)
    assert (budget.output, budget.rows, budget.lost, budget.flips) == ("y", 2, 0, None)
    assert (budget.max_abs, budget.mean_abs) == (0.5, 0.25)
    # Signal 9 + 16, noise 0.25: a hundred times as much is 20 decibels.
    assert budget.snr_db == pytest.approx(20.0)


def test_the_ratio_of_a_tenth_of_the_amplitude_is_twenty_decibels_at_any_scale():
    for scale in (1e-30, 1.0, 1e30):
        expected = np.full((7, 3), scale)
        assert measure("y", 1.1 * expected, expected, None).snr_db == pytest.approx(20.0)


def test_there_is_no_ratio_without_noise_or_without_signal():
    exact = measure("y", EXPECTED, EXPECTED, None)
    assert (exact.max_abs, exact.mean_abs, exact.snr_db) == (0.0, 0.0, None)
    silent = measure("y", EXPECTED, np.zeros_like(EXPECTED), None)
    assert (silent.max_abs, silent.mean_abs, silent.snr_db) == (4.0, 3.5, None)


def test_differences_smaller_than_float32_resolves_are_measured():
    actual, expected = np.array([[np.float32(1.0)]]), np.array([[1.0 + 1e-12]])
    assert measure("y", actual, expected, None).max_abs == pytest.approx(1e-12, rel=1e-3)


def test_whole_numbers_that_float64_cannot_tell_apart_differ():
    expected = np.array([[2**53]], dtype=np.int64)
    assert measure("ids", expected + 1, expected, None).max_abs == 1.0
    assert measure("ids", expected, expected, None).max_abs == 0.0


@pytest.mark.parametrize(
    ("actual", "expected"), [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (1.0, -math.inf), (math.inf, -math.inf)]
)
def test_a_lost_value_leaves_the_error_without_a_bound(actual, expected):
    budget = measure("y", np.array([[actual], [2.0]]), np.array([[expected], [2.0]]), None)
    assert (budget.lost, budget.max_abs, budget.mean_abs, budget.snr_db) == (1, None, None, None)
    assert "1 values of 'y' are lost" in excess(budget, max_error=None, max_flips=None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_on_both_sides_is_no_error(value):
    budget = measure("y", np.array([[value], [1.1]]), np.array([[value], [1.0]]), None)
    assert budget.lost == 0
    assert budget.max_abs == pytest.approx(0.1)
    assert budget.snr_db == pytest.approx(20.0)


def test_flips_are_counted_where_the_output_decides():
    actual = np.array([[0.49], [0.51], [0.9], [0.1]])
    expected = np.array([[0.51], [0.49], [0.8], [0.2]])
    assert measure("y", actual, expected, Decision.THRESHOLD).flips == 2
    classes = np.array([[0.4, 0.6], [0.7, 0.3]])
    assert measure("y", classes[:, ::-1], classes, Decision.ARGMAX).flips == 2
    assert measure("y", classes * 0.9, classes, Decision.ARGMAX).flips == 0


@pytest.mark.parametrize(("actual", "expected"), [((2, 1), (2, 2)), ((3, 1), (2, 1)), ((0, 1), (0, 1))])
def test_arrays_that_cannot_be_compared_are_refused(actual, expected):
    with pytest.raises(MismatchError, match="output 'y'"):
        measure("y", np.zeros(actual), np.zeros(expected), None)


def test_the_gate_says_what_is_too_much():
    budget = Budget(output="y", rows=10, max_abs=0.02, mean_abs=0.01, snr_db=30.0, flips=2)
    assert excess(budget, None, None) == ""
    assert excess(budget, 0.02, 2) == ""
    assert excess(budget, 0.0199, 2) == "the largest error of 'y' is 0.02, more than 0.0199"
    assert excess(budget, 0.02, 1) == "2 of 10 decisions of 'y' flip, more than 1"
    undecided = Budget(output="y", rows=10, max_abs=0.02, mean_abs=0.01, snr_db=30.0)
    assert excess(undecided, None, 0) == ""


def test_every_budget_survives_json():
    lost = measure("y", np.array([[math.nan]]), np.array([[1.0]]), Decision.THRESHOLD)
    for budget in (lost, measure("y", 1.1 * EXPECTED, EXPECTED, None), measure("y", EXPECTED, EXPECTED, None)):
        assert msgspec.json.decode(msgspec.json.encode(budget), type=Budget) == budget
