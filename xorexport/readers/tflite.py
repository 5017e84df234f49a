"""Reads a TFLite file's flatbuffer."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from xorexport.readers.base import Contents, unreadable
from xorexport.spec import TensorSpec

IDENTIFIER = b"TFL3"
OPS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
DTYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}


def read(path: Path) -> Contents:
    """Signature, ops and metadata of a TFLite file.

    Raises:
        ModelError: it is not a whole TFLite file.
    """
    try:
        raw = path.read_bytes()
        if raw[4:8] != IDENTIFIER:
            raise ValueError(f"the file identifier is {raw[4:8]!r} instead of {IDENTIFIER!r}")
        return _contents(path, raw, schema.Model.GetRootAs(raw, 0))
    except (OSError, ValueError, IndexError, TypeError, AttributeError, struct.error) as error:
        raise unreadable(path, "TFLite", error) from error


def _contents(path: Path, raw: bytes, model: Any) -> Contents:
    graph = model.Subgraphs(0)
    ops = Counter(
        _op_name(model.OperatorCodes(subgraph.Operators(index).OpcodeIndex()))
        for subgraph in (model.Subgraphs(number) for number in range(model.SubgraphsLength()))
        for index in range(subgraph.OperatorsLength())
    )
    keys = [model.SignatureDefs(index).SignatureKey().decode() for index in range(model.SignatureDefsLength())]
    return Contents(
        format="tflite",
        path=str(path),
        size=len(raw),
        inputs=tuple(_spec(graph.Tensors(graph.Inputs(index))) for index in range(graph.InputsLength())),
        outputs=tuple(_spec(graph.Tensors(graph.Outputs(index))) for index in range(graph.OutputsLength())),
        ops=dict(sorted(ops.items())),
        metadata={"schema": str(model.Version()), "signatures": ", ".join(keys)},
    )


def _op_name(code: Any) -> str:
    # Files for old interpreters have the op in the older, narrower field.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    custom: bytes | None = code.CustomCode()
    return custom.decode() if custom else OPS.get(number, f"op {number}")


def _spec(tensor: Any) -> TensorSpec:
    sizes = [tensor.ShapeSignature(axis) for axis in range(tensor.ShapeSignatureLength())]
    sizes = sizes or [tensor.Shape(axis) for axis in range(tensor.ShapeLength())]
    return TensorSpec(
        name=tensor.Name().decode(),
        dtype=DTYPES.get(tensor.Type(), "unknown"),
        shape=tuple(None if size < 0 else size for size in sizes),
    )
