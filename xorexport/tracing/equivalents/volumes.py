"""Pooling and dilation over three dimensions, of ops over two and of reshapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant, integers, text


def max_pool_3d(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The largest over (height, width), then over depth."""
    return _pool_3d(tf.nn.max_pool2d, inputs[0], attributes)


def average_pool_3d(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The mean over (height, width), then over depth.

    With padding, TensorFlow takes the mean over what lies inside, whose number is a product over the dimensions; so
    the mean of means is the same here too.
    """
    return _pool_3d(tf.nn.avg_pool2d, inputs[0], attributes)


def _pool_3d(pool: Callable[..., Any], x: Any, attributes: Mapping[str, Any]) -> Any:
    if text(attributes, "data_format") != "NDHWC":
        return None
    _, depth, height, width, _ = integers(attributes, "ksize")
    _, step, down, across, _ = integers(attributes, "strides")
    padding = text(attributes, "padding")
    sizes = _sizes(x)
    planes = tf.reshape(x, [_product(sizes[:2]), *sizes[2:]])
    planes = pool(planes, [height, width], [down, across], padding)
    _, rows, columns, channels = _sizes(planes)
    lines = tf.reshape(planes, [*sizes[:2], _product([rows, columns]), channels])
    lines = pool(lines, [depth, 1], [step, 1], padding)
    return tf.reshape(lines, [sizes[0], _sizes(lines)[1], rows, columns, channels])


def space_to_batch(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """One dimension after the other, the last first: each puts its offset in a block before the batch."""
    x, blocks, paddings = inputs[0], constant(inputs[1]), constant(inputs[2])
    if blocks is None or paddings is None or len(x.shape) <= 4:
        return None
    x = tf.pad(x, [[0, 0], *paddings.tolist(), *[[0, 0]] * (len(x.shape) - 1 - len(blocks))])
    for axis in reversed(range(1, len(blocks) + 1)):
        block = int(blocks[axis - 1])
        sizes = _sizes(x)
        before, after = _product(sizes[1:axis]), _product(sizes[axis + 1 :])
        size = sizes[axis] // block
        x = tf.reshape(x, [_product([sizes[0], before]), size, block, after])
        x = tf.transpose(x, [2, 0, 1, 3])
        x = tf.reshape(x, [_product([block, sizes[0]]), *sizes[1:axis], size, *sizes[axis + 1 :]])
    return x


def batch_to_space(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The inverse, the first dimension first."""
    x, blocks, crops = inputs[0], constant(inputs[1]), constant(inputs[2])
    if blocks is None or crops is None or len(x.shape) <= 4:
        return None
    for axis in range(1, len(blocks) + 1):
        block = int(blocks[axis - 1])
        sizes = _sizes(x)
        batch = sizes[0] // block
        before, after = _product(sizes[1:axis]), _product(sizes[axis + 1 :])
        x = tf.reshape(x, [block, _product([batch, before]), sizes[axis], after])
        x = tf.transpose(x, [1, 2, 0, 3])
        x = tf.reshape(x, [batch, *sizes[1:axis], sizes[axis] * block, *sizes[axis + 1 :]])
    begins = [0, *(int(crop[0]) for crop in crops)]
    sizes = _sizes(x)
    ends = [None, *(sizes[axis + 1] - int(crop[1]) for axis, crop in enumerate(crops))]
    return x[tuple(slice(begin, end) for begin, end in zip(begins, ends, strict=True))]


def dilated_transpose(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A transposed convolution without dilation, whose kernel has zeros between its elements instead."""
    dilations = integers(attributes, "dilations")
    if text(attributes, "data_format") != "NHWC" or dilations == [1, 1, 1, 1]:
        return None
    sizes, kernel, gradient = inputs
    for axis in (0, 1):
        kernel = _spread(kernel, axis, dilations[axis + 1])
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=sizes,
        filter=kernel,
        out_backprop=gradient,
        strides=integers(attributes, "strides"),
        padding=text(attributes, "padding"),
        explicit_paddings=integers(attributes, "explicit_paddings"),
    )


def _spread(kernel: Any, axis: int, step: int) -> Any:
    """Put `step` - 1 zeros between neighbours."""
    spread = tf.expand_dims(kernel, axis + 1)
    spread = tf.pad(spread, [[0, step - 1 if other == axis + 1 else 0] for other in range(len(spread.shape))])
    shape = list(kernel.shape)
    shape[axis] *= step
    spread = tf.reshape(spread, shape)
    ends = [None] * len(shape)
    ends[axis] = shape[axis] - step + 1
    return spread[tuple(slice(0, end) for end in ends)]


def _sizes(tensor: Any) -> list[Any]:
    """Sizes, as numbers where they are known."""
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(tensor.shape)]


def _product(sizes: Sequence[Any]) -> Any:
    result: Any = 1
    for size in sizes:
        result = result * size
    return result
