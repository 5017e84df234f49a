"""Turns a Sequential model into a Functional one and back: new layers, the same names, the same weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from xorexport.errors import ModelError
from xorexport.network.graph import Call, Graph, Origin, graph_of, has_graph, layers_in_order
from xorexport.network.topology import TopologyComparison

MASK = "mask"
"""The argument that Keras fills in by itself where a layer before makes a mask."""


def to_functional(sequential: keras.Sequential) -> keras.Model:
    """Build the same model with the Functional API.

    Args:
        sequential: a built Sequential model; it is not changed, and shares nothing with the result.

    Returns:
        A model without an optimiser, with the same names, weights and states of random generators.

    Raises:
        ModelError: it is not a Sequential model, was never built, or has layers that cannot be cloned.
    """
    if not isinstance(sequential, keras.Sequential):
        raise _error(sequential, "a keras.Sequential", f"a {type(sequential).__name__}", "give a Sequential model")
    if not has_graph(sequential):
        raise _error(
            sequential,
            "a model that was built",
            "a Sequential without an input shape",
            "give it a keras.Input, or call model.build(input_shape)",
        )
    clone = _clone(sequential, sequential)
    functional = keras.Model(_bare(clone.inputs), _bare(clone.outputs), name=sequential.name)
    return _finish(sequential, functional)


def to_sequential(functional: keras.Model) -> keras.Sequential:
    """Build the same model with the Sequential API.

    Args:
        functional: a Functional model whose layers form one line; it is not changed, and shares nothing with the
            result.

    Returns:
        A model without an optimiser, with the same names, weights and states of random generators.

    Raises:
        ModelError: the graph is not one line of layers, each called once; the message names the layer where it
            branches. Or a layer cannot be cloned, or the model has no graph.
    """
    graph = graph_of(functional)
    if graph is None:
        raise _error(
            functional, "a Functional model", "one without a recorded graph", "build it with the Functional API"
        )
    layers = [_clone(call.operation, functional) for call in _line(functional, graph)]
    return _finish(functional, keras.Sequential(layers, name=functional.name))


def twin(model: keras.Model) -> keras.Model:
    """The same model in the other API.

    Raises:
        ModelError: it has none, or it cannot be made; the message says why.
    """
    return to_functional(model) if isinstance(model, keras.Sequential) else to_sequential(model)


def _line(model: keras.Model, graph: Graph) -> list[Call]:
    """The calls from the input to the output; refuses what a Sequential cannot say, naming the layer."""
    for what, structure in (("input", graph.inputs), ("output", graph.outputs)):
        tensors = tree.flatten(structure)
        if len(tensors) != 1 or isinstance(structure, dict):
            found = f"a dict of {len(tensors)}" if isinstance(structure, dict) else str(len(tensors))
            raise _not_linear(model, f"one {what} tensor", found)
    users = _users(graph)
    # What only a mask is made of has no user here: Keras makes masks by itself, in a Sequential too.
    line = [(call, users[index]) for index, call in enumerate(graph.calls) if index in users]
    called: set[int] = set()
    for call, used_by in line:
        _check_call(model, call, called, used_by)
        called.add(id(call.operation))
    return [call for call, _ in line]


def _users(graph: Graph) -> dict[int, list[str]]:
    """Who takes the tensors of each call, for the calls that the output depends on; masks aside."""
    users: dict[int, list[str]] = {tree.flatten(graph.outputs)[0].call: ["the model's output"]}
    for index in reversed(range(len(graph.calls))):
        if index in users:
            user = str(graph.calls[index].place)
            for tensor in _tensors(graph.calls[index]):
                known = users.setdefault(tensor.call, [])
                if user not in known:
                    known.insert(0, user)
    return users


def _check_call(model: keras.Model, call: Call, called: set[int], users: list[str]) -> None:
    if len(users) > 1:
        raise _not_linear(model, "one line of layers", f"a branch at {call.place}, to {' and '.join(users)}")
    if id(call.operation) in called:
        raise _not_linear(model, "each layer called once", f"{call.place} called again")
    if not isinstance(call.operation, keras.layers.Layer):
        raise _not_linear(model, "layers alone", f"{call.place}, an operation of keras.ops")
    if call.outputs > 1:
        raise _not_linear(model, "one tensor from each layer", f"{call.outputs} from {call.place}")
    if isinstance(call.operation, keras.layers.InputLayer):
        return
    tensors = _tensors(call)
    if len(tensors) != 1:
        raise _not_linear(model, "one tensor into each layer", f"{len(tensors)} into {call.place}")
    others = [name for name, value in call.arguments.items() if name != MASK and not isinstance(value, Origin)]
    if others:
        raise _not_linear(model, "layers called with one tensor alone", f"{call.place} called with {others[0]} too")


def _tensors(call: Call) -> list[Origin]:
    values = [value for name, value in call.arguments.items() if name != MASK]
    return [leaf for leaf in tree.flatten(values) if isinstance(leaf, Origin)]


def _clone(layer: Any, model: keras.Model) -> Any:
    """A new layer from the same config; a model with new layers all the way down."""
    try:
        if has_graph(layer):
            return keras.models.clone_model(layer, recursive=True)
        return type(layer).from_config(layer.get_config())
    except Exception as error:
        # Custom layers can fail here in any way.
        raise _error(
            model,
            "layers that can be made again from their config",
            f"'{layer.name}', where that fails ({' '.join(str(error).split())[:120]})",
            "give its class get_config and from_config",
        ) from error


def _finish(source: keras.Model, target: Any) -> Any:
    """Check that the new model has the same graph, and copy the state into it."""
    comparison = TopologyComparison(source, target)
    if comparison.difference is not None:
        raise _error(
            source,
            "a graph that survives cloning",
            comparison.difference.replace("first model", "model").replace("second", "clone"),
            "build the other model by hand and compare the two",
        )
    pairs = zip(layers_in_order(source), layers_in_order(target), strict=True)
    for (_, one), (_, other) in pairs:
        _copy_state(one, other, source)
    # Keras gives the tensor of an unnamed input a new name, which exports would show.
    for one, other in zip(source.inputs, target.inputs, strict=True):
        other.name = one.name
    return target


def _copy_state(source: keras.layers.Layer, target: keras.layers.Layer, model: keras.Model) -> None:
    for one, other in zip(source.variables, target.variables, strict=True):
        other.assign(one.value)
    for layer in target._flatten_layers():
        # It computes with values that it derives from its weights once; others would forget what their config says.
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    if hasattr(source, "get_vocabulary") and source.get_vocabulary() != target.get_vocabulary():
        raise _error(
            model,
            "layers with their state in weights",
            f"'{source.name}' with a vocabulary that it learnt with adapt",
            "give the layer its vocabulary when it is made",
        )


def _bare(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _not_linear(model: keras.Model, expected: str, found: str) -> ModelError:
    return _error(model, expected, found, "a Sequential model cannot say that: keep the Functional one")


def _error(model: Any, expected: str, found: str, remedy: str) -> ModelError:
    return ModelError(f"model '{model.name}'", expected=expected, found=found, remedy=remedy)
