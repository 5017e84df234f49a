"""Runs tf2onnx on a frozen graph, keeping large weights out of whatever copies the graph."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import onnx
import tensorflow as tf
from tf2onnx import graph as onnx_graph
from tf2onnx import optimizer, tf_loader, tfonnx

from xorexport.errors import ExportError, brief
from xorexport.exporters.onnx_handlers import HANDLERS
from xorexport.tracing.freezing import Frozen
from xorexport.tracing.trace import Traced

OPTIMIZERS = {name: make for name, make in optimizer._optimizers.items() if name != "merge_duplication"}
"""tf2onnx' own, but for the one that merges equal nodes in the order of a set; see `onnx_order`."""
HUGE = 1 << 28
"""Bytes from which on a weight never enters the ONNX model at all: a message may hold 2 GB."""
LIMIT = 3 << 29
"""Bytes of all weights together, from which on every large one is kept out."""


@dataclass(frozen=True)
class Converted:
    """An ONNX model.

    Attributes:
        model: without the weights in `external`, which are initialisers without data.
        external: TensorFlow variables or tensors by the name of their initialiser.
    """

    model: onnx.ModelProto
    external: dict[str, Any]


def convert(traced: Traced, opset: int) -> Converted:
    """Convert to ONNX, with the canonical names of inputs and outputs.

    Raises:
        ExportError: the converter gave up.
    """
    signature = traced.signature
    try:
        frozen = traced.frozen()
        names = [spec.name for spec in (*signature.inputs, *signature.outputs)]
        renamed = dict(zip((*frozen.inputs, *frozen.outputs), names, strict=True))
        huge = _huge(frozen.large)
        graph_def = _optimized(frozen, huge)
        try:
            model = _converted(graph_def, frozen, huge, opset, renamed, in_place=True)
        except Exception:
            # An optimiser failed on the graph that it was changing; the converter then leaves that one out.
            model = _converted(graph_def, frozen, huge, opset, renamed, in_place=False)
    except Exception as error:
        raise ExportError(
            f"onnx export of '{traced.model.name}'",
            expected="a model that tf2onnx can convert",
            found=brief(error),
            remedy="leave onnx out with --format, or replace the layer that it names",
        ) from error
    return Converted(model, _without_data(model.graph, {f"{name}:0": frozen.large[name] for name in huge}))


def _huge(weights: Mapping[str, Any]) -> set[str]:
    """The weights that are kept out of the model."""
    sizes = {name: weight.dtype.size * weight.shape.num_elements() for name, weight in weights.items()}
    least = HUGE if sum(sizes.values()) < LIMIT else 0
    return {name for name, size in sizes.items() if size > least}


def _without_data(graph: onnx.GraphProto, huge: Mapping[str, Any]) -> dict[str, Any]:
    """Turn inputs that stand for weights into initialisers without data; returns those that the model reads."""
    external = {}
    for value in [value for value in graph.input if value.name in huge]:
        weight = huge[value.name]
        element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(weight.dtype.as_numpy_dtype))
        tensor = onnx.TensorProto(name=value.name, data_type=element, dims=tuple(weight.shape))
        tensor.data_location = onnx.TensorProto.EXTERNAL
        graph.initializer.append(tensor)
        graph.input.remove(value)
        external[value.name] = weight
    return external


def _optimized(frozen: Frozen, huge: Container[str]) -> Any:
    """The graph as TensorFlow's optimisers leave it, with constants without content in the large weights' places."""
    graph_def = tf_loader.fix_freezing_errors_part2(frozen.graph_def)
    with tf.Graph().as_default(), tf.device("/cpu:0"):
        tf.import_graph_def(graph_def, name="")
        kept = [f"{name}:0" for name in frozen.large]
        graph_def = tf_loader.tf_optimize([*frozen.inputs, *kept], frozen.outputs, graph_def)
    for node in graph_def.node:
        if node.name in frozen.large and node.name not in huge:
            node.op = "Const"
            node.attr["value"].tensor.dtype = node.attr["dtype"].type
            node.attr["value"].tensor.tensor_shape.CopyFrom(node.attr["shape"].shape)
            del node.attr["shape"]
    return graph_def


def _converted(
    graph_def: Any, frozen: Frozen, huge: Collection[str], opset: int, renamed: dict[str, str], in_place: bool
) -> onnx.ModelProto:
    # Before the graph, in which no value can be read.
    contents = {name: _content(weight) for name, weight in frozen.large.items() if name not in huge}
    read = {node.name for node in graph_def.node}
    with tf.Graph().as_default() as graph, _light_constants():
        tf.import_graph_def(graph_def, name="")
        converted = tfonnx.process_tf_graph(
            graph,
            opset=opset,
            input_names=[*frozen.inputs, *(f"{name}:0" for name in sorted(huge) if name in read)],
            output_names=frozen.outputs,
            tensors_to_rename=renamed,
            continue_on_error=True,
            const_node_values=contents,
            custom_op_handlers=HANDLERS,
        )
        converted = optimizer.optimize_graph(converted, catch_errors=not in_place, optimizers=OPTIMIZERS)
        model: onnx.ModelProto = converted.make_model("")
    return model


def _content(weight: Any) -> bytes:
    return np.ascontiguousarray(weight.numpy()).tobytes()


@contextmanager
def _light_constants() -> Iterator[None]:
    """Keep tf2onnx from copying every constant after each of its optimisers: nobody reads the copies."""
    update = onnx_graph.Node.update_proto

    def update_proto(self: Any, *arguments: Any, **options: Any) -> None:
        if not self.is_const():
            update(self, *arguments, **options)

    with mock.patch.object(onnx_graph.Node, "update_proto", update_proto):
        yield
