"""Reads what is known of an op while it is traced: its attributes, and inputs that are constants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import tensor_util


def integer(attributes: Mapping[str, Any], name: str) -> int:
    """A whole number."""
    return int(attributes[name].i)


def flag(attributes: Mapping[str, Any], name: str) -> bool:
    """A truth value; false where there is no such attribute."""
    return name in attributes and bool(attributes[name].b)


def text(attributes: Mapping[str, Any], name: str) -> str:
    """A string."""
    return str(attributes[name].s.decode())


def integers(attributes: Mapping[str, Any], name: str) -> list[int]:
    """A list of whole numbers."""
    return [int(value) for value in attributes[name].list.i]


def dtype(attributes: Mapping[str, Any], name: str) -> tf.DType:
    """A dtype."""
    return tf.as_dtype(attributes[name].type)


ARITHMETIC = {"AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply, "RealDiv": np.divide}


def constant(tensor: Any) -> np.ndarray | None:
    """The value of a tensor that depends on no input, or only on sizes that are known; none of any other."""
    value = tf.get_static_value(tensor)
    if value is None:
        value = tensor_util.try_evaluate_constant(tensor)
    if value is not None:
        return np.asarray(value)
    # A part of a shape is known where the whole is not, because of the batch.
    if tensor.op.type == "StridedSlice" and tensor.op.inputs[0].op.type == "Shape":
        sizes = tensor_util.constant_value_as_shape(tensor) if tensor.shape.rank == 1 else None
        return np.asarray(sizes.as_list(), np.int32) if sizes is not None and sizes.is_fully_defined() else None
    if tensor.op.type == "Cast":
        inner = constant(tensor.op.inputs[0])
        return None if inner is None else inner.astype(tensor.dtype.as_numpy_dtype)
    if tensor.op.type in ARITHMETIC:
        first, second = (constant(part) for part in tensor.op.inputs)
        return None if first is None or second is None else np.asarray(ARITHMETIC[tensor.op.type](first, second))
    return None
