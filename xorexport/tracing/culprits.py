"""Says which layers an op of the graph comes from, and what works instead of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from xorexport.network.names import layer_name
from xorexport.network.sources.saved_model import SignatureLayer
from xorexport.tracing.trace import Traced, trace

SHOWN = 3
LINEAR_ALGEBRA = "work the matrix out before the model, and give it as an input or a weight"
SMALLER = "cast the numbers to int32 before it with keras.ops.cast"
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        (
            "Cholesky",
            "Eig",
            "LogMatrixDeterminant",
            "MatrixDeterminant",
            "MatrixInverse",
            "MatrixSolve",
            "MatrixTriangularSolve",
            "Qr",
            "SelfAdjointEigV2",
            "Svd",
        ),
        LINEAR_ALGEBRA,
    ),
    **dict.fromkeys(
        ("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "FloorDiv", "Invert", "LeftShift", "RightShift"), SMALLER
    ),
    **dict.fromkeys(("AddV2", "ArgMax", "ArgMin", "Maximum", "Minimum", "Mul", "Sub"), SMALLER),
    **dict.fromkeys(("_SwitchN", "Case", "StatelessCase"), "choose with keras.ops.where, or keras.ops.cond"),
    **dict.fromkeys(("CTCGreedyDecoder", "Empty"), "let the model return what it is given, and do it after"),
    "Bitcast": "compute the numbers with keras.ops.cast and arithmetic",
    "ImageProjectiveTransformV3": "use fill_mode='constant' or 'nearest', and images of a known size",
    "LookupTableFindV2": "look strings up before the model, and let it begin with their numbers",
    "StringToHashBucketFast": "hash before the model, and let it begin with the bucket's number",
    "TensorListReserve": "write the loop as keras.layers.RNN, or without keras.ops.scan and map",
}
"""What works instead, by an op type that a format lacks and that no equivalent is known of."""


def layers_with(traced: Traced, op_types: Iterable[str]) -> str:
    """For example `Erf in layer 'gelu', Roll in layers 'sort' and 'segment'`; the op type alone where none has it.

    An operation of `keras.ops` between layers has no scope in the graph; it gets one in another trace, if need be, and
    is told as `FloorMod in operation 'mod'`.
    """
    model_layers = traced.model._flatten_layers(include_self=False)
    if any(isinstance(layer, SignatureLayer) for layer in model_layers):
        return ", ".join(_text(op_type, "scope", _scopes(traced, op_type)) for op_type in op_types)
    layers = {layer.name for layer in model_layers}
    found = {op_type: _places(traced, op_type, layers) for op_type in op_types}
    by_operation: dict[str, list[str]] = {}
    if not all(found.values()):
        with _scoped_operations() as operations:
            again = trace(traced.model, traced.interface, traced.plan)
        by_operation = {op_type: _places(again, op_type, operations) for op_type in found}
    return ", ".join(
        _text(op_type, "layer", names) if names else _text(op_type, "operation", by_operation[op_type])
        for op_type, names in found.items()
    )


def _scopes(traced: Traced, op_type: str) -> list[str]:
    """Names of the scopes that have the op: a SavedModel has no layers, but scopes that were called as its layers."""
    return list(
        dict.fromkeys(node.name.rpartition("/")[0] or node.name for node in traced.nodes() if node.op == op_type)
    )


def _places(traced: Traced, op_type: str, known: Collection[str]) -> list[str]:
    """Names of the innermost scopes among the known ones that have the op; TensorFlow numbers repeated scopes."""
    found: dict[str, None] = {}
    for node in traced.nodes():
        if node.op == op_type:
            steps = [step for step in node.name.split("/")[:-1] if _scope(step, known)]
            if steps:
                found[_scope(steps[-1], known)] = None
    return list(found)


def _scope(step: str, known: Collection[str]) -> str:
    if step in known:
        return step
    stem, _, number = step.rpartition("_")
    return stem if number.isdigit() and stem in known else ""


def _text(op_type: str, kind: str, found: Sequence[str]) -> str:
    if not found:
        return op_type
    names = [f"'{name}'" for name in found]
    text = " and ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return f"{op_type} in {kind}{'s' if len(names) > 1 else ''} {text}"


@contextmanager
def _scoped_operations() -> Iterator[set[str]]:
    """Give operations that are no layers a scope in graphs that are made meanwhile; yields their names."""
    names: set[str] = set()
    call = keras.Operation.__call__

    def scoped(operation: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(operation, keras.layers.Layer):
            return call(operation, *arguments, **options)
        name = layer_name(operation)
        names.add(name)
        with tf.name_scope(name):
            return call(operation, *arguments, **options)

    with mock.patch.object(keras.Operation, "__call__", scoped):
        yield names
