"""Compares two models' graphs: layers, configs, wiring and inner models, whatever their layers are called."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from xorexport.network import configs
from xorexport.network.graph import (
    Call,
    Graph,
    Location,
    Origin,
    Place,
    describe,
    describe_pair,
    graph_of,
    has_graph,
    place_of,
)


class TopologyComparison:
    """Walks two models side by side until they differ.

    Attributes:
        difference: the first difference, or None.
        undecided: what could not be compared, one text each.
        layers: how many pairs of layers were the same.
    """

    def __init__(self, first: keras.Model, second: keras.Model) -> None:
        self.undecided: list[str] = []
        self.layers = 0
        # Which layer of the other model each layer was met with, so that a shared layer has to be shared in both.
        self._partners: tuple[dict[int, tuple[Any, Place]], dict[int, tuple[Any, Place]]] = ({}, {})
        self.difference = self._compare_models(first, second, (), ())

    def _compare_models(self, first: keras.Model, second: keras.Model, here: Location, there: Location) -> str | None:
        graphs = graph_of(first), graph_of(second)
        if graphs[0] is None or graphs[1] is None:
            return self._compare_without_graph(first, second, here, there)
        where = describe_pair(here, there) if here else "the model"
        return (
            _compare_structures(graphs[0], graphs[1], where)
            or self._compare_calls(graphs[0], graphs[1], here, there)
            or _compare_outputs(graphs[0], graphs[1], where)
        )

    def _compare_calls(self, first: Graph, second: Graph, here: Location, there: Location) -> str | None:
        for one, other in zip(first.calls, second.calls, strict=False):
            found = self._compare_call(one, other, here, there)
            if found is not None:
                return found
        return _left_over([call.place for call in first.calls], [call.place for call in second.calls], here)

    def _compare_call(self, first: Call, second: Call, here: Location, there: Location) -> str | None:
        here, there = (*here, first.place), (*there, second.place)
        where = describe_pair(here, there)
        met = self._meet(first, second)
        if isinstance(met, str):
            return f"{where}: {met}"
        if not met:
            found = self._compare_operations(first.operation, second.operation, here, there)
            if found is not None:
                return found
            self.layers += 1
        found_argument = configs.first_difference(
            configs.normalise(first.arguments), configs.normalise(second.arguments)
        )
        return None if found_argument is None else f"{where}: argument {found_argument}"

    def _meet(self, first: Call, second: Call) -> bool | str:
        """Whether this pair of layers was met before; a text where only one of them was, or with another."""
        known = self._partners[0].get(id(first.operation)), self._partners[1].get(id(second.operation))
        if known[0] is None and known[1] is None:
            self._partners[0][id(first.operation)] = second.operation, first.place
            self._partners[1][id(second.operation)] = first.operation, second.place
            return False
        if known[0] is not None and known[0][0] is second.operation:
            return True
        states = ["a new layer" if entry is None else f"a further call of {entry[1]}" for entry in known]
        return f"it is {states[0]} in the first model, {states[1]} in the second"

    def _compare_operations(self, first: Any, second: Any, here: Location, there: Location) -> str | None:
        if has_graph(first) and has_graph(second):
            return self._compare_models(first, second, here, there)
        if isinstance(first, keras.Model) and isinstance(second, keras.Model):
            return self._compare_without_graph(first, second, here, there)
        return self._compare_layers(first, second, here, there)

    def _compare_layers(self, first: Any, second: Any, here: Location, there: Location) -> str | None:
        where = describe_pair(here, there)
        if type(first) is not type(second):
            return f"{where}: {configs.Difference('class', *_class_names(first, second))}"
        found = self._compare_configs(first, second, where)
        if found is not None:
            return found
        return self._compare_inner(_inner_models(first), _inner_models(second), here, there)

    def _compare_without_graph(
        self, first: keras.Model, second: keras.Model, here: Location, there: Location
    ) -> str | None:
        """Compare what there is of subclassed models: the class, the config, and the layers in their order."""
        where = describe_pair(here, there) if here else f"the model '{first.name}' / '{second.name}'"
        if type(first) is not type(second):
            return f"{where}: {configs.Difference('class', *_class_names(first, second))}"
        self.undecided.append(f"the wiring of {where}, of which Keras has no record")
        found = self._compare_configs(first, second, where)
        if found is not None:
            return found
        return self._compare_inner(first.layers, second.layers, here, there)

    def _compare_configs(self, first: Any, second: Any, where: str) -> str | None:
        config = configs.config_of(first), configs.config_of(second)
        if config[0] is None or config[1] is None:
            self.undecided.append(f"the config of {where}, which it does not give")
            return None
        found = configs.first_difference(config[0], config[1])
        return None if found is None else f"{where}: {found}"

    def _compare_inner(self, first: list[Any], second: list[Any], here: Location, there: Location) -> str | None:
        places = [[place_of(number, layer) for number, layer in enumerate(side, 1)] for side in (first, second)]
        for one, other, place, counterpart in zip(first, second, *places, strict=False):
            found = self._compare_operations(one, other, (*here, place), (*there, counterpart))
            if found is not None:
                return found
            self.layers += 1
        return _left_over(places[0], places[1], here)


def _compare_structures(first: Graph, second: Graph, where: str) -> str | None:
    """Numbers, keys and nesting of inputs and outputs; which tensor is which comes later."""
    for what, one, other in (("inputs", first.inputs, second.inputs), ("outputs", first.outputs, second.outputs)):
        shapes = _outline(one), _outline(other)
        if shapes[0] != shapes[1]:
            return f"{where}: {configs.Difference(what, *shapes)}"
    return None


def _compare_outputs(first: Graph, second: Graph, where: str) -> str | None:
    pairs = zip(tree.flatten(first.outputs), tree.flatten(second.outputs), strict=True)
    for number, (one, other) in enumerate(pairs, 1):
        if one != other:
            return f"{where}: {configs.Difference(f'output {number}', one, other)}"
    return None


def _outline(structure: Any) -> str:
    """A structure without its tensors; a list of one is that one, and a dict has no order, as in Keras."""
    if isinstance(structure, Origin):
        return "one tensor"
    if isinstance(structure, dict):
        return f"a dict of {', '.join(f'{key}: {_outline(value)}' for key, value in sorted(structure.items()))}"
    if isinstance(structure, list | tuple):
        if len(structure) == 1:
            return _outline(structure[0])
        inner = [_outline(value) for value in structure]
        flat = all(text == "one tensor" for text in inner)
        return f"a list of {len(inner)} tensors" if flat else f"a list of ({', '.join(inner)})"
    return str(structure)


def _left_over(first: list[Place], second: list[Place], here: Location) -> str | None:
    if len(first) == len(second):
        return None
    longer, owner = (first, "first") if len(first) > len(second) else (second, "second")
    extra = longer[min(len(first), len(second))]
    return f"{describe((*here, extra))}: it is in the {owner} model alone"


def _class_names(first: Any, second: Any) -> tuple[str, str]:
    names = type(first).__name__, type(second).__name__
    if names[0] != names[1]:
        return names
    paths = tuple(f"{type(layer).__module__}.{type(layer).__qualname__}" for layer in (first, second))
    return paths[0], paths[1] if paths[0] != paths[1] else f"another class of the name {paths[1]}"


def _inner_models(operation: Any) -> list[Any]:
    """Models that a layer wraps, as TimeDistributed does; their graphs are no part of its config."""
    if not isinstance(operation, keras.layers.Layer):
        return []
    inner = operation._flatten_layers(include_self=False, recursive=False)
    return [layer for layer in inner if isinstance(layer, keras.Model)]
