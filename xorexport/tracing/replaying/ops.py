"""One op again, in the graph that is being traced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2
from tensorflow.python.framework import op_callbacks

from xorexport.network.policy import OTHER_FLOATS
from xorexport.tracing.equivalents.attributes import constant

CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def again(op: Any, inputs: Sequence[Any], name: str, float32: bool) -> list[Any]:
    """Add an op like `op` to the graph that is being traced, and tell whoever wants to know of ops.

    Args:
        inputs: in place of its own, which may have other dtypes and sizes.
        name: of the op, with its scope.
        float32: whether whatever it makes of other floats is float32.

    Returns:
        Its outputs, or what they were replaced by.
    """
    graph = tf.compat.v1.get_default_graph()
    attributes = _attributes(op, inputs, float32)
    for value in attributes.values():
        for function in (value.func, *value.list.func):
            if function.name:
                graph._add_function_recursive(op.graph._get_function(function.name))
    scope, _, leaf = name.rpartition("/")
    with graph.name_scope(f"{scope}/" if scope else None):
        made = graph._create_op_internal(op.type, list(inputs), name=leaf, attrs=attributes, op_def=op.op_def)
        outputs = list(made.outputs)
        shaped(outputs, op.outputs)
        if op.type in ("GatherV2", "StridedSlice") and made.inputs[0].op.type == "Shape":
            outputs = [_sizes(made)]
        if op_callbacks.should_invoke_op_callbacks():
            replaced = op_callbacks.invoke_op_callbacks(
                op.type, tuple(made.inputs), attributes, tuple(outputs), op_name=made.name, graph=graph
            )
            outputs = list(replaced) if replaced is not None else outputs
        return [single(output) for output in outputs] if float32 else outputs


def single(tensor: Any) -> Any:
    """A tensor of another float dtype in float32."""
    return tf.cast(tensor, tf.float32) if tensor.dtype.name in OTHER_FLOATS else tensor


def shaped(tensors: Sequence[Any], known: Sequence[Any]) -> None:
    """Let tensors have the sizes that were known of others, where the two do not contradict each other."""
    for tensor, other in zip(tensors, known, strict=True):
        if tensor.dtype != tf.variant and tensor.shape.is_compatible_with(other.shape):
            tensor.set_shape(other.shape)


def _sizes(op: Any) -> Any:
    """What was read from a shape, with the sizes that are known now as numbers: what is made of them is known then."""
    (read,) = op.outputs
    if (known := constant(read)) is not None:
        return tf.constant(known, read.dtype)
    places = constant(op.inputs[1]) if op.type == "GatherV2" else None
    sizes = op.inputs[0].op.inputs[0].shape
    if places is None or places.ndim != 1 or all(sizes[place] is None for place in places):
        return read
    return tf.stack([read[number] if sizes[place] is None else sizes[place] for number, place in enumerate(places)])


def _attributes(op: Any, inputs: Sequence[Any], float32: bool) -> dict[str, Any]:
    """The op's own attributes, with the dtypes of the inputs that it has now."""
    # What begins with an underscore says how it was traced and where it runs, but for what a call is compiled with.
    attributes = {
        name: value for name, value in op.node_def.attr.items() if not name.startswith("_") or op.type in CALLS
    }
    of_inputs = dict(_dtypes(op, attributes, inputs))
    if float32 and not any(tensor.dtype == tf.resource for tensor in inputs):
        for name, value in attributes.items():
            attributes[name] = _in_float32(value)
    return {**attributes, **of_inputs}


def _dtypes(op: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """The attributes that say which dtypes the inputs have."""
    rest = list(inputs)
    for argument in op.op_def.input_arg:
        count = 1
        if argument.number_attr:
            count = attributes[argument.number_attr].i
        elif argument.type_list_attr:
            count = len(attributes[argument.type_list_attr].list.type)
        types = [tensor.dtype.base_dtype.as_datatype_enum for tensor in rest[:count]]
        del rest[:count]
        if argument.type_list_attr:
            types = attr_value_pb2.AttrValue.ListValue(type=types)
            yield argument.type_list_attr, attr_value_pb2.AttrValue(list=types)
        elif argument.type_attr and types:
            yield argument.type_attr, attr_value_pb2.AttrValue(type=types[0])


def _in_float32(value: Any) -> Any:
    """An attribute with float32 in place of other floats: a dtype, a list of them, or a constant."""
    if value.HasField("tensor") and _other(value.tensor.dtype):
        array = tf.make_ndarray(value.tensor).astype(np.float32)
        return attr_value_pb2.AttrValue(tensor=tf.make_tensor_proto(array))
    if value.HasField("type") and _other(value.type):
        return attr_value_pb2.AttrValue(type=tf.float32.as_datatype_enum)
    if any(_other(dtype) for dtype in value.list.type):
        types = [tf.float32.as_datatype_enum if _other(dtype) else dtype for dtype in value.list.type]
        return attr_value_pb2.AttrValue(list=attr_value_pb2.AttrValue.ListValue(type=types))
    return value


def _other(dtype: int) -> bool:
    return bool(dtype) and tf.as_dtype(dtype).name in OTHER_FLOATS
