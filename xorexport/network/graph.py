"""A model's graph in a canonical form, which is the same however the network was put together.

Layers are numbered by walking from the outputs to the inputs: first the model's inputs in their order, then every
layer after the layers that it takes its tensors from. So neither the order in which layers were made, nor their
names, nor the API (Sequential or Functional) makes a difference.

Keras records the graph as nodes, one a call of a layer, on the layers themselves (`keras/src/ops/node.py`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import keras
from keras import tree


@dataclass(frozen=True)
class Place:
    """Where a layer stands in a model: `layer 2 Dense 'hidden'`.

    Attributes:
        number: the canonical number, counted from 1.
        kind: the class, or `model` for a model inside another one, whichever API made it.
        name: in the model at hand; it plays no part in comparing.
    """

    number: int
    kind: str
    name: str

    def __str__(self) -> str:
        return f"layer {self.number} {self.kind} '{self.name}'"


Location: TypeAlias = tuple[Place, ...]
"""The way to a layer from the outermost model inwards."""


@dataclass(frozen=True)
class Origin:
    """Stands for a tensor of the graph, and says which call made it.

    Attributes:
        call: index of the call.
        output: index among the call's outputs.
    """

    call: int
    output: int
    place: Place = field(compare=False)

    def __str__(self) -> str:
        return f"output {self.output + 1} of {self.place}"


@dataclass(frozen=True)
class Call:
    """One call of one layer, or of one operation of `keras.ops`.

    Attributes:
        operation: the layer or operation; the same object in every call of a shared layer.
        arguments: by parameter name, with an `Origin` for every tensor, without those left at their default.
        outputs: how many tensors the call returns.
    """

    place: Place
    operation: Any
    arguments: dict[str, Any]
    outputs: int


@dataclass(frozen=True)
class Graph:
    """The calls in canonical order.

    Attributes:
        inputs: the structure of the model's inputs, with an `Origin` for each tensor.
        outputs: the same for its outputs.
    """

    calls: tuple[Call, ...]
    inputs: Any
    outputs: Any


def graph_of(model: keras.Model) -> Graph | None:
    """The canonical graph of a model, or None for a subclassed model, whose graph Keras does not record."""
    functional = _functional(model)
    if functional is None:
        return None
    walk = _Walk()
    for node in _nodes_in_order(functional):
        walk.add(node)
    return Graph(tuple(walk.calls), walk.origins(functional.input), walk.origins(functional.output))


def has_graph(operation: Any) -> bool:
    """Whether this is a model whose graph is known, and not a single layer or a subclassed model."""
    return isinstance(operation, keras.Model) and _functional(operation) is not None


def place_of(number: int, operation: Any) -> Place:
    """A layer's place under a given number."""
    kind = "model" if has_graph(operation) else type(operation).__name__
    return Place(number, kind, operation.name)


def layers_in_order(model: keras.Model) -> Iterator[tuple[Location, keras.layers.Layer]]:
    """Every layer once, in canonical order, with the layers of inner models in place of those models."""
    seen: set[int] = set()
    yield from _layers_in_order(model, (), seen)


def describe_pair(first: Location, second: Location) -> str:
    """One text for two layers that stand in the same place, with both names.

    For example `layer 2 Dense 'hidden' / 'h'`, or for an inner model
    `layer 3 model 'encoder' / 'enc', layer 2 Dense 'd' / 'd'`.
    """
    if len(first) != len(second):
        return f"{describe(first)} / {describe(second)}"
    if not first:
        return describe(first)
    return ", ".join(
        f"{one} / '{other.name}'" if (one.number, one.kind) == (other.number, other.kind) else f"{one} / {other}"
        for one, other in zip(first, second, strict=True)
    )


def describe(location: Location) -> str:
    """A layer's location, or `the model itself`."""
    return ", ".join(map(str, location)) or "the model itself"


def _functional(model: Any) -> Any | None:
    # A subclass with a `call` of its own computes that, whatever graph it has besides.
    if not type(model).call.__module__.startswith("keras."):
        return None
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "operations") else None


def _layers_in_order(
    model: keras.Model, location: Location, seen: set[int]
) -> Iterator[tuple[Location, keras.layers.Layer]]:
    graph = graph_of(model)
    if graph is None:
        inner = [(place_of(number, layer), layer) for number, layer in enumerate(model.layers, 1)]
    else:
        inner = [(call.place, call.operation) for call in graph.calls]
    for place, layer in inner:
        if id(layer) in seen or not isinstance(layer, keras.layers.Layer):
            continue
        seen.add(id(layer))
        if isinstance(layer, keras.Model):
            yield from _layers_in_order(layer, (*location, place), seen)
        else:
            yield (*location, place), layer


def _nodes_in_order(functional: Any) -> list[Any]:
    """Every node after those that it depends on; with a stack of its own, since graphs get deep."""
    done: set[int] = set()
    ordered = []
    for tensor in [*functional.inputs, *functional.outputs]:
        stack = [_node_of(tensor)]
        while stack:
            node = stack[-1]
            waiting = next((parent for parent in node.parent_nodes if id(parent) not in done), None)
            if waiting is not None:
                stack.append(waiting)
                continue
            stack.pop()
            if id(node) not in done:
                done.add(id(node))
                ordered.append(node)
    return ordered


def _node_of(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


class _Walk:
    """Numbers layers and calls as they come."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._places: dict[int, Place] = {}
        self._call_of_node: dict[int, int] = {}

    def add(self, node: Any) -> None:
        operation = node.operation
        if id(operation) not in self._places:
            self._places[id(operation)] = place_of(len(self._places) + 1, operation)
        arguments = _named_arguments(operation, self.origins(node.arguments.args), self.origins(node.arguments.kwargs))
        self._call_of_node[id(node)] = len(self.calls)
        self.calls.append(Call(self._places[id(operation)], operation, arguments, len(node.outputs)))

    def origins(self, structure: Any) -> Any:
        """The same structure with an `Origin` for every tensor of the graph."""
        return tree.map_structure(self._origin, structure)

    def _origin(self, leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        call = self._call_of_node[id(_node_of(leaf))]
        return Origin(call, leaf._keras_history.tensor_index, self.calls[call].place)


def _named_arguments(operation: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by parameter name, so that `layer(x)` and `layer(inputs=x, training=None)` are the same."""
    signature = inspect.signature(operation.call)
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError:
        # A layer that rewrites its arguments in `__call__`; compared as they were given.
        return {"args": list(args), **kwargs}
    named: dict[str, Any] = {}
    for name, value in bound.items():
        parameter = signature.parameters[name]
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        # None for `training` means the mode of the whole model, as leaving it out does, whatever the default.
        elif value is not parameter.default and not (name == "training" and value is None):
            named[name] = value
    return named
