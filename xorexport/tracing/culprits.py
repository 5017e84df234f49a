"""Says which layers an op of the graph comes from, and what works instead of it."""

from __future__ import annotations

from collections.abc import Iterable

from xorexport.network.sources.saved_model import SignatureLayer
from xorexport.tracing.trace import Traced

SHOWN = 3
LINEAR_ALGEBRA = "work the matrix out before the model, and give it as an input or a weight"
NEAREST: dict[str, str] = {
    **dict.fromkeys(("Cholesky", "MatrixDeterminant", "MatrixInverse", "MatrixSolve", "Svd", "Qr"), LINEAR_ALGEBRA),
    "LookupTableFindV2": "look strings up before the model, and let it begin with their numbers",
    "StringToHashBucketFast": "hash before the model, and let it begin with the bucket's number",
}
"""What works instead, by an op type that a format lacks and that no equivalent is known of."""


def layers_with(traced: Traced, op_types: Iterable[str]) -> str:
    """For example `Erf in layer 'gelu', Roll in layers 'sort' and 'segment'`; the op type alone where none has it."""
    return ", ".join(_one(traced, op_type) for op_type in op_types)


def _one(traced: Traced, op_type: str) -> str:
    model_layers = traced.model._flatten_layers(include_self=False)
    known = {layer.name for layer in model_layers}
    # A SavedModel has no layers, but scopes that were called as its layers.
    scopes = any(isinstance(layer, SignatureLayer) for layer in model_layers)
    found: dict[str, None] = {}
    for node in traced.nodes():
        if node.op == op_type and scopes:
            found[node.name.rpartition("/")[0] or node.name] = None
        elif node.op == op_type:
            # The innermost scope that is a layer; TensorFlow numbers scopes that are entered again.
            steps = [step for step in node.name.split("/")[:-1] if _layer(step, known)]
            if steps:
                found[_layer(steps[-1], known)] = None
    if not found:
        return op_type
    names = [f"'{name}'" for name in found]
    text = " and ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    return f"{op_type} in {'scope' if scopes else 'layer'}{'s' if len(names) > 1 else ''} {text}"


def _layer(step: str, known: set[str]) -> str:
    if step in known:
        return step
    stem, _, number = step.rpartition("_")
    return stem if number.isdigit() and stem in known else ""
