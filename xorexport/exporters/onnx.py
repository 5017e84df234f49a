"""ONNX, through tf2onnx, with clean names, one batch symbol and the model's metadata."""

from __future__ import annotations

from pathlib import Path

import onnx
import tensorflow as tf
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema
from tf2onnx import constants, optimizer, tf_loader, tfonnx

from xorexport.errors import ExportError, UsageError, brief
from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.exporters.onnx_names import name_values
from xorexport.exporters.tracing import Traced
from xorexport.quiet import quiet
from xorexport.spec import BATCH, TensorSpec

LOWEST_OPSET = 13
"""Below this, ops that today's models need are missing, and no released runtime needs less."""


class OnnxExporter(Exporter):
    """Converts the frozen graph and cleans up what comes out."""

    suffix = ".onnx"

    def check(self, options: ExportOptions) -> None:
        """Refuse an opset that converter and runtime do not both support."""
        choose_opset(options.opset)

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        opset = choose_opset(options.opset)
        with quiet():
            model = convert(traced, opset)
        tidy(model, traced)
        onnx.helper.set_model_props(model, options.metadata)
        check(model, traced)
        path.write_bytes(model.SerializeToString(deterministic=True))
        return {"opset": str(opset)}


def choose_opset(wanted: int | None) -> int:
    """The opset to write: `wanted`, or the highest that the converter and ONNX Runtime both support.

    Raises:
        UsageError: `wanted` is not one of those that both support.
    """
    runtime = max(schema.since_version for schema in get_all_operator_schema() if schema.domain == "")
    highest = min(max(constants.OPSET_TO_IR_VERSION), runtime)
    if wanted is not None and not LOWEST_OPSET <= wanted <= highest:
        raise UsageError(
            "--opset",
            expected=f"a number from {LOWEST_OPSET} to {highest}, which converter and runtime both support",
            found=str(wanted),
            remedy="choose one of these, or leave the option out for the highest",
        )
    return wanted or highest


def convert(traced: Traced, opset: int) -> onnx.ModelProto:
    """Run tf2onnx on the frozen graph.

    Raises:
        ExportError: the converter gave up.
    """
    inputs = [tensor.name for tensor in traced.input_tensors()]
    outputs = [tensor.name for tensor in traced.output_tensors()]
    renamed = dict(
        zip(
            (*inputs, *outputs),
            (spec.name for spec in (*traced.signature.inputs, *traced.signature.outputs)),
            strict=True,
        )
    )
    try:
        graph_def = tf_loader.fix_freezing_errors_part2(traced.frozen.graph.as_graph_def(add_shapes=True))
        with tf.Graph().as_default(), tf.device("/cpu:0"):
            tf.import_graph_def(graph_def, name="")
            graph_def = tf_loader.tf_optimize(inputs, outputs, graph_def)
        with tf.Graph().as_default() as graph:
            tf.import_graph_def(graph_def, name="")
            converted = tfonnx.process_tf_graph(
                graph,
                opset=opset,
                input_names=inputs,
                output_names=outputs,
                tensors_to_rename=renamed,
                continue_on_error=True,
            )
            result: onnx.ModelProto = optimizer.optimize_graph(converted).make_model(traced.model.name)
    except Exception as error:
        raise ExportError(
            f"onnx export of '{traced.model.name}'",
            expected="a model that tf2onnx can convert",
            found=brief(error),
            remedy="leave onnx out with --format, or replace the layer that it names",
        ) from error
    return result


def tidy(model: onnx.ModelProto, traced: Traced) -> None:
    """Name the batch, shorten internal names, and drop what says nothing about this model."""
    graph = model.graph
    graph.name, graph.doc_string, model.doc_string = traced.model.name, "", ""
    model.producer_version = model.producer_version.split()[0]
    used_domains = {node.domain for node in graph.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in used_domains]:
        model.opset_import.remove(entry)
    del graph.value_info[:]
    name_values(graph, traced.model)
    for spec, value in zip(traced.signature.inputs, graph.input, strict=True):
        _set_shape(value, spec)
    for spec, value in zip(traced.signature.outputs, graph.output, strict=True):
        _set_shape(value, spec)


def check(model: onnx.ModelProto, traced: Traced) -> None:
    """Refuse a file that ONNX itself does not accept: tf2onnx writes unknown ops without an error.

    Raises:
        ExportError: the reason is the checker's own.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(
            f"onnx export of '{traced.model.name}'",
            expected="a model whose ops tf2onnx knows",
            found=next(iter(str(error).splitlines()), ""),
            remedy="leave onnx out with --format, or replace the layer that uses the op",
        ) from error


def _set_shape(value: onnx.ValueInfoProto, spec: TensorSpec) -> None:
    """Write the signature's shape: one symbol for the batch of all inputs and outputs."""
    tensor_type = value.type.tensor_type
    tensor_type.ClearField("shape")
    for axis, size in enumerate(spec.shape):
        dimension = tensor_type.shape.dim.add()
        if size is not None:
            dimension.dim_value = size
        else:
            dimension.dim_param = BATCH if axis == 0 else f"{spec.name}_{axis}"
