"""What is read off a model's layers: which values make sense for its inputs, and what its outputs decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from xorexport.dtypes import STRING, numpy_dtype
from xorexport.network.interface import functional
from xorexport.samples import Domain, Values, Words
from xorexport.spec import Decision, Signature, TensorSpec

SPREAD = 2.0
"""Standard deviations on both sides of the mean that a Normalization layer knows."""
TRANSLATING = (
    keras.layers.Discretization,
    keras.layers.Hashing,
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)
"""Layers whose numbers are others than those that they are given."""
WORDS = (keras.layers.StringLookup, keras.layers.TextVectorization)
MOST_WORDS = 12
"""Words in a text."""
HASHED = 999
"""The largest of the whole numbers that a Hashing layer, which takes any, is checked on."""


def domains_of(model: keras.Model, specs: Sequence[TensorSpec]) -> dict[str, Values]:
    """What sensible values of each input are, read off the layers that it reaches, by canonical name.

    Token ids stay below the smallest vocabulary, classes below the number of classes, pixels are 0 to 255 where the
    first layer rescales, and numbers lie around the mean that a Normalization layer was adapted to. Other inputs keep
    the default domain of their dtype.
    """
    network = functional(model)
    if network is None:
        return _of_a_subclass(model, specs)
    found = {spec.name: _domain(_reached(network, tensor)) for spec, tensor in zip(specs, model.inputs, strict=True)}
    return {name: domain for name, domain in found.items() if domain is not None}


def _of_a_subclass(model: keras.Model, specs: Sequence[TensorSpec]) -> dict[str, Values]:
    """Which input goes where is not known: whole numbers, and an only input, may be tokens; strings are words."""
    layers = list(model._flatten_layers())
    tokens = _domain(layer for layer in layers if isinstance(layer, keras.layers.Embedding))
    words = _domain(layer for layer in layers if isinstance(layer, WORDS))
    found = {
        spec.name: words if spec.dtype == STRING else tokens
        for spec in specs
        if len(specs) == 1 or numpy_dtype(spec.dtype).kind in "iuO"
    }
    return {name: domain for name, domain in found.items() if domain is not None}


def _domain(reached: Iterable[Any]) -> Values | None:
    """The narrowest domain of all layers that an input reaches."""
    counts: list[int] = []
    ranges: list[Values] = []
    for layer in reached:
        if isinstance(layer, keras.layers.Embedding):
            counts.append(layer.input_dim)
        elif isinstance(layer, keras.layers.CategoryEncoding) and layer.num_tokens:
            counts.append(layer.num_tokens)
        elif type(layer).__name__ == "OneHot":
            counts.append(layer.num_classes)
        elif isinstance(layer, keras.layers.Hashing):
            ranges.append(Domain(low=0, high=HASHED, integer=True))
        elif isinstance(layer, keras.layers.IntegerLookup):
            known = [int(value) for value in layer.get_vocabulary(include_special_tokens=False)]
            # One beyond each end, which the layer does not know.
            ranges.append(Domain(low=min(known, default=0) - 1, high=max(known, default=0) + 1, integer=True))
        elif isinstance(layer, WORDS) and not getattr(layer, "invert", False):
            ranges.append(_words(layer))
        elif isinstance(layer, keras.layers.Rescaling):
            ranges.append(Domain(low=0.0, high=255.0))
        elif isinstance(layer, keras.layers.Normalization):
            ranges.extend(_around_the_mean(layer))
    if counts:
        return Domain(low=0, high=max(min(counts) - 1, 0), integer=True)
    return ranges[0] if ranges else None


def _words(layer: Any) -> Words:
    most = MOST_WORDS if isinstance(layer, keras.layers.TextVectorization) else 1
    known = [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    return Words(tuple(known) or Words().words, most)


def _around_the_mean(layer: Any) -> Iterator[Domain]:
    mean, variance = (np.asarray(getattr(layer, name, np.nan), np.float64) for name in ("mean", "variance"))
    if layer.invert or not (np.isfinite(mean).all() and np.isfinite(variance).all()):
        return
    reach = SPREAD * np.sqrt(variance)
    yield Domain(low=float((mean - reach).min()), high=float((mean + reach).max()))


def _reached(network: Any, tensor: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Operations that see the values of a tensor, through those that keep them and into nested models."""
    seen = set() if seen is None else seen
    if id(tensor) in seen:
        return
    seen.add(id(tensor))
    for operation in network.operations:
        for node in operation._inbound_nodes:
            positions = [index for index, argument in enumerate(node.input_tensors) if argument is tensor]
            if not positions:
                continue
            inner = functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None:
                yield from _reached(inner, inner.inputs[positions[0]], seen)
                continue
            yield operation
            if not getattr(operation, "weights", None) and not isinstance(operation, TRANSLATING):
                for output in node.output_tensors:
                    yield from _reached(network, output, seen)


def decisions_of(model: keras.Model, signature: Signature) -> dict[str, Decision]:
    """Outputs that choose a class: a single sigmoid or a softmax as the last layer's activation."""
    network = functional(model)
    if network is None:
        return {}
    decisions: dict[str, Decision] = {}
    for spec, tensor in zip(signature.outputs, model.outputs, strict=True):
        layer = _maker(tensor)
        activation = keras.activations.softmax if isinstance(layer, keras.layers.Softmax) else None
        activation = getattr(layer, "activation", activation)
        if activation is keras.activations.sigmoid and spec.row_size() == 1:
            decisions[spec.name] = Decision.THRESHOLD
        elif activation is keras.activations.softmax and spec.row_size() > 1:
            decisions[spec.name] = Decision.ARGMAX
    return decisions


def _maker(tensor: Any) -> Any:
    """The layer that makes a tensor, inside of a nested model where that is what makes it."""
    layer, _, index = tensor._keras_history
    inner = functional(layer) if isinstance(layer, keras.Model) else None
    return layer if inner is None else _maker(inner.outputs[index])
