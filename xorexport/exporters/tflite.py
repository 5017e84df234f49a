"""TFLite: built-in ops only, with clean names and the model's own order in the flatbuffer itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

from xorexport.errors import ExportError
from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.exporters.tracing import Traced
from xorexport.quiet import quiet
from xorexport.spec import SIGNATURE_KEY, TensorSpec


class TFLiteExporter(Exporter):
    """Converts the frozen function, then writes the signature into the file."""

    suffix = ".tflite"

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        model = flatbuffer_utils.convert_bytearray_to_object(convert(traced))
        name_interface(model, traced)
        path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
        return {"signature": SIGNATURE_KEY}


def convert(traced: Traced) -> bytes:
    """Convert to built-in ops.

    Raises:
        ExportError: an op of the model has no built-in counterpart; it is named.
    """
    try:
        with quiet():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.frozen])
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            converter.exclude_conversion_metadata = True
            result: bytes = converter.convert()
    except Exception as error:
        raise ExportError(
            f"tflite export of '{traced.model.name}'",
            expected="a model whose ops all have built-in TFLite counterparts",
            found=_reason(error),
            remedy="leave tflite out with --format, or replace the layer that uses the op",
        ) from error
    return result


def name_interface(model: Any, traced: Traced) -> None:
    """Give the converted model its signature, and its tensors the canonical names and order.

    A file made from a frozen function has no signature, and its outputs come in the order of their sorted names.
    Edge apps in C and Java read tensors by position, so the lists of the subgraph are put in order as well.

    Raises:
        ExportError: two of the inputs and outputs are one tensor in the file, which can have one name alone.
    """
    subgraph = model.subgraphs[0]
    inputs, outputs = traced.signature.inputs, traced.signature.outputs
    by_name = dict(zip(sorted(spec.name for spec in outputs), subgraph.outputs, strict=True))
    subgraph.outputs = [by_name[spec.name] for spec in outputs]
    names: dict[int, str] = {}
    for spec, index in zip((*inputs, *outputs), (*subgraph.inputs, *subgraph.outputs), strict=True):
        if index in names:
            raise ExportError(
                f"tflite export of '{traced.model.name}'",
                expected="a tensor of its own for every input and output",
                found=f"one for both '{names[index]}' and '{spec.name}', since no op lies between them",
                remedy="return each once, leave tflite out with --format, or scale one of them",
            )
        names[index] = subgraph.tensors[index].name = spec.name
    definition = schema.SignatureDefT()
    definition.signatureKey = SIGNATURE_KEY
    definition.inputs = _entries(inputs, subgraph.inputs)
    definition.outputs = _entries(outputs, subgraph.outputs)
    model.signatureDefs = [definition]
    # Says how the file was made, not what it holds; the manifest does that.
    model.description = None


def _entries(specs: tuple[TensorSpec, ...], indices: list[int]) -> list[Any]:
    entries = []
    for spec, index in zip(specs, indices, strict=True):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = spec.name, index
        entries.append(entry)
    return entries


def _reason(error: Exception) -> str:
    """What the converter says of the ops at fault, without the places in Python that it adds."""
    text = str(error)
    missing = re.search(r"^(?:TF Select|Custom) ops: (.+)$", text, re.MULTILINE)
    if missing:
        return f"ops that have none: {missing.group(1)}"
    cause = re.search(r"error: (.+)$", text, re.MULTILINE)
    return cause.group(1) if cause else next(iter(text.splitlines()), type(error).__name__)
