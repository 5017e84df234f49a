"""Reads a TFLite file's flatbuffer."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from ai_edge_litert import schema_py_generated as schema

from xorexport.readers.base import Contents, Ends, unreadable
from xorexport.spec import Quantization, Signature, TensorSpec

IDENTIFIER = b"TFL3"
OPS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
BROKEN = (OSError, ValueError, IndexError, TypeError, AttributeError, struct.error)
"""What reading a flatbuffer raises where the file is cut off or something else."""
DTYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}


def read(path: Path) -> Contents:
    """Signature, ops and metadata of a TFLite file.

    Raises:
        ModelError: it is not a whole TFLite file.
    """
    try:
        raw, model = _load(path)
        return _contents(path, raw, model)
    except BROKEN as error:
        raise unreadable(path, "TFLite", error) from error


def ends(path: Path, unsafe: bool, imports: Sequence[str]) -> Ends:
    """What a TFLite file takes and returns: its first subgraph, by position as C programs address it.

    Raises:
        ModelError: it is not a whole TFLite file.
    """
    try:
        _, model = _load(path)
        graph = model.Subgraphs(0)
        inputs = [graph.Tensors(graph.Inputs(index)) for index in range(graph.InputsLength())]
        outputs = [graph.Tensors(graph.Outputs(index)) for index in range(graph.OutputsLength())]
        signatures = [model.SignatureDefs(index) for index in range(model.SignatureDefsLength())]
        return Ends(
            signature=Signature(inputs=tuple(map(_end, inputs)), outputs=tuple(map(_end, outputs))),
            names={
                graph.Tensors(entry.TensorIndex()).Name().decode(): entry.Name().decode()
                for signature in signatures
                if signature.SubgraphIndex() == 0
                for entry in _entries(signature)
            },
            notes=tuple(
                f"signature '{signature.SignatureKey().decode()}' was not run: it is not the file's first"
                for signature in signatures
                if signature.SubgraphIndex() != 0
            ),
        )
    except BROKEN as error:
        raise unreadable(path, "TFLite", error) from error


def _load(path: Path) -> tuple[bytes, Any]:
    raw = path.read_bytes()
    if raw[4:8] != IDENTIFIER:
        raise ValueError(f"the file identifier is {raw[4:8]!r} instead of {IDENTIFIER!r}")
    return raw, schema.Model.GetRootAs(raw, 0)


def _entries(signature: Any) -> Iterator[Any]:
    yield from (signature.Inputs(index) for index in range(signature.InputsLength()))
    yield from (signature.Outputs(index) for index in range(signature.OutputsLength()))


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


def _end(tensor: Any) -> TensorSpec:
    """The spec of an input or output, with how its integers stand for numbers."""
    parameters = tensor.Quantization()
    spec = _spec(tensor)
    if parameters is None or parameters.ScaleLength() != 1 or parameters.ZeroPointLength() != 1:
        return spec
    quantization = Quantization(scale=float(parameters.Scale(0)), zero_point=int(parameters.ZeroPoint(0)))
    return msgspec.structs.replace(spec, quantization=quantization)
