"""Functions of one number against TensorFlow's own, on every scale: tiny numbers, tails, both ends and beyond."""

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with, units

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(0)
LARGEST = float(np.finfo(np.float32).max)


def scales(low, high, count=4000):
    """As many numbers near each power of two."""
    return np.exp(RANDOM.uniform(np.log(low), np.log(high), count))


def row(*parts):
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


def both_signs(*parts):
    return row(*parts, *(-np.asarray(part) for part in parts), 0.0, -0.0)


UNIT = row(RANDOM.uniform(0, 1, 4000), scales(1e-30, 1), 1 - scales(6e-8, 0.5), 1.0)
"""From 0 to 1, densely at both ends."""
ALL = row(scales(1e-30, LARGEST), np.inf)
EXPONENTS = row(scales(1e-30, 88), RANDOM.uniform(0, 88.7, 2000), 89.5, np.inf)
"""To the end of what exp can return, and past it."""
BELL = row(scales(1e-30, 10), RANDOM.uniform(0, 6, 4000), np.inf)
QUANTILES = row(UNIT, 1e-38, np.exp(-2), 1 - np.exp(-2), 0.0, 0.5, -0.5, 1.5)
UNARY = {
    "Acos": (both_signs(UNIT), 5),
    "Acosh": (row(1 + scales(1.2e-7, 1), scales(1, LARGEST), 1.0, np.inf, 0.5, -3.0, -scales(1, LARGEST), -np.inf), 5),
    "Asin": (both_signs(UNIT), 5),
    "Asinh": (both_signs(ALL), 4),
    "Atan": (both_signs(ALL), 0),
    "Atanh": (both_signs(UNIT), 4),
    "Cosh": (both_signs(EXPONENTS), 2),
    "Erf": (both_signs(BELL), 7),
    # Further out TensorFlow's kernel is off by up to 50 units itself.
    "Erfc": (both_signs(scales(1e-30, 8), RANDOM.uniform(0, 6, 4000), np.inf), 13),
    "Erfinv": (both_signs(UNIT), 6),
    "Expm1": (both_signs(EXPONENTS), 5),
    "Log1p": (row(ALL, -UNIT, -0.0), 3),
    "Ndtri": (QUANTILES, 3),
    "IsInf": (both_signs(ALL, np.nan, LARGEST), 0),
    "Sinh": (both_signs(EXPONENTS), 4),
    "Tan": (both_signs(scales(1e-30, 1e4)), 4),
}
"""By op type: numbers, and the units in the last place by which the equivalent may differ."""


def unary(op_type):
    return lambda x: getattr(tf.raw_ops, op_type)(x=x)


PIXELS = row(RANDOM.uniform(0, 1, (500, 3)), 300 * RANDOM.uniform(0, 1, (100, 3)), scales(1e-20, 1e-10, 30)).reshape(
    -1, 3
)
# Every order of the three, two alike in every place, greys, black and white.
CORNERS = np.float32([[r, g, b] for r in (0, 0.25, 1) for g in (0, 0.25, 1) for b in (0, 0.25, 1)])
FACTORS, LOGS = (
    a.ravel().astype(np.float32)
    for a in np.meshgrid([0.0, -0.0, 1.5, -2.0, 1e-30, 1e30, np.inf], [0.0, 1e-30, 0.5, 1.0, 7.0, 1e30, np.inf, -1.0])
)


def against_infinity(x):
    """Either of them, on either side."""
    return [
        tf.raw_ops.Equal(x=a, y=b)
        for limit in (np.float32(np.inf), np.float32(-np.inf))
        for a, b in ((x, limit), (limit, x))
    ]


CASES = {
    **{name: [Case("scales", unary(name), [x], bound)] for name, (x, bound) in UNARY.items()},
    "Equal": [
        Case("infinity", against_infinity, [UNARY["IsInf"][0]]),
        Case("other numbers", lambda x: tf.raw_ops.Equal(x=x, y=x[::-1] + 1.0), [FACTORS]),
    ],
    "HSVToRGB": [
        Case("pixels", lambda x: tf.raw_ops.HSVToRGB(images=x), [np.concatenate([PIXELS[:500], CORNERS])], scaled=1),
        Case("an image", lambda x: tf.raw_ops.HSVToRGB(images=x), [PIXELS[:30].reshape(2, 5, 3, 3)], scaled=1),
    ],
    "RGBToHSV": [
        Case("pixels", lambda x: tf.raw_ops.RGBToHSV(images=x), [np.concatenate([PIXELS, CORNERS])], scaled=1),
        Case("an image", lambda x: tf.raw_ops.RGBToHSV(images=x), [PIXELS[:30].reshape(2, 5, 3, 3)], scaled=1),
    ],
    "Xlogy": [
        Case("every pair", lambda x, y: tf.raw_ops.Xlogy(x=x, y=y), [FACTORS, LOGS], 2),
        Case("broadcast", lambda x, y: tf.raw_ops.Xlogy(x=x, y=y), [FACTORS[:7, None], np.float32([[0, 2, 3]])], 2),
    ],
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type, gone=op_type != "Equal")


def test_no_infinite_constant_is_left_to_compare_with():
    graph = frozen_with(EQUIVALENTS, against_infinity, FACTORS)
    constants = [tf.make_ndarray(node.attr["value"].tensor) for node in graph.nodes if node.op == "Const"]
    assert constants
    assert not any(np.isinf(value).any() for value in constants if value.dtype.kind == "f")


@pytest.mark.parametrize("op_type", UNARY)
def test_sizes_may_be_unknown(op_type):
    x, bound = UNARY[op_type]
    Case("", unary(op_type), [x[:6].reshape(1, 2, 3)], bound, shapes=[(None, 2, None)]).check(op_type)


def test_units_tell_neighbours_signs_and_infinities_apart():
    one = np.float32([1.0, 0.0, -1.0, 3.0])
    assert units(one, np.nextafter(one, np.float32(9))).tolist() == [1, 1, 1, 1]
    assert units(np.float32([1e-45]), np.float32([-1e-45])).tolist() == [2]
    for other in (np.inf, np.nan):
        with pytest.raises(AssertionError):
            units(one, np.float32([1.0, 0.0, -1.0, other]))


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
