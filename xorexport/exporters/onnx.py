"""ONNX, through tf2onnx, with clean names, one batch symbol and the model's metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema
from tf2onnx import constants

from xorexport.errors import ExportError, UsageError
from xorexport.exporters.base import Calibration, Exporter, ExportOptions, in_float32, or_in_float32, with_fixed_sizes
from xorexport.exporters.onnx_conversion import convert
from xorexport.exporters.onnx_external import place_externally, write_externally
from xorexport.exporters.onnx_names import name_values
from xorexport.exporters.onnx_ops import SUBSTITUTES
from xorexport.network.interface import HALF
from xorexport.network.policy import policy_of
from xorexport.quiet import quiet
from xorexport.spec import BATCH, Artifact, Precision, Signature, TensorSpec
from xorexport.tracing.culprits import NEAREST, layers_with
from xorexport.tracing.plans import Plan
from xorexport.tracing.trace import Traced

LOWEST_OPSET = 13
"""Below this, ops that today's models need are missing, and no released runtime needs less."""


class OnnxExporter(Exporter):
    """Converts the frozen graph and cleans up what comes out."""

    suffix = ".onnx"
    opsets = True
    sidecar = ".data"
    precisions = (Precision.FLOAT16, Precision.INT8_DYNAMIC, Precision.INT8)

    def check(self, options: ExportOptions) -> None:
        """Refuse an opset that converter and runtime do not both support."""
        choose_opset(options.opset)

    def plans(self, traced: Traced) -> Iterator[Plan]:
        """No functions, float32 in place of half precision, and other ops for those that the converter gets wrong."""
        plan = replace(
            traced.plan.for_ops(traced.op_types),
            inline=any("PartitionedCall" in op for op in traced.op_types),
            substitutes={op: SUBSTITUTES[op] for op in SUBSTITUTES if op in traced.op_types},
        )
        if traced.dtypes.intersection(HALF) or any(half in policy_of(traced.model) for half in HALF):
            plan = in_float32(plan, traced)
        yield from or_in_float32(with_fixed_sizes(plan, traced), traced)

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        opset = choose_opset(options.opset)
        with quiet():
            converted = convert(traced, opset)
        model = converted.model
        external = list(converted.external.items())
        places = place_externally([weight for _, weight in external], f"{path.name}{self.sidecar}")
        by_name = {tensor.name: tensor for tensor in model.graph.initializer}
        for (name, _), place in zip(external, places, strict=True):
            by_name[name].external_data.extend(place)
        tidy(model, traced, converted.external)
        onnx.helper.set_model_props(model, options.metadata)
        if external:
            write_externally([weight for _, weight in external], path.with_name(f"{path.name}{self.sidecar}"))
        path.write_bytes(model.SerializeToString(deterministic=True))
        check(path, traced)
        return {"opset": str(opset)}

    def _quantize(
        self, artifact: Artifact, precision: Precision, calibration: Calibration, source: Path, target: Path
    ) -> tuple[Signature, str]:
        from xorexport.quantization import onnx as quantizer  # here, since it takes a third of a second to import

        if len(artifact.files) > 1:
            raise ExportError(
                f"onnx {precision} of '{artifact.path}'",
                expected="a model below 2 GB, which the quantiser can hold in one piece",
                found=f"{artifact.size:,} bytes",
                remedy="leave this precision out, or quantise the parts of the model",
            )
        before = source.read_bytes()
        with quiet():
            model = quantizer.quantize(onnx.load_from_string(before), precision, calibration.batches)
        after = model.SerializeToString(deterministic=True)
        target.write_bytes(after)
        remarks = (quantizer.quantized_share(before, after).remark(), quantizer.engine_remark(model))
        return artifact.signature, "; ".join(filter(None, remarks))


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


def tidy(model: onnx.ModelProto, traced: Traced, external: Mapping[str, Any]) -> None:
    """Name the batch, shorten internal names, and drop what says nothing about this model.

    Args:
        external: weights whose data is not in the model, by the name of their initialiser.
    """
    graph = model.graph
    graph.name, graph.doc_string, model.doc_string = traced.model.name, "", ""
    model.producer_version = model.producer_version.split()[0]
    used_domains = {node.domain for node in graph.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in used_domains]:
        model.opset_import.remove(entry)
    del graph.value_info[:]
    for node in graph.node:
        if node.op_type == "ConvTranspose":
            _pad_output(node)
    name_values(graph, traced.model, external)
    for spec, value in zip(traced.signature.inputs, graph.input, strict=True):
        _set_shape(value, spec)
    for spec, value in zip(traced.signature.outputs, graph.output, strict=True):
        _set_shape(value, spec)


def check(path: Path, traced: Traced) -> None:
    """Refuse a file that ONNX itself does not accept: tf2onnx writes unknown ops without an error.

    By its path, since only then the checker finds weights in a file of their own.

    Raises:
        ExportError: the reason is the checker's own.
    """
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        path.unlink()
        reason = next(iter(str(error).splitlines()), "")
        named = re.search(r"No Op registered for (\w+)|op_type:(\w+)", str(error))
        advice = "replace it, or leave onnx out with --format"
        if named:
            unknown, wrong = named.groups()
            advice = NEAREST.get(unknown or wrong, advice)
            reason = layers_with(traced, [unknown]) if unknown else reason
        raise ExportError(
            f"onnx export of '{traced.model.name}'",
            expected="a model whose ops tf2onnx knows",
            found=reason,
            remedy=advice,
        ) from error


def _pad_output(node: onnx.NodeProto) -> None:
    """Say with `output_padding` what tf2onnx says with negative padding at the end, which ONNX does not allow."""
    pads = next((attribute for attribute in node.attribute if attribute.name == "pads"), None)
    if pads is None or all(pad >= 0 for pad in pads.ints):
        return
    half = len(pads.ints) // 2
    starts, ends = list(pads.ints)[:half], list(pads.ints)[half:]
    # tf2onnx halves a negative total towards zero: what is missing at the start is missing at the end.
    totals = [start + end for start, end in zip(starts, ends, strict=True)]
    starts = [max(start, 0) for start in starts]
    ends = [max(total - start, 0) for total, start in zip(totals, starts, strict=True)]
    padding = [max(-total, 0) for total in totals]
    pads.ints[:] = [*starts, *ends]
    node.attribute.append(onnx.helper.make_attribute("output_padding", padding))


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
