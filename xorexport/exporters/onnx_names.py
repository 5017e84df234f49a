"""Names inside an ONNX graph: those of Keras where there are any, short, and the same every time.

tf2onnx keeps sets of Python objects, whose order depends on their addresses: which of several equal constants stays,
the order of the initialisers and the numbers in made-up names differ from process to process.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import onnx

SCOPE = re.compile(r"^[^/]+/(?=.)")
"""The outermost name scope, which is the model itself."""
COUNTER = re.compile(r"^(.*[^_])__\d+$")
"""A name that tf2onnx made up. Its number depends on the order of sets, so it is counted anew."""


def name_values(graph: Any, model: keras.Model, external: Mapping[str, Any]) -> None:
    """Rename everything but the graph's inputs and outputs, and order the initialisers by their first use.

    Args:
        external: the model's own variables whose data is not in the graph, by the name of their initialiser.
    """
    _order_constants(graph)
    _rename(graph, _short_names(graph, _constant_names(graph, model, external)))


def _order_constants(graph: Any) -> None:
    """Sort the initialisers by their first use; tf2onnx has them in the order of a set."""
    uses = dict.fromkeys(name for node in graph.node for name in _names_used_by(node))
    position = {name: index for index, name in enumerate(uses)}
    ordered = sorted(graph.initializer, key=lambda tensor: position.get(tensor.name, len(position)))
    copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in ordered]
    del graph.initializer[:]
    graph.initializer.extend(copies)


def _constant_names(graph: Any, model: keras.Model, external: Mapping[str, Any]) -> dict[str, str]:
    """New names of the initialisers: the path in Keras (`hidden/kernel`) where one has a weight's very value.

    Any one of several equal constants may be left, so names cannot be relied on, but values can.
    """
    scope = f"{model.name}/"
    paths: dict[Any, list[str]] = {}
    for variable in model.variables:
        paths.setdefault(_content(np.asarray(variable.value)), []).append(variable.path.removeprefix(scope))
    names = {}
    own = {id(variable.value): variable.path.removeprefix(scope) for variable in model.variables}
    for number, tensor in enumerate(graph.initializer, start=1):
        if tensor.name in external:
            names[tensor.name] = own.get(id(external[tensor.name]), f"constant_{number}")
            continue
        known = paths.get(_content(onnx.numpy_helper.to_array(tensor)))
        names[tensor.name] = known.pop(0) if known else f"constant_{number}"
    return names


def _content(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()


def _short_names(graph: Any, names: dict[str, str]) -> dict[str, str]:
    """New names of all values inside the graph.

    A value gets the name of its node without the model's scope in front, and numbers at its end count within the
    graph; one that would clash keeps its name.

    Args:
        names: of the initialisers.
    """
    interface = {value.name for value in (*graph.input, *graph.output)}
    # A subgraph may see every value around it, so none of its own names may be given away.
    taken = interface | {name for node in graph.node for name in _names_in_subgraphs(node)}
    counts: Counter[str] = Counter()
    wanted = {name: short for name, short in names.items() if name not in interface}
    for name in (name for node in graph.node for name in node.output):
        if name and name not in interface:
            wanted[name] = _short(name, counts)
    result = {}
    for name, short in wanted.items():
        result[name] = name if short in taken else short
        taken.add(result[name])
    return result


def _short(name: str, counts: Counter[str]) -> str:
    short = SCOPE.sub("", name.removesuffix(":0"))
    numbered = COUNTER.match(short)
    if numbered is None:
        return short
    counts[numbered.group(1)] += 1
    return f"{numbered.group(1)}__{counts[numbered.group(1)]}"


def _rename(graph: Any, names: dict[str, str]) -> None:
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        # The same number that its value has, and no name that says nothing.
        node.name = next(iter(node.output), "")
        for subgraph in _subgraphs(node):
            inner = _defined_in(subgraph)
            _rename(subgraph, {old: new for old, new in names.items() if old not in inner})
            for value in subgraph.output:
                value.name = value.name if value.name in inner else names.get(value.name, value.name)


def _subgraphs(node: Any) -> list[Any]:
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def _defined_in(graph: Any) -> set[str]:
    names = {value.name for value in (*graph.input, *graph.initializer)}
    return names | {name for node in graph.node for name in node.output}


def _names_used_by(node: Any) -> list[str]:
    """Names of the values that a node reads, those that its subgraphs read included."""
    inner = [name for graph in _subgraphs(node) for child in graph.node for name in _names_used_by(child)]
    return [*node.input, *inner]


def _names_in_subgraphs(node: Any) -> set[str]:
    names: set[str] = set()
    for subgraph in _subgraphs(node):
        names |= _defined_in(subgraph)
        for inner in subgraph.node:
            names |= _names_in_subgraphs(inner)
    return names
