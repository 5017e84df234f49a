"""Patches and projections of images, of convolutions and of picking pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant, integers, text


def extract_patches(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """A convolution whose filters let one pixel of the patch through each."""
    x = inputs[0]
    channels = x.shape[-1]
    _, height, width, _ = integers(attributes, "ksizes")
    if channels is None or not x.dtype.is_floating:
        return None
    kernel = np.eye(height * width * channels, dtype=np.float32).reshape(height, width, channels, -1)
    return tf.nn.conv2d(
        x,
        tf.constant(kernel),
        strides=integers(attributes, "strides"),
        padding=text(attributes, "padding"),
        dilations=integers(attributes, "rates"),
    )


def project(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """`ImageProjectiveTransformV3`: pixel (x, y) of the output comes from ((a x + b y + c) / k, (d x + e y + f) / k).

    k is g x + h y + 1. Pixels beyond the border have the fill value, or the nearest pixel's.
    """
    images, transforms, size, fill = inputs
    wanted, fill_mode = constant(size), text(attributes, "fill_mode")
    nearest = text(attributes, "interpolation") == "NEAREST"
    if wanted is None or None in images.shape[1:3] or fill_mode not in ("CONSTANT", "NEAREST"):
        return None
    if not (nearest or images.dtype.is_floating):
        return None
    rows, columns = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in wanted), indexing="ij")
    # One transform may be meant for all images.
    every = tf.zeros([tf.shape(images)[0], 1]) + transforms
    a = [tf.reshape(every[:, i], [-1, 1, 1]) for i in range(8)]
    k = a[6] * columns + a[7] * rows + 1.0
    x, y = (a[0] * columns + a[1] * rows + a[2]) / k, (a[3] * columns + a[4] * rows + a[5]) / k
    border = images.shape[1:3] if fill_mode == "NEAREST" else None
    fill = tf.cast(fill, images.dtype)
    if nearest:
        return _pixels(images, _rounded(y), _rounded(x), fill, border)
    left, top = tf.floor(x), tf.floor(y)
    across, down = tf.expand_dims(x - left, -1), tf.expand_dims(y - top, -1)
    corners = [[_pixels(images, top + i, left + j, fill, border) for j in (0.0, 1.0)] for i in (0.0, 1.0)]
    upper, lower = (one * (1.0 - across) + other * across for one, other in corners)
    return upper * (1.0 - down) + lower * down


def _rounded(x: Any) -> Any:
    """To the nearest whole number; halves away from zero, where `tf.round` goes to the even one."""
    size = tf.abs(x)
    whole = tf.floor(size)
    return tf.sign(x) * tf.where(size - whole >= 0.5, whole + 1.0, whole)


def _pixels(images: Any, y: Any, x: Any, fill: Any, border: Any) -> Any:
    """The pixels at whole coordinates of shape (batch, height, width), as (batch, height, width, channels)."""
    height, width, channels = images.shape[1:]
    inside = (y >= 0.0) & (y < float(height)) & (x >= 0.0) & (x < float(width))
    column = tf.cast(tf.clip_by_value(x, 0.0, width - 1.0), tf.int32)
    row = tf.cast(tf.clip_by_value(y, 0.0, height - 1.0), tf.int32)
    flat = tf.reshape(images, [-1, height * width, channels])
    position = tf.reshape(row * width + column, [-1, x.shape[1] * x.shape[2]])
    found = tf.reshape(tf.gather(flat, position, axis=1, batch_dims=1), [-1, x.shape[1], x.shape[2], channels])
    return found if border is not None else tf.where(tf.expand_dims(inside, -1), found, fill)
