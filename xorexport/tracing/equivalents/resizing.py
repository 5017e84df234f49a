"""Resizing between sizes that are known: a matrix for the height and one for the width.

The matrices come from TensorFlow's own kernels, run once on images with a single bright line each. So they have its
coefficients, its borders and its rounding, whatever the converters and engines think of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant, flag, text

Resize = Callable[[Any, list[int], int], Any]
"""Resizes images to (height, width); the last argument says which of the two axes is meant."""


def bicubic(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ResizeBicubic`."""
    return _with_flags(tf.raw_ops.ResizeBicubic, inputs, attributes)


def bilinear(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ResizeBilinear`."""
    return _with_flags(tf.raw_ops.ResizeBilinear, inputs, attributes)


def area(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ResizeArea`."""
    align = flag(attributes, "align_corners")
    return _separable(inputs, lambda x, size, axis: tf.raw_ops.ResizeArea(images=x, size=size, align_corners=align))


def scale_and_translate(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ScaleAndTranslate`, which Lanczos and antialiased resizing are made of."""
    scale, translation = (constant(tensor) for tensor in inputs[2:])
    if scale is None or translation is None:
        return None

    def resize(x: Any, size: list[int], axis: int) -> Any:
        own = [axis, 1 - axis] == [0, 1]
        return tf.raw_ops.ScaleAndTranslate(
            images=x,
            size=size,
            scale=[scale[0], 1.0] if own else [1.0, scale[1]],
            translation=[translation[0], 0.0] if own else [0.0, translation[1]],
            kernel_type=text(attributes, "kernel_type"),
            antialias=flag(attributes, "antialias"),
        )

    return _separable(inputs, resize)


def nearest(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ResizeNearestNeighbor`: the rows and the columns that the kernel chooses."""
    x, known = inputs[0], sizes(inputs)
    if known is None:
        return None
    chosen = []
    with tf.init_scope():
        for axis, (size, wanted) in enumerate(known):
            line = np.arange(size, dtype=np.float32).reshape((1, size, 1, 1) if axis == 0 else (1, 1, size, 1))
            target = [wanted, 1] if axis == 0 else [1, wanted]
            line = tf.raw_ops.ResizeNearestNeighbor(images=line, size=target, **_flags(attributes))
            chosen.append(np.asarray(line).ravel().astype(np.int32))
    return tf.gather(tf.gather(x, chosen[0], axis=1), chosen[1], axis=2)


def _with_flags(op: Callable[..., Any], inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    return _separable(inputs, lambda x, size, axis: op(images=x, size=size, **_flags(attributes)))


def _flags(attributes: Mapping[str, Any]) -> dict[str, bool]:
    return {name: flag(attributes, name) for name in ("align_corners", "half_pixel_centers")}


def _separable(inputs: Sequence[Any], resize: Resize) -> Any:
    """Images of shape (batch, height, width, channels), times both matrices."""
    known = sizes(inputs)
    if known is None:
        return None
    rows, columns = (_matrix(resize, axis, *of_axis) for axis, of_axis in enumerate(known))
    x = tf.cast(inputs[0], tf.float32)
    height, width = (wanted for _, wanted in known)
    channels = x.shape[3] if x.shape[3] is not None else tf.shape(x)[3]
    # Matrix products alone, which every converter knows: (h, H) x (b, H, W c), then (w, W) x (b h, W, c).
    x = tf.matmul(tf.constant(rows), tf.reshape(x, [-1, known[0][0], known[1][0] * channels]))
    x = tf.matmul(tf.constant(columns), tf.reshape(x, [-1, known[1][0], channels]))
    return tf.reshape(x, [-1, height, width, channels])


def _matrix(resize: Resize, axis: int, size: int, wanted: int) -> np.ndarray:
    """The weights of one axis, of shape (wanted, size): an image a line, as channels."""
    lines = np.eye(size, dtype=np.float32)
    lines = lines.reshape((1, size, 1, size) if axis == 0 else (1, 1, size, size))
    with tf.init_scope():
        resized = resize(lines, [wanted, 1] if axis == 0 else [1, wanted], axis)
        return np.asarray(resized).reshape(wanted, size)


def sizes(inputs: Sequence[Any]) -> list[tuple[int, int]] | None:
    """Height and width before and after; none where one of them is not known."""
    wanted = constant(inputs[1])
    before = inputs[0].shape[1:3]
    if wanted is None or None in before:
        return None
    return [(int(size), int(new)) for size, new in zip(before, wanted, strict=True)]
