"""Whole numbers: bits, counting, sorting into buckets, and running products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant, dtype, flag, integer

HALF_BITS = 16
HALF = 1 << HALF_BITS


def sign_bit(x: Any) -> Any:
    """In place of Keras' `signbit`, which looks at bits: -0.0 is the zero whose inverse is negative."""
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_floating:
        return x < 0 if x.dtype != tf.bool else tf.zeros_like(x)
    zero = tf.equal(x, 0.0)
    inverse = 1.0 / tf.where(zero, x, tf.ones_like(x))
    return (x < 0.0) | (zero & (inverse < 0.0))


def floor_divide(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The quotient towards zero, and 1 less where that was above the real one; floats are left alone."""
    x, y = inputs
    if not x.dtype.is_integer:
        return None
    quotient = tf.truncatediv(x, y)
    rest = x - quotient * y
    above = tf.not_equal(rest, 0) & tf.not_equal(rest < 0, y < 0)
    return quotient - tf.cast(above, x.dtype)


def absolute(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The larger of x and -x, for int64 alone."""
    return tf.maximum(inputs[0], -inputs[0]) if inputs[0].dtype == tf.int64 else None


def sign(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """Whether x is above zero less whether it is below, for int64 alone."""
    x = inputs[0]
    return tf.cast(x > 0, x.dtype) - tf.cast(x < 0, x.dtype) if x.dtype == tf.int64 else None


def invert(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """-1 - x, which has all bits the other way round; for signed numbers."""
    return -1 - inputs[0] if inputs[0].dtype in (tf.int32, tf.int64) else None


def one_hot(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A comparison with every class; float32 is left alone."""
    indices, depth, on, off = inputs
    classes = constant(depth)
    if on.dtype == tf.float32 or classes is None:
        return None
    axis = integer(attributes, "axis")
    every = tf.range(int(classes), dtype=indices.dtype)
    behind = 0 if axis < 0 else len(indices.shape) - axis
    hot = tf.equal(tf.expand_dims(indices, axis), tf.reshape(every, [-1, *[1] * behind]))
    if on.dtype == tf.bool:  # ONNX Runtime has no `Where` of these
        return (hot & on) | (tf.logical_not(hot) & off)
    return tf.where(hot, on, off)


def in_top_k(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """Whether fewer than k classes are above the target, which has to be a finite number's."""
    predictions, targets, k = inputs
    classes = tf.range(predictions.shape[1], dtype=targets.dtype) if predictions.shape[1] is not None else None
    if classes is None:
        return None
    hot = tf.equal(tf.expand_dims(targets, 1), classes)
    own = tf.reduce_sum(tf.where(hot, predictions, tf.zeros_like(predictions)), axis=1)
    above = tf.reduce_sum(tf.cast(predictions > tf.expand_dims(own, 1), k.dtype), axis=1)
    return (above < k) & tf.reduce_any(hot, axis=1) & tf.reduce_all(tf.math.is_finite(predictions), axis=1)


def bitwise_and(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """(a + b - (a xor b)) / 2: a sum is the bits that differ, and twice the bits that both have.

    Upper and lower halves apart, since a sum of two int32 may be none.
    """
    if inputs[0].dtype != tf.int32:
        return None
    a, b = inputs
    high = [tf.bitwise.right_shift(tensor, HALF_BITS) for tensor in (a, b)]
    low = [tensor - upper * HALF for tensor, upper in zip((a, b), high, strict=True)]
    upper, lower = ((x + y - tf.bitwise.bitwise_xor(x, y)) // 2 for x, y in (high, low))
    return upper * HALF + lower


def bitwise_or(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A xor b, and the bits that both have."""
    both = bitwise_and(inputs, attributes)
    return None if both is None else tf.bitwise.bitwise_xor(inputs[0], inputs[1]) + both


def left_shift(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A times the power of 2 from a table; what does not fit falls off, as with a shift."""
    if inputs[0].dtype != tf.int32:
        return None
    powers = np.left_shift(np.int32(1), np.arange(32, dtype=np.int32))
    return inputs[0] * tf.gather(tf.constant(powers), inputs[1])


def dense_bincount(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The sum of one-hot rows, or whether there is any; numbers beyond the size do not count."""
    values, size, weights = inputs
    least, most = _bounds(size)
    if least != most:
        return None
    # A comparison, since tf2onnx writes a `OneHot` of integers that ONNX does not accept.
    hot = tf.cast(tf.equal(tf.expand_dims(values, -1), tf.range(int(least), dtype=values.dtype)), weights.dtype)
    if flag(attributes, "binary_output"):
        return tf.reduce_max(hot, axis=-2)
    if weights.shape.num_elements() != 0:
        hot *= tf.expand_dims(weights, -1)
    return tf.reduce_sum(hot, axis=-2)


def _bounds(size: Any) -> tuple[float, float]:
    """The smallest and the largest that a size can be: Keras gives a minimum and a maximum that are the same."""
    value = constant(size)
    if value is not None:
        return float(value), float(value)
    if size.op.type in ("Minimum", "Maximum"):
        choose = min if size.op.type == "Minimum" else max
        first, second = (_bounds(tensor) for tensor in size.op.inputs)
        return choose(first[0], second[0]), choose(first[1], second[1])
    if size.op.type in ("Cast", "Identity"):
        return _bounds(size.op.inputs[0])
    return 0.0, np.inf


def bucketize(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """How many boundaries the number is not below: all of them for NaN, as with TensorFlow."""
    x = inputs[0] if inputs[0].dtype == tf.float64 else tf.cast(inputs[0], tf.float32)
    boundaries = tf.constant([float(value) for value in attributes["boundaries"].list.f], x.dtype)
    below = tf.expand_dims(x, -1) < boundaries
    return tf.reduce_sum(tf.cast(tf.logical_not(below), tf.int32), axis=-1)


def lower_bound(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """How many of a sorted row are below each value of the same row."""
    return _counted(inputs, attributes, tf.less)


def upper_bound(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The same, with those that are equal."""
    return _counted(inputs, attributes, tf.less_equal)


def _counted(inputs: Sequence[Any], attributes: Mapping[str, Any], compare: Any) -> Any:
    ordered, values = inputs
    smaller = compare(tf.expand_dims(ordered, 1), tf.expand_dims(values, 2))
    return tf.reduce_sum(tf.cast(smaller, dtype(attributes, "out_type")), axis=-1)


def cumulative_product(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """Products of runs of 1, 2, 4, ... elements, as many times as it takes for the axis' length.

    Method: W. D. Hillis and G. L. Steele, "Data parallel algorithms", 1986.
    """
    x, given = inputs[0], constant(inputs[1])
    if given is None or x.shape[int(given)] is None:
        return None
    axis = int(given) % len(x.shape)
    length = x.shape[axis]
    backwards = flag(attributes, "reverse")
    if flag(attributes, "exclusive"):
        x = _shifted(x, axis, 1, backwards)
    reach = 1
    while reach < length:
        x = x * _shifted(x, axis, reach, backwards)
        reach *= 2
    return x


def _shifted(x: Any, axis: int, by: int, backwards: bool) -> Any:
    """Elements moved along an axis, with ones where none come from."""
    length = x.shape[axis]
    kept = [slice(None)] * axis + [slice(by, None) if backwards else slice(0, length - by)]
    padding = [[0, 0]] * len(x.shape)
    padding[axis] = [0, by] if backwards else [by, 0]
    return tf.pad(x[tuple(kept)], padding, constant_values=tf.cast(1, x.dtype))
