"""Rolling, diagonals, vector products and slices, along axes of every length."""

import numpy as np
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with
from tensorflow.compiler.tf2xla.python.xla import dynamic_update_slice

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(7)
BLOCK = RANDOM.uniform(-1, 1, (2, 5, 4, 3)).astype(np.float32)
WHOLE = np.arange(40, dtype=np.int32).reshape(2, 5, 4)
VECTORS = [RANDOM.uniform(-9, 9, (4, 5, 3)).astype(np.float32) for _ in range(2)]


def rolled(x):
    """There and back, by more than there is, by nothing, and along several axes."""
    ways = [(1, 1), (-2, 2), (7, -1), (0, 1), ([2, -1], [0, 2]), ([1, 1], [1, 1])]
    return [tf.roll(x, shift, axis) for shift, axis in ways]


def diagonals(x):
    """Every one that there is."""
    rows, columns = x.shape[-2:]
    return [
        tf.raw_ops.MatrixDiagPartV3(input=x, k=k, padding_value=tf.cast(0, x.dtype)) for k in range(1 - rows, columns)
    ]


def band(x):
    return tf.raw_ops.MatrixDiagPartV3(input=x, k=[0, 1], padding_value=0.0)


def shape_of_both(first, second):
    return [tf.raw_ops.BroadcastArgs(s0=first, s1=second), tf.raw_ops.BroadcastArgs(s0=second, s1=first)]


def updated(x, update):
    """From where it fits, and from where it would go over the ends."""
    return [dynamic_update_slice(x, update, starts) for starts in ([0, 0, 0], [1, 2, 3], [0, 4, 1], [-1, -5, 9])]


CASES = {
    "BroadcastArgs": [
        Case("as long", shape_of_both, [np.int32([3, 1, 4, 1]), np.int32([3, 2, 1, 1])]),
        Case("shorter", shape_of_both, [np.int32([5, 1, 7]), np.int32([6, 1])]),
        Case("empty", shape_of_both, [np.int64([2, 0]), np.int64([1])]),
    ],
    "Cross": [
        Case("floats", lambda a, b: tf.raw_ops.Cross(a=a, b=b), VECTORS, scaled=2),
        Case("integers", lambda a, b: tf.raw_ops.Cross(a=a, b=b), [v.astype(np.int32) for v in VECTORS]),
        Case("unknown sizes", lambda a, b: tf.raw_ops.Cross(a=a, b=b), VECTORS, scaled=2, shapes=[(None, None, 3)] * 2),
    ],
    "MatrixDiagPartV3": [
        Case("wide", diagonals, [BLOCK.transpose(0, 1, 3, 2)]),
        Case("high", diagonals, [BLOCK]),
        Case("integers", diagonals, [WHOLE]),
        Case("unknown batch", diagonals, [BLOCK], shapes=[(None, None, 4, 3)]),
    ],
    "Roll": [
        Case("floats", rolled, [BLOCK]),
        Case("integers", rolled, [WHOLE]),
        Case("unknown batch", lambda x: tf.roll(x, [3, -1], [1, 3]), [BLOCK], shapes=[(None, 5, None, 3)]),
    ],
    "XlaDynamicUpdateSlice": [
        Case("a part", updated, [WHOLE, -WHOLE[:1, :2, 1:] - 1]),
        Case("all of it", updated, [WHOLE, -WHOLE - 1]),
        Case("unknown sizes", updated, [BLOCK[0], -BLOCK[0, :3, :1]], shapes=[(None, 4, None), (None, 1, 3)]),
    ],
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


def test_what_is_not_known_is_left_alone():
    unknown = [(2, None, 4, 3)]
    assert "Roll" in frozen_with(EQUIVALENTS, lambda x: tf.roll(x, 1, 1), BLOCK, shapes=unknown).op_types
    assert "Roll" in frozen_with(EQUIVALENTS, lambda x, by: tf.roll(x, by, 1), BLOCK, np.int32(1)).op_types
    flat = [(2, 5, None, 3)]
    assert "MatrixDiagPartV3" in frozen_with(EQUIVALENTS, tf.linalg.diag_part, BLOCK, shapes=flat).op_types
    assert "MatrixDiagPartV3" in frozen_with(EQUIVALENTS, band, BLOCK).op_types


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
