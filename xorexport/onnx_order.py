"""One order of an ONNX graph's nodes, and one node for what is computed twice.

tf2onnx keeps sets of objects and of names, so the order of its nodes, and which of two equal ones is left, differ from
process to process. Here the order follows from what the outputs need, and the first one in that order is left.
"""

from __future__ import annotations

import hashlib
from typing import Any

import onnx

DRAWING = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")


def put_in_order(graph: onnx.GraphProto) -> None:
    """Order the nodes, those of bodies included, and merge those that compute the same."""
    _without_identities(graph)
    nodes = _ordered(graph)
    for node in nodes:
        for body in bodies(node):
            put_in_order(body)
    renamed = _merged_constants(graph)
    kept: list[Any] = []
    interface = {value.name for value in graph.output}
    first: dict[Any, Any] = {}
    for node in nodes:
        _read_instead(node, renamed)
        key = _computation(node)
        if key is None or interface.intersection(node.output) or (equal := first.setdefault(key, node)) is node:
            kept.append(node)
        else:
            renamed.update(zip(node.output, equal.output, strict=True))
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def bodies(node: Any) -> list[Any]:
    """The graphs inside a node: branches, and what a loop repeats."""
    return [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def defined_in(graph: Any) -> set[str]:
    """Names of the values that a graph has itself."""
    names = {value.name for value in (*graph.input, *graph.initializer)}
    return names | {name for node in graph.node for name in node.output}


def reads_of(node: Any) -> list[str]:
    """Names of the values that a node reads, and those around it that its bodies read."""
    inner = [
        name
        for body in bodies(node)
        for name in (*(name for child in body.node for name in reads_of(child)), *(value.name for value in body.output))
        if name not in defined_in(body)
    ]
    return [*node.input, *inner]


def _without_identities(graph: Any) -> None:
    """Take identities out; where two outputs are one value, the first has it and the others are copies of it."""
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}

    def source(name: str) -> str:
        while name in sources:
            name = sources[name]
        return name

    made = {name for node in graph.node for name in node.output} - set(sources)
    outputs: dict[str, list[str]] = {}
    for value in graph.output:
        outputs.setdefault(source(value.name), []).append(value.name)
    renamed = {origin: names[0] for origin, names in outputs.items() if origin in made}
    copies = [
        (renamed.get(origin, origin), name)
        for origin, names in outputs.items()
        for name in names[1 if origin in made else 0 :]
        if name != origin or origin in made
    ]
    for node in [node for node in graph.node if node.op_type == "Identity"]:
        graph.node.remove(node)
    final = {name: renamed.get(source(name), source(name)) for name in (*sources, *renamed)}
    for node in graph.node:
        _read_instead(node, final)
        node.output[:] = [renamed.get(name, name) for name in node.output]
    for origin, name in copies:
        graph.node.append(onnx.helper.make_node("Identity", [origin], [name]))


def _ordered(graph: Any) -> list[Any]:
    """Nodes behind those that they read from: depth first from the outputs, inputs in their order."""
    makers = {name: node for node in graph.node for name in node.output if name}
    ordered: dict[int, Any] = {}
    for output in graph.output:
        # A stack of our own: a deep network would be too deep for Python's.
        stack = [(makers[output.name], False)] if output.name in makers else []
        while stack:
            node, complete = stack.pop()
            if id(node) in ordered:
                continue
            if complete:
                ordered[id(node)] = node
                continue
            stack.append((node, True))
            stack.extend((makers[name], False) for name in reversed(reads_of(node)) if name in makers)
    return list(ordered.values())


def _merged_constants(graph: Any) -> dict[str, str]:
    """The constants that are left in place of equal ones; outputs stay, and so does what is text or elsewhere."""
    renamed: dict[str, str] = {}
    first: dict[Any, str] = {}
    outputs = {value.name for value in graph.output}
    for tensor in graph.initializer:
        apart = tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.data_type == onnx.TensorProto.STRING
        if apart or tensor.name in outputs:
            continue
        array = onnx.numpy_helper.to_array(tensor)
        key = tensor.data_type, tuple(tensor.dims), hashlib.sha256(array.tobytes()).digest()
        left = first.setdefault(key, tensor.name)
        if left != tensor.name:
            renamed[tensor.name] = left
    for tensor in [tensor for tensor in graph.initializer if tensor.name in renamed]:
        graph.initializer.remove(tensor)
    return renamed


def _computation(node: Any) -> Any:
    """What a node computes, equal for equal nodes; none where two of them need not agree."""
    if bodies(node) or node.op_type in DRAWING:
        return None
    attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
    return node.domain, node.op_type, tuple(node.input), tuple(attributes), tuple(map(bool, node.output))


def _read_instead(node: Any, renamed: dict[str, str]) -> None:
    node.input[:] = [renamed.get(name, name) for name in node.input]
    for body in bodies(node):
        hidden = defined_in(body)
        outer = {old: new for old, new in renamed.items() if old not in hidden}
        for child in body.node:
            _read_instead(child, outer)
        for value in body.output:
            value.name = outer.get(value.name, value.name)


def used_by(graph: Any) -> dict[str, int]:
    """The values that a graph's nodes read, and its outputs, by the position of their first use."""
    names = dict.fromkeys(name for node in graph.node for name in reads_of(node))
    names |= dict.fromkeys(value.name for value in graph.output)
    return {name: position for position, name in enumerate(names)}
