"""The traced graph without its variables, and without their weight: large ones stay where they are.

TensorFlow's own freezing copies every weight into a graph, which is copied again by whatever rewrites it: ten times the
weights and more. Here a large one is a placeholder in the graph, and comes back when the graph has its final form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.python.framework import convert_to_constants as freezing

LARGE = 1 << 14
"""Bytes from which on a weight stays out of the graph: smaller ones may be folded with others."""


@dataclass(frozen=True)
class Frozen:
    """A graph of constants.

    Attributes:
        graph_def: functions are inlined, but for the bodies of loops and branches.
        large: the weights that are placeholders in it, by node name: TensorFlow variables or tensors.
        inputs: names of the input tensors, in the signature's order.
        outputs: names of the output tensors, in the signature's order.
    """

    graph_def: Any
    large: dict[str, Any]
    inputs: list[str]
    outputs: list[str]


@dataclass(frozen=True)
class _Absent:
    """A large weight as TensorFlow's freezing asks after it: everything but its value."""

    source: Any
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class _LightData(freezing._FunctionConverterDataInEager):  # type: ignore[misc]
    """What freezing knows of the variables: the values of small ones alone."""

    def _eval(self, tensor: Any) -> Any:
        dtype = tensor.dtype.as_numpy_dtype
        if tensor.dtype == tf.resource or np.dtype(dtype).itemsize * tensor.shape.num_elements() < LARGE:
            return super()._eval(tensor)
        return _Absent(tensor, np.dtype(dtype), tuple(tensor.shape))


def frozen(concrete: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Frozen:
    """Freeze a concrete function.

    Args:
        inputs: names of its input tensors, in the order in which they are wanted.
        outputs: likewise.
    """
    data = _LightData(func=concrete, lower_control_flow=False, aggressive_inlining=True)
    with mock.patch.object(freezing.tensor_util, "make_tensor_proto", _make_tensor_proto):
        graph_def, _ = freezing._replace_variables_by_constants(converter_data=data)
    large = {name: of.numpy.source for name, of in data.tensor_data.items() if isinstance(of.numpy, _Absent)}
    for node in graph_def.node:
        if node.name in large:
            node.op = "Placeholder"
            node.attr["shape"].shape.CopyFrom(node.attr["value"].tensor.tensor_shape)
            del node.attr["value"]
    return Frozen(graph_def, large, list(inputs), list(outputs))


_ORIGINAL = freezing.tensor_util.make_tensor_proto


def _make_tensor_proto(values: Any, dtype: Any = None, shape: Any = None) -> Any:
    """As TensorFlow's, but without content where a weight is absent."""
    if not isinstance(values, _Absent):
        return _ORIGINAL(values, dtype, shape)
    return tensor_pb2.TensorProto(dtype=dtype, tensor_shape=tf.TensorShape(values.shape).as_proto())
