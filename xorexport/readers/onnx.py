"""Reads an ONNX file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from xorexport.dtypes import name_of
from xorexport.errors import ModelError
from xorexport.readers.base import Contents, Ends, unreadable
from xorexport.spec import Signature, TensorSpec


def read(path: Path) -> Contents:
    """Signature, ops and metadata of an ONNX file.

    Raises:
        ModelError: it is not a whole ONNX file.
    """
    try:
        return _contents(path, onnx.load(path, load_external_data=False))
    except (OSError, DecodeError, LookupError, ValueError, TypeError) as error:
        raise unreadable(path, "ONNX", error) from error


def ends(path: Path, unsafe: bool, imports: Sequence[str]) -> Ends:
    """What an ONNX file takes and returns.

    Raises:
        ModelError: it is not a whole ONNX file, or has inputs or outputs that are no tensors.
    """
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (OSError, DecodeError, ValueError, TypeError) as error:
        raise unreadable(path, "ONNX", error) from error
    for value in (*graph_inputs(graph), *graph.output):
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type" or not value.type.tensor_type.elem_type:
            raise ModelError(
                f"{path}, '{value.name}'",
                expected="inputs and outputs that are tensors",
                found=(kind or "none").removesuffix("_type"),
                remedy="export the model again without the step that makes it, for example ZipMap",
            )
    return Ends(
        signature=Signature(
            inputs=tuple(map(tensor_spec, graph_inputs(graph))), outputs=tuple(map(tensor_spec, graph.output))
        )
    )


def graph_inputs(graph: Any) -> list[Any]:
    """A graph's inputs without its constants, which old files list among them."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


def _contents(path: Path, model: onnx.ModelProto) -> Contents:
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    if not opsets:
        raise ValueError("it names no opset")
    return Contents(
        format="onnx",
        path=str(path),
        size=path.stat().st_size,
        inputs=tuple(map(tensor_spec, graph_inputs(model.graph))),
        outputs=tuple(map(tensor_spec, model.graph.output)),
        ops=dict(sorted(Counter(node.op_type for node in model.graph.node).items())),
        metadata={
            "opset": opsets,
            "producer": f"{model.producer_name} {model.producer_version}",
            **{entry.key: entry.value for entry in model.metadata_props},
        },
    )


def tensor_spec(value: Any) -> TensorSpec:
    """The spec of a graph's input or output as it stands in the file."""
    tensor = value.type.tensor_type
    return TensorSpec(
        name=value.name,
        dtype=name_of(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)),
        shape=tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim),
    )
