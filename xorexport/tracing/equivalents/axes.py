"""Rolling, diagonals and vectors along axes of a known length, of slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant


def roll(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """What falls off at one end comes first at the other, axis by axis."""
    x, shifts, axes = inputs[0], constant(inputs[1]), constant(inputs[2])
    if shifts is None or axes is None:
        return None
    for shift, axis in zip(np.ravel(shifts), np.ravel(axes), strict=True):
        size = x.shape[int(axis)]
        if size is None:
            return None
        kept = size - int(shift) % size
        x = tf.concat(tf.split(x, [kept, size - kept], axis=int(axis))[::-1], axis=int(axis))
    return x


def diagonal(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """One diagonal of each matrix, whose elements are picked from the matrix as one row."""
    x, offset = inputs[0], constant(inputs[1])
    rows, columns = x.shape[-2:]
    if offset is None or np.size(offset) != 1 or None in (rows, columns):
        return None
    k = int(np.ravel(offset)[0])
    places = np.flatnonzero(np.eye(rows, columns, k))
    sizes = tf.shape(x)[:-2]
    return tf.gather(tf.reshape(x, tf.concat([sizes, [rows * columns]], 0)), places.astype(np.int32), axis=-1)


def update_slice(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`XlaDynamicUpdateSlice`: a choice between both, the update spread out along each axis from where it begins.

    Where it would go over the end, it begins earlier.
    """
    x, update, starts = inputs
    sizes, update_sizes = tf.shape(x), tf.shape(update)
    inside = tf.constant(True)
    for axis in range(len(x.shape)):
        start = tf.clip_by_value(tf.cast(starts[axis], tf.int32), 0, sizes[axis] - update_sizes[axis])
        place = tf.range(sizes[axis]) - start
        within = (place >= 0) & (place < update_sizes[axis])
        inside = inside & tf.reshape(within, [-1, *[1] * (len(x.shape) - 1 - axis)])
        update = tf.gather(update, tf.clip_by_value(place, 0, update_sizes[axis] - 1), axis=axis)
    return tf.where(inside, update, x)


def cross(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The vector product over the last axis."""
    a, b = (tf.unstack(x, axis=-1) for x in inputs)
    return tf.stack([a[i - 2] * b[i - 1] - a[i - 1] * b[i - 2] for i in range(3)], axis=-1)


def broadcast_shape(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`BroadcastArgs`: the size of the second where the first has 1, from the last axis on."""
    ranks = [x.shape[0] for x in inputs]
    if None in ranks:
        return None
    paddings = ([[max(ranks) - rank, 0]] for rank in ranks)
    first, second = (tf.pad(x, p, constant_values=1) for x, p in zip(inputs, paddings, strict=True))
    return tf.where(tf.equal(first, 1), second, first)
