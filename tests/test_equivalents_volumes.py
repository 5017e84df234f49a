"""Three dimensions of two: pooling, dilation and blocks."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(2)
VOLUME = RANDOM.uniform(-1, 1, (2, 5, 7, 6, 3)).astype(np.float32)
SIZES = [(2, 2, 2), (3, 2, 1), (1, 3, 4), (5, 7, 6)]
STEPS = [(1, 1, 1), (2, 1, 3), (3, 2, 2)]


EVERY = list(itertools.product(SIZES, STEPS))


def pools(op_type, padding, ways=EVERY):
    """Every window with every step."""
    return lambda x: [
        getattr(tf.raw_ops, op_type)(input=x, ksize=[1, *size, 1], strides=[1, *steps, 1], padding=padding)
        for size, steps in ways
    ]


def pooled(op_type, **bound):
    for padding in ("SAME", "VALID"):
        yield Case(padding, pools(op_type, padding), [VOLUME], **bound)
        unknown = [(None, None, 7, None, 3)]
        some = pools(op_type, padding, EVERY[1:9:3])
        yield Case(f"{padding}, unknown sizes", some, [VOLUME], shapes=unknown, **bound)


def space_to_batch(blocks, paddings):
    return lambda x: tf.raw_ops.SpaceToBatchND(input=x, block_shape=blocks, paddings=paddings)


def batch_to_space(blocks, crops):
    return lambda x: tf.raw_ops.BatchToSpaceND(input=x, block_shape=blocks, crops=crops)


SPACE = RANDOM.uniform(-1, 1, (2, 4, 6, 5, 3)).astype(np.float32)
BATCH = RANDOM.uniform(-1, 1, (24, 2, 3, 2, 3)).astype(np.float32)
BLOCKS = {
    "no padding": ([2, 3, 1], [[0, 0], [0, 0], [0, 0]]),
    "padding": ([2, 3, 4], [[1, 1], [2, 1], [0, 3]]),
    "padding at one end": ([3, 2, 2], [[2, 0], [0, 0], [1, 0]]),
    "two of three": ([2, 3], [[0, 2], [1, 2]]),
    "one of three": ([2], [[1, 1]]),
}
CROPS = {
    "no crops": ([2, 3, 4], [[0, 0], [0, 0], [0, 0]]),
    "crops": ([2, 3, 2], [[1, 1], [2, 3], [0, 1]]),
    "crops at one end": ([4, 2, 3], [[3, 0], [0, 2], [0, 0]]),
    "two of three": ([2, 3], [[0, 1], [2, 2]]),
    "one of three": ([4], [[1, 5]]),
}

CASES = {
    "MaxPool3D": list(pooled("MaxPool3D")),
    "AvgPool3D": list(pooled("AvgPool3D", scaled=16)),
    "SpaceToBatchND": [
        *(Case(name, space_to_batch(*used), [SPACE]) for name, used in BLOCKS.items()),
        Case("unknown sizes", space_to_batch(*BLOCKS["padding"]), [SPACE], shapes=[(None, None, 6, None, 3)]),
        Case("six dimensions", space_to_batch(*BLOCKS["padding"]), [np.stack([SPACE, -SPACE], -1)]),
    ],
    "BatchToSpaceND": [
        *(Case(name, batch_to_space(*used), [BATCH]) for name, used in CROPS.items()),
        Case("unknown sizes", batch_to_space(*CROPS["crops"]), [BATCH], shapes=[(None, 2, None, None, 3)]),
        Case("six dimensions", batch_to_space(*CROPS["crops"]), [np.stack([BATCH, -BATCH], -1)]),
    ],
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


def test_what_formats_have_is_left_alone():
    image = SPACE[:, :, :, 0]
    for function in (space_to_batch([2, 3], [[0, 0], [0, 0]]), batch_to_space([2, 1], [[0, 0], [0, 0]])):
        kept = frozen_with(EQUIVALENTS, function, image).op_types
        assert kept & {"SpaceToBatchND", "BatchToSpaceND"}


# A transposed convolution's equivalent is one without dilation.

KERNEL = RANDOM.uniform(-1, 1, (3, 2, 4, 3)).astype(np.float32)
GRADIENT = RANDOM.uniform(-1, 1, (2, 5, 6, 3)).astype(np.float32)


def transposed(strides, dilations, padding):
    """Of the size that Keras gives it."""
    span = [dilation * (size - 1) + 1 for dilation, size in zip(dilations, KERNEL.shape, strict=False)]
    sizes = [
        size * stride + (max(reach - stride, 0) if padding == "VALID" else 0)
        for size, stride, reach in zip(GRADIENT.shape[1:3], strides, span, strict=True)
    ]

    def convolve(kernel, gradient):
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.stack([tf.shape(gradient)[0], *sizes, 4]),
            filter=kernel,
            out_backprop=gradient,
            strides=[1, *strides, 1],
            padding=padding,
            dilations=[1, *dilations, 1],
        )

    return convolve


DILATED = [
    ((1, 1), (2, 2)),
    ((1, 1), (3, 1)),
    ((1, 1), (1, 4)),
    ((1, 1), (2, 3)),
    ((2, 1), (1, 2)),
    ((2, 3), (3, 2)),
]
TRANSPOSED = {
    "Conv2DBackpropInput": [
        Case(f"{strides} {dilations} {padding}", transposed(strides, dilations, padding), [KERNEL, GRADIENT], scaled=8)
        for (strides, dilations), padding in itertools.product(DILATED, ("SAME", "VALID"))
    ]
}


@each(TRANSPOSED)
def test_a_transposed_convolution_has_no_dilation_any_more(op_type, case):
    case.check(op_type, gone=False)
    frozen = frozen_with({op_type: EQUIVALENTS[op_type]}, case.function, *case.arrays)
    (node,) = [node for node in frozen.nodes if node.op == op_type]
    assert list(node.attr["dilations"].list.i) == [1, 1, 1, 1]


@pytest.mark.parametrize("strides", [(1, 1), (2, 1)])
def test_a_transposed_convolution_without_dilation_is_left_alone(strides):
    function = transposed(strides, (1, 1), "SAME")
    plain, other = (frozen_with(table, function, KERNEL, GRADIENT) for table in ({}, EQUIVALENTS))
    assert plain.definition == other.definition


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) | set(TRANSPOSED) <= set(EQUIVALENTS)
