"""Names inside an ONNX graph: those of Keras where there are any, short, and the same every time."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy as np
import onnx

from xorexport.network.interface import HALF
from xorexport.onnx_order import bodies, put_in_order, used_by

SCOPE = re.compile(r"^[^/]+/(?=.)")
"""The outermost name scope, which is the model itself."""
COUNTER = re.compile(r"^(.*?[^_])(?:__\d+)+$")
"""A name that tf2onnx made up. Its number depends on the order of sets, so it is counted anew."""


def name_values(graph: Any, model: keras.Model, external: Mapping[str, Any]) -> None:
    """Put everything in order, and rename everything but the graph's inputs and outputs.

    Args:
        external: the model's own variables whose data is not in the graph, by the name of their initialiser.
    """
    put_in_order(graph)
    _order_constants(graph)
    interface = {value.name for value in (*graph.input, *graph.output)}
    names = _constant_names(graph, model, external)
    _Naming(interface).rename(graph, {}, names, interface)


class _Naming:
    """Gives each value of a graph and of its bodies a name that no other has.

    A value gets the name of its node without the model's scope in front, and numbers at its end count within the
    whole graph.

    Args:
        interface: names that are given already.
    """

    def __init__(self, interface: Collection[str]) -> None:
        self._taken: set[str] = set(interface)
        self._counts: Counter[str] = Counter()

    def rename(
        self, graph: Any, outer: Mapping[str, str], wanted: Mapping[str, str], kept: Collection[str] = ()
    ) -> None:
        """Rename the values of one graph.

        Args:
            outer: new names of the values around it.
            wanted: names for some of its own.
            kept: those of its own that keep their names.
        """
        # A body may have a name that means something else around it.
        names = {**outer, **{name: name for name in kept}}
        for value in (*graph.initializer, *graph.input):
            if value.name not in kept:
                names[value.name] = self._new(wanted.get(value.name) or self._short(value.name))
        for node in graph.node:
            # A node may leave outputs out; those after the first have its name and their number.
            first, *others = ((number, name) for number, name in enumerate(node.output) if name)
            if first[1] not in kept:
                names[first[1]] = self._new(self._short(first[1]))
            for number, name in others:
                if name not in kept:
                    names[name] = self._new(f"{names[first[1]]}:{number}")
        for tensor in graph.initializer:
            tensor.name = names[tensor.name]
        for value in (*graph.input, *graph.output):
            value.name = names.get(value.name, value.name)
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            # The same number that its value has, and no name that says nothing.
            node.name = next(filter(None, node.output), "")
            for body in bodies(node):
                self.rename(body, names, {})

    def _new(self, name: str) -> str:
        candidate, count = name, 0
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate

    def _short(self, name: str) -> str:
        short = SCOPE.sub("", name.removesuffix(":0"))
        numbered = COUNTER.match(short)
        if numbered is None:
            return short
        self._counts[numbered.group(1)] += 1
        return f"{numbered.group(1)}__{self._counts[numbered.group(1)]}"


def _order_constants(graph: Any) -> None:
    """Sort the initialisers by their first use, those of bodies included; what nobody uses is left out."""
    position = used_by(graph)
    ordered = sorted(
        (tensor for tensor in graph.initializer if tensor.name in position), key=lambda tensor: position[tensor.name]
    )
    copies = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in ordered]
    del graph.initializer[:]
    graph.initializer.extend(copies)
    for node in graph.node:
        for body in bodies(node):
            _order_constants(body)


def _constant_names(graph: Any, model: keras.Model, external: Mapping[str, Any]) -> dict[str, str]:
    """New names of the initialisers: the path in Keras (`hidden/kernel`) where one has a weight's very value.

    Any one of several equal constants may be left, so names cannot be relied on, but values can.
    """
    scope = f"{model.name}/"
    paths: dict[Any, list[str]] = {}
    for variable in model.variables:
        if not any(variable.value is kept for kept in external.values()):
            paths.setdefault(_content(_single(variable.value)), []).append(variable.path.removeprefix(scope))
    own = {id(variable.value): variable.path.removeprefix(scope) for variable in model.variables}
    names = {}
    for number, tensor in enumerate(graph.initializer, start=1):
        if tensor.name in external:
            names[tensor.name] = own.get(id(external[tensor.name]), f"constant_{number}")
            continue
        known = paths.get(_content(onnx.numpy_helper.to_array(tensor)))
        names[tensor.name] = known.pop(0) if known else f"constant_{number}"
    return names


def _single(value: Any) -> np.ndarray:
    """A variable's value as the graph has it: half precision is float32 there."""
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype.name in HALF else array


def _content(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
