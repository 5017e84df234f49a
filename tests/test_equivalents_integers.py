"""Whole numbers: every bit, bucket and product as TensorFlow has it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with
from keras import ops

from xorexport.tracing.equivalents import EQUIVALENTS
from xorexport.tracing.equivalents.integers import sign_bit

RANDOM = np.random.default_rng(1)
EDGES = np.int32(
    [0, 1, -1, 2, -2, 0x7FFF, 0x8000, 0xFFFF, 0x10000, -0x8000, -0x10000, 2**31 - 1, -(2**31), -(2**31) + 1]
)
INTEGERS = np.concatenate([EDGES, RANDOM.integers(-(2**31), 2**31, 200, dtype=np.int32)])
PAIRS = [INTEGERS[:, None], INTEGERS[None]]


def op(op_type):
    return lambda x, y: getattr(tf.raw_ops, op_type)(x=x, y=y)


def bincount(size, binary=False):
    def count(values, weights):
        return tf.raw_ops.DenseBincount(input=values, size=size, weights=weights, binary_output=binary)

    return count


def keras_bincount(values):
    return (
        ops.bincount(values, minlength=5)
        if len(values.shape) == 1
        else tf.math.bincount(values, minlength=5, maxlength=5, axis=-1, dtype=tf.int32)
    )


COUNTED = np.int32([[0, 4, 4, 1], [5, 9, 2, 2], [3, 3, 3, 3]])
WEIGHTS = np.float32([[0.5, 1.25, -2, 7], [1, 1, 3, 0.5], [0, 1e-3, 1, 100]])
NONE = {dtype: np.zeros((0,), dtype) for dtype in (np.float32, np.int32)}
BOUNDARIES = [-2.5, 0.0, 1.0, 1e6]
MEASURED = np.float32([-np.inf, -2.5000002, -2.5, -0.0, 0.0, 1e-30, 0.99999994, 1.0, 1e6, 1e6 + 0.0625, np.inf, np.nan])


def bucketize(x):
    return tf.raw_ops.Bucketize(input=x, boundaries=BOUNDARIES)


def products(axis, exclusive, reverse):
    return lambda x: tf.math.cumprod(x, axis, exclusive=bool(exclusive), reverse=bool(reverse))


WIDE = np.concatenate([INTEGERS.astype(np.int64), RANDOM.integers(-(2**62), 2**62, 200, dtype=np.int64)])
DIVISORS = INTEGERS[(INTEGERS != 0) & (INTEGERS != -1)]
SCORES = np.float32([[3, 1, 1, -2], [0, 0, 0, 0], [np.nan, 1, 2, 3], [5, np.inf, 1, 2], [-1, -3, -2, -5]])
TARGETS = np.int32([1, 3, 2, 0, 4])


SORTED = [np.float32([[-1, 0, 0, 2], [-np.inf, 1, 3, np.inf]]), np.float32([[-2, -1, 0, 1, 3], [0, 1, 2, 3, np.inf]])]
RANKED = [array[:1].astype(np.int32) for array in SORTED]


def one_hot(depth, on, off, axis=-1):
    return lambda x: tf.raw_ops.OneHot(indices=x, depth=depth, on_value=on, off_value=off, axis=axis)


def bound(op_type):
    return lambda x, y: [
        getattr(tf.raw_ops, op_type)(sorted_inputs=x, values=y, out_type=dtype) for dtype in (tf.int32, tf.int64)
    ]


def in_top_k(predictions, targets):
    """Every number of classes; a target that is none is in none of them."""
    return [tf.raw_ops.InTopKV2(predictions=predictions, targets=targets, k=k) for k in range(6)]


def alone(op_type):
    return lambda x: getattr(tf.raw_ops, op_type)(x=x)


FACTORS = RANDOM.uniform(-2, 2, (3, 7, 4)).astype(np.float32)
WAYS = [(axis, *flags) for axis, flags in zip((1, -1, 0, -2), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True)]

CASES = {
    "Abs": [Case("64 bits", alone("Abs"), [WIDE])],
    "Sign": [Case("64 bits", alone("Sign"), [WIDE])],
    "Invert": [Case(dtype, alone("Invert"), [WIDE.astype(dtype)]) for dtype in ("int32", "int64")],
    "FloorDiv": [
        Case("every pair", op("FloorDiv"), [INTEGERS[:, None], DIVISORS[None]]),
        Case("64 bits", op("FloorDiv"), [WIDE[:, None], DIVISORS[None].astype(np.int64)]),
    ],
    "LowerBound": [Case("rows", bound("LowerBound"), SORTED), Case("integers", bound("LowerBound"), RANKED)],
    "UpperBound": [
        Case("rows", bound("UpperBound"), SORTED, shapes=[(None, 4), (None, None)]),
        Case("integers", bound("UpperBound"), RANKED),
    ],
    "OneHot": [
        Case("integers", one_hot(5, np.int32(7), np.int32(-2)), [COUNTED]),
        Case("the first axis", one_hot(5, np.int64(1), np.int64(0), axis=0), [COUNTED.astype(np.int64)]),
        Case("a middle axis", one_hot(4, np.int8(1), np.int8(0), axis=1), [COUNTED]),
        Case("truth values", one_hot(5, True, False), [COUNTED]),
        Case("the other way round", one_hot(5, False, True), [COUNTED], shapes=[(None, 4)]),
    ],
    "InTopKV2": [
        Case("every k", in_top_k, [SCORES, TARGETS]),
        Case("unknown batch", in_top_k, [SCORES, TARGETS.astype(np.int64)], shapes=[(None, 4), (None,)]),
    ],
    "BitwiseAnd": [Case("every pair", op("BitwiseAnd"), PAIRS)],
    "BitwiseOr": [Case("every pair", op("BitwiseOr"), PAIRS)],
    "LeftShift": [Case("every pair", op("LeftShift"), [INTEGERS[:, None], np.arange(32, dtype=np.int32)[None]])],
    "DenseBincount": [
        Case("rows", bincount(5), [COUNTED, NONE[np.int32]]),
        Case("one row", bincount(12), [COUNTED[0], NONE[np.float32]]),
        Case("rows of an unknown number", bincount(5), [COUNTED, NONE[np.float32]], shapes=[(None, 4), (0,)]),
        Case("weights", bincount(5), [COUNTED, WEIGHTS], 1),
        Case("weights of one row", bincount(10), [COUNTED[1], WEIGHTS[1]], 1),
        Case("whether there is any", bincount(5, binary=True), [COUNTED, NONE[np.float32]]),
        Case("whether there is any, in a row", bincount(5, binary=True), [COUNTED[2], NONE[np.float32]]),
        Case("whether there is any, weights or no", bincount(5, binary=True), [COUNTED, WEIGHTS]),
        Case("the least and the most are the same", keras_bincount, [COUNTED]),
        Case("64 bits", bincount(np.int64(5)), [COUNTED.astype(np.int64), NONE[np.float32]]),
    ],
    "Bucketize": [
        Case("floats", bucketize, [MEASURED]),
        Case("doubles", bucketize, [np.float64([[1 - 1e-12, 1.0], [-2.5 - 1e-12, 1e6 - 1e-9]])]),
        Case("integers", bucketize, [np.int32([[-3, -2, 0], [1, 2, 2**31 - 1]])]),
        Case("integers of 64 bits", bucketize, [np.int64([-(2**40), 0, 2**40])]),
        Case("one", lambda x: tf.raw_ops.Bucketize(input=x, boundaries=[0.1]), [np.float32([0.1, 0.09, 0.11])]),
    ],
    "Cumprod": [
        *(Case(f"axis {a}, exclusive {e}, reverse {r}", products(a, e, r), [FACTORS], scaled=4) for a, e, r in WAYS),
        Case("axes that are no power of two", products(1, False, True), [FACTORS[:, :5]], scaled=4),
        Case("a power of two", products(-1, True, False), [FACTORS], scaled=4),
        Case("one element", products(1, False, False), [FACTORS[:, :1]]),
        Case("nothing but the one before", products(1, True, True), [FACTORS[:, :1]]),
        Case("zeros", products(0, False, False), [np.float32([3, 0, 2, -0.0, 5])]),
        Case("integers", products(1, False, True), [np.int32([[2, -3, 5, 7, 1, 1, 4]])]),
        Case("rows of an unknown number", products(1, True, False), [FACTORS], scaled=4, shapes=[(None, 7, None)]),
    ],
}  # fmt: skip


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


@pytest.mark.parametrize("op_type", ["BitwiseAnd", "BitwiseOr", "LeftShift"])
def test_integers_of_other_widths_are_left_alone(op_type):
    narrow = np.int8([1, 2])
    assert op_type in frozen_with({op_type: EQUIVALENTS[op_type]}, op(op_type), narrow, narrow).op_types


def test_floats_and_integers_that_formats_can_handle_are_left_alone():
    for op_type, x in {"Abs": INTEGERS, "Sign": INTEGERS, "Invert": np.uint8([1, 2])}.items():
        assert op_type in frozen_with(EQUIVALENTS, alone(op_type), x).op_types
    assert "FloorDiv" in frozen_with(EQUIVALENTS, op("FloorDiv"), FACTORS, FACTORS).op_types
    assert "OneHot" in frozen_with(EQUIVALENTS, one_hot(5, 1.0, 0.0), COUNTED).op_types


def test_what_depends_on_the_values_is_left_alone():
    def counted(values):
        return tf.math.bincount(values, axis=-1)

    def along(x, axis):
        return tf.math.cumprod(x, axis)

    assert "DenseBincount" in frozen_with(EQUIVALENTS, counted, COUNTED).op_types
    assert "Cumprod" in frozen_with(EQUIVALENTS, along, FACTORS, np.int32(1)).op_types
    unknown = [(3, None, 4)]
    assert "Cumprod" in frozen_with(EQUIVALENTS, products(1, False, False), FACTORS, shapes=unknown).op_types


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int8", "uint8", "bool"])
def test_the_sign_bit_is_what_keras_says_for_negative_zeros_too(dtype):
    x = np.array([0, 1, 3, 0], dtype) if dtype in ("bool", "uint8") else np.array([0, -1, 3, -7], dtype)
    if dtype.startswith("float"):
        info = np.finfo(dtype)
        ends = [-0.0, -np.inf, np.inf, info.tiny, -info.tiny, info.max, info.min]
        x = np.concatenate([x, np.array(ends, dtype)])
    expected = np.asarray(keras.ops.signbit(x))
    np.testing.assert_array_equal(np.asarray(sign_bit(x)), expected)
    assert expected.dtype == bool


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
