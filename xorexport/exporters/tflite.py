"""TFLite: built-in ops only, with clean names and the model's own order in the flatbuffer itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from xorexport.errors import ExportError
from xorexport.exporters.base import Calibration, Exporter, ExportOptions, in_float32, or_in_float32, with_fixed_sizes
from xorexport.exporters.tflite_ops import SUBSTITUTES
from xorexport.network.policy import policy_of
from xorexport.quiet import quiet
from xorexport.spec import SIGNATURE_KEY, Artifact, Precision, Quantization, Signature, TensorSpec
from xorexport.tracing.culprits import NEAREST, layers_with
from xorexport.tracing.plans import Plan
from xorexport.tracing.trace import Traced

LARGEST_FILE = 1 << 31
UNNAMED = ("Case", "Empty", "StatelessCase")
"""Op types at which the converter gives up without naming them."""


class TFLiteExporter(Exporter):
    """Converts the frozen function, then writes the signature into the file."""

    suffix = ".tflite"
    precisions = (Precision.FLOAT16, Precision.INT8_DYNAMIC, Precision.INT8, Precision.INT16X8)

    def plans(self, traced: Traced) -> Iterator[Plan]:
        """Loops over plain tensors, float32 throughout, and other ops for those that TFLite lacks."""
        plan = traced.plan.for_ops(traced.op_types)
        if any(op.startswith("TensorList") for op in traced.op_types):
            plan = replace(plan, stand_ins=(*plan.stand_ins, "rnn"))
        plan = replace(plan, substitutes={op: SUBSTITUTES[op] for op in SUBSTITUTES if op in traced.op_types})
        if policy_of(traced.model):
            plan = in_float32(plan, traced)
        yield from or_in_float32(with_fixed_sizes(plan, traced), traced)

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        _check_size(traced)
        model = flatbuffer_utils.convert_bytearray_to_object(convert(traced))
        name_interface(model, traced)
        path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
        return {"signature": SIGNATURE_KEY}

    def _quantize(
        self, artifact: Artifact, precision: Precision, calibration: Calibration, source: Path, target: Path
    ) -> tuple[Signature, str]:
        from xorexport.quantization import tflite as quantizer  # here, since it takes half a second to import

        before = source.read_bytes()
        after = quantizer.quantize(before, precision, calibration.batches, calibration.integer_ends)
        target.write_bytes(after)
        ends = quantizer.interface_quantization(after)
        return _with_ends(artifact.signature, ends, precision), quantizer.quantized_share(before, after).remark()


def _with_ends(signature: Signature, ends: dict[str, tuple[float, int]], precision: Precision) -> Signature:
    """The signature of a file whose inputs and outputs may be integers."""

    def of(spec: TensorSpec) -> TensorSpec:
        if spec.name not in ends:
            return spec
        scale, zero_point = ends[spec.name]
        dtype = "int16" if precision is Precision.INT16X8 else "int8"
        return msgspec.structs.replace(spec, dtype=dtype, quantization=Quantization(scale=scale, zero_point=zero_point))

    return Signature(inputs=tuple(map(of, signature.inputs)), outputs=tuple(map(of, signature.outputs)))


def _check_size(traced: Traced) -> None:
    """Refuse what no flatbuffer can hold, before the converter runs out of memory.

    Raises:
        ExportError: the weights are 2 GB or more.
    """
    size = sum(variable.dtype.size * variable.shape.num_elements() for variable in traced.variables())
    if size >= LARGEST_FILE:
        raise ExportError(
            f"tflite export of '{traced.model.name}'",
            expected="weights below 2 GB, since places in a TFLite file are 32-bit numbers",
            found=f"{size:,} bytes",
            remedy="leave tflite out with --format, or split the model",
        )


def convert(traced: Traced) -> bytes:
    """Convert to built-in ops.

    Raises:
        ExportError: an op of the model has no built-in counterpart; it is named.
    """
    try:
        with quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.concrete], traced.function)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            converter.exclude_conversion_metadata = True
            result: bytes = converter.convert()
    except Exception as error:
        raise _refusal(traced, str(error)) from error
    return result


def name_interface(model: Any, traced: Traced) -> None:
    """Give the converted model its signature, and its tensors the canonical names and order.

    A file made from a frozen function has no signature, and its outputs come in the order of their sorted names.
    Edge apps in C and Java read tensors by position, so the lists of the subgraph are put in order as well.
    """
    subgraph = model.subgraphs[0]
    inputs, outputs = traced.signature.inputs, traced.signature.outputs
    by_name = dict(zip(sorted(spec.name for spec in outputs), subgraph.outputs, strict=True))
    subgraph.outputs = [by_name[spec.name] for spec in outputs]
    _separate(model, subgraph)
    for spec, index in zip((*inputs, *outputs), (*subgraph.inputs, *subgraph.outputs), strict=True):
        subgraph.tensors[index].name = spec.name
    definition = schema.SignatureDefT()
    definition.signatureKey = SIGNATURE_KEY
    definition.inputs = _entries(inputs, subgraph.inputs)
    definition.outputs = _entries(outputs, subgraph.outputs)
    model.signatureDefs = [definition]
    # Says how the file was made, not what it holds; the manifest does that.
    model.description = None


def _separate(model: Any, subgraph: Any) -> None:
    """Copy outputs that are inputs or other outputs: a tensor can have one name alone.

    The copy is a concatenation of one tensor, which takes every dtype and every shape but a scalar's.
    """
    subgraph.outputs = list(subgraph.outputs)
    seen = set(subgraph.inputs)
    for position, index in enumerate(subgraph.outputs):
        if index in seen:
            subgraph.outputs[position] = index = _copied(model, subgraph, index)
        seen.add(index)


def _copied(model: Any, subgraph: Any, index: int) -> int:
    """Append a copy of a tensor; returns its index."""
    original, copy = subgraph.tensors[index], schema.TensorT()
    copy.shape, copy.shapeSignature, copy.type = original.shape, original.shapeSignature, original.type
    copy.quantization, copy.hasRank = original.quantization, original.hasRank
    model.buffers.append(schema.BufferT())
    copy.buffer = len(model.buffers) - 1
    subgraph.tensors.append(copy)
    code, operator, options = schema.OperatorCodeT(), schema.OperatorT(), schema.ConcatenationOptionsT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CONCATENATION
    code.version = 1
    model.operatorCodes.append(code)
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.ConcatenationOptions, options
    operator.inputs, operator.outputs = [index], [len(subgraph.tensors) - 1]
    subgraph.operators.append(operator)
    return len(subgraph.tensors) - 1


def _entries(specs: tuple[TensorSpec, ...], indices: list[int]) -> list[Any]:
    entries = []
    for spec, index in zip(specs, indices, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = spec.name, index
        entries.append(entry)
    return entries


def _refusal(traced: Traced, text: str) -> ExportError:
    """What the converter says of the ops at fault, without the places in Python that it adds."""
    missing = re.findall(r"^(?:TF Select|Custom) ops: (.+)$", text, re.MULTILINE)
    ops = [op.strip() for line in missing for op in line.split(",")]
    ops = ops or [op for op in UNNAMED if op in traced.op_types]
    if ops:
        found = f"ops that have none: {layers_with(traced, ops)}"
    else:
        cause = re.search(r"error: (.+)$", text, re.MULTILINE)
        found = cause.group(1) if cause else next(iter(text.splitlines()), "an error without a message")
    advice = next((NEAREST[op] for op in ops if op in NEAREST), "replace it, or leave tflite out with --format")
    return ExportError(
        f"tflite export of '{traced.model.name}'",
        expected="a model whose ops all have built-in TFLite counterparts",
        found=found,
        remedy=advice,
    )
