"""The model's signature: canonical names, dtypes and shapes of its inputs and outputs, in its own order.

A canonical name is a C identifier and the same in every format. Inputs are called as their `keras.Input`,
outputs as the layer that makes them, unless the model returns a dict, whose keys win. Characters that no format
shares become underscores, and the name in Keras is kept beside it (`TensorSpec.keras_name`).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from xorexport.errors import ModelError
from xorexport.samples import Domain
from xorexport.spec import Decision, Signature, TensorSpec

GENERATED_INPUT = re.compile(r"^(keras_tensor|input_layer)(_\d+)?$")
"""Names that Keras makes up for an input without one: before a model is saved, and after it is loaded."""


def canonical_names(names: Iterable[str], generated: str, taken: Iterable[str] = ()) -> list[str]:
    """Turn names of a Keras model into distinct C identifiers, in order.

    Args:
        names: as Keras has them.
        taken: identifiers that are in use already: an ONNX file has one namespace for inputs and outputs.
        generated: what a name becomes that Keras made up itself; `keras_tensor_6` counts the process' tensors,
            so it would not be the same twice.
    """
    used, result = set(taken), []
    for name in names:
        base = generated if GENERATED_INPUT.match(name) else _identifier(name)
        candidate, count = base, 0
        while candidate in used:
            count += 1
            candidate = f"{base}_{count}"
        used.add(candidate)
        result.append(candidate)
    return result


def _identifier(name: str) -> str:
    """An identifier that begins with a letter and is no word of Python: SavedModel makes arguments of them."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = base if base[:1].isalpha() else f"n{base}"
    return f"{base}_" if keyword.iskeyword(base) or base == "self" else base


def input_specs(model: keras.Model) -> tuple[TensorSpec, ...]:
    """The inputs of a built model, flattened in its own order.

    Raises:
        ModelError: the model was never built, or has no inputs that Keras recorded.
    """
    if not getattr(model, "inputs", None):
        raise ModelError(
            f"model '{model.name}'",
            expected="a Functional or Sequential model, whose inputs and their names Keras records",
            found="one without recorded inputs" if model.built else "one that was never built",
            remedy="give it a keras.Input; wrap a subclassed model as keras.Model(x, model(x))",
        )
    names = [tensor.name for tensor in model.inputs]
    canonical = canonical_names(names, generated="input")
    return tuple(
        _spec(name, keras_name, keras.backend.standardize_dtype(tensor.dtype), tensor.shape)
        for name, keras_name, tensor in zip(canonical, names, model.inputs, strict=True)
    )


def output_specs(model: keras.Model, structure: Any) -> tuple[TensorSpec, ...]:
    """The outputs of a model, flattened in its own order.

    Args:
        model: gives the layers' names.
        structure: what the model returned when it was called symbolically; its tensors have dtype and shape.
    """
    paths = tree.flatten_with_path(structure)
    functional = _functional(model)
    layer_names = functional.output_names if functional is not None else []
    names = []
    for position, (path, _) in enumerate(paths):
        keys = [str(step) for step in path if isinstance(step, str)]
        if keys:
            names.append("_".join(keys))
        elif position < len(layer_names):
            names.append(layer_names[position])
        else:
            names.append("output")
    return tuple(
        _spec(name, keras_name, np.dtype(tensor.dtype.as_numpy_dtype).name, tensor.shape)
        for name, keras_name, (_, tensor) in zip(
            canonical_names(names, "output", [spec.name for spec in input_specs(model)]),
            names,
            paths,
            strict=True,
        )
    )


def call_structure(model: keras.Model, tensors: Sequence[Any]) -> Any:
    """Pack a flat list of input tensors into the structure that the model is called with."""
    functional = _functional(model)
    if functional is None:
        return tensors[0] if len(tensors) == 1 else list(tensors)
    return tree.pack_sequence_as(functional.input, list(tensors))


def predict(
    model: keras.Model, signature: Signature, inputs: Mapping[str, np.ndarray], batch_size: int = 64
) -> dict[str, np.ndarray]:
    """What `model.predict` returns for named inputs, by canonical output name.

    Args:
        inputs: by canonical name, each of shape (rows, ...).
        batch_size: rows a step.
    """
    structure = call_structure(model, [inputs[spec.name] for spec in signature.inputs])
    results = tree.flatten(model.predict(structure, batch_size=batch_size, verbose=0))
    return {spec.name: np.asarray(result) for spec, result in zip(signature.outputs, results, strict=True)}


def domains_of(model: keras.Model) -> dict[str, Domain]:
    """What sensible values of each input are, read off the layers that it reaches, by canonical name.

    Token ids stay below the smallest `input_dim` of the embeddings, and pixels are 0 to 255 where the first
    layer rescales. Other inputs keep the default domain of their dtype.
    """
    functional = _functional(model)
    if functional is None:
        return {}
    domains: dict[str, Domain] = {}
    for spec, tensor in zip(input_specs(model), model.inputs, strict=True):
        reached = list(_reached(functional, tensor))
        vocabularies = [layer.input_dim for layer in reached if isinstance(layer, keras.layers.Embedding)]
        if vocabularies:
            domains[spec.name] = Domain(low=0, high=min(vocabularies) - 1, integer=True)
        elif any(isinstance(layer, keras.layers.Rescaling) for layer in reached):
            domains[spec.name] = Domain(low=0.0, high=255.0)
    return domains


def _reached(functional: Any, tensor: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Operations that see the values of a tensor, through those without weights and into nested models."""
    seen = set() if seen is None else seen
    if id(tensor) in seen:
        return
    seen.add(id(tensor))
    for operation in functional.operations:
        for node in operation._inbound_nodes:
            positions = [index for index, argument in enumerate(node.input_tensors) if argument is tensor]
            if not positions:
                continue
            inner = _functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None:
                yield from _reached(inner, inner.inputs[positions[0]], seen)
                continue
            yield operation
            if not getattr(operation, "weights", None):
                for output in node.output_tensors:
                    yield from _reached(functional, output, seen)


def decisions_of(model: keras.Model, signature: Signature) -> dict[str, Decision]:
    """Outputs that choose a class: a single sigmoid or a softmax as the last layer's activation."""
    functional = _functional(model)
    if functional is None:
        return {}
    decisions: dict[str, Decision] = {}
    for spec, tensor in zip(signature.outputs, model.outputs, strict=True):
        layer = tensor._keras_history.operation
        activation = keras.activations.softmax if isinstance(layer, keras.layers.Softmax) else None
        activation = getattr(layer, "activation", activation)
        if activation is keras.activations.sigmoid and spec.row_size() == 1:
            decisions[spec.name] = Decision.THRESHOLD
        elif activation is keras.activations.softmax and spec.row_size() > 1:
            decisions[spec.name] = Decision.ARGMAX
    return decisions


def _spec(name: str, keras_name: str, dtype: str, shape: Iterable[int | None]) -> TensorSpec:
    known = keras_name == name or GENERATED_INPUT.match(keras_name)
    return TensorSpec(name=name, dtype=dtype, shape=tuple(shape), keras_name=None if known else keras_name)


def _functional(model: keras.Model) -> Any | None:
    """The graph of layers behind a model: itself, a Sequential's inner one, or none for a subclassed model."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "output_names") else None
