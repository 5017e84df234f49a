"""Fourier transforms of a known length, as products with matrices of cosines and sines.

A complex tensor stays in the graph as `Complex(real, imaginary)`, so that what reads its parts can be given them
instead; in the end nothing complex is left, which no format but SavedModel can hold well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]
Parts = tuple[Any, Any]
MOVES = ("Pad", "Reshape", "StridedSlice", "Transpose")
"""Op types that put numbers elsewhere, whatever they are, and zeros where none are."""


def rfft(inputs: Inputs, attributes: Attributes) -> Any:
    """Of real numbers along the last axis: the first half of the spectrum, of shape (..., length // 2 + 1)."""
    length = constant(inputs[1])
    if length is None or inputs[0].shape[-1] is None:
        return None
    size = int(np.ravel(length)[0])
    x = _fitted(inputs[0], size)
    cosines, sines = _waves(size, size)
    half = size // 2 + 1
    return tf.complex(x @ cosines[:, :half], x @ -sines[:, :half])


def irfft(inputs: Inputs, attributes: Attributes) -> Any:
    """The inverse: real numbers of the given length. The mirrored half counts twice."""
    parts, length = _parts(inputs[0]), constant(inputs[1])
    if parts is None or length is None or inputs[0].shape[-1] is None:
        return None
    size = int(np.ravel(length)[0])
    half = size // 2 + 1
    real, imaginary = (_fitted(part, half) for part in parts)
    twice = np.full((half, 1), 2.0, np.float32)
    twice[0] = 1.0
    if size % 2 == 0:
        twice[-1] = 1.0
    cosines, sines = _waves(size, size)
    return (real @ (twice * cosines[:half]) - imaginary @ (twice * sines[:half])) / size


def fft(inputs: Inputs, attributes: Attributes) -> Any:
    """Along the last axis."""
    return _transformed(inputs, 1, inverse=False)


def ifft(inputs: Inputs, attributes: Attributes) -> Any:
    """The inverse along the last axis."""
    return _transformed(inputs, 1, inverse=True)


def fft_2d(inputs: Inputs, attributes: Attributes) -> Any:
    """Along the last two axes."""
    return _transformed(inputs, 2, inverse=False)


def ifft_2d(inputs: Inputs, attributes: Attributes) -> Any:
    """The inverse along the last two axes."""
    return _transformed(inputs, 2, inverse=True)


def real(inputs: Inputs, attributes: Attributes) -> Any:
    """The real part, as it was."""
    parts = _parts(inputs[0])
    return None if parts is None else parts[0]


def imaginary(inputs: Inputs, attributes: Attributes) -> Any:
    """The imaginary part, as it was."""
    parts = _parts(inputs[0])
    return None if parts is None else parts[1]


def conjugate(inputs: Inputs, attributes: Attributes) -> Any:
    """The imaginary part with the other sign."""
    parts = _parts(inputs[0])
    return None if parts is None else tf.complex(parts[0], -parts[1])


def magnitude(inputs: Inputs, attributes: Attributes) -> Any:
    """sqrt(real^2 + imaginary^2), with the larger one taken out, so that no square overflows."""
    parts = _parts(inputs[0])
    if parts is None:
        return None
    first, second = (tf.abs(part) for part in parts)
    large, small = tf.maximum(first, second), tf.minimum(first, second)
    # Of two infinities one has to be finite for their ratio to be a number.
    ratio = tf.minimum(small, small.dtype.max) / tf.where(large > 0.0, large, tf.ones_like(large))
    return large * tf.sqrt(1.0 + ratio * ratio)


def _transformed(inputs: Inputs, axes: int, inverse: bool) -> Any:
    parts = _parts(inputs[0])
    if parts is None or None in inputs[0].shape[-axes:]:
        return None
    parts = _along_last(parts, inverse)
    if axes == 2:
        swapped = _along_last((_swapped(parts[0]), _swapped(parts[1])), inverse)
        parts = (_swapped(swapped[0]), _swapped(swapped[1]))
    return tf.complex(*parts)


def _along_last(parts: Parts, inverse: bool) -> Parts:
    first, second = parts
    size = first.shape[-1]
    cosines, sines = _waves(size, size)
    sines = -sines if inverse else sines
    scale = np.float32(1 / size if inverse else 1)
    return (first @ cosines + second @ sines) * scale, (second @ cosines - first @ sines) * scale


def _swapped(x: Any) -> Any:
    rank = len(x.shape)
    return tf.transpose(x, [*range(rank - 2), rank - 1, rank - 2])


def _waves(size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines of 2 pi j k / size, in float32 but worked out in float64; whole turns are taken off first."""
    turns = np.outer(np.arange(size), np.arange(count)) % size
    angles = 2.0 * np.pi * turns / size
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _fitted(x: Any, size: int) -> Any:
    """Cut off, or filled up with zeros, along the last axis."""
    own = x.shape[-1]
    if own > size:
        return x[..., :size]
    return tf.pad(x, [[0, 0]] * (len(x.shape) - 1) + [[0, size - own]]) if own < size else x


def _parts(x: Any) -> Parts | None:
    """Real and imaginary part of a tensor that was put together of them, and moved around since."""
    if x.op.type == "Complex":
        first, second = x.op.inputs
        return first, second
    if x.op.type not in MOVES:
        return None
    parts = _parts(x.op.inputs[0])
    return None if parts is None else (_moved(x.op, parts[0]), _moved(x.op, parts[1]))


def _moved(op: Any, part: Any) -> Any:
    """What an op makes of a part in place of the whole."""
    definition = op.op_def
    arguments = {argument.name: tensor for argument, tensor in zip(definition.input_arg, op.inputs, strict=True)}
    options = {option.name: op.get_attr(option.name) for option in definition.attr if option.type != "type"}
    return getattr(tf.raw_ops, op.type)(**arguments | {definition.input_arg[0].name: part} | options)
