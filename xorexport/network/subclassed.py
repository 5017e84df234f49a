"""What Keras does not record of a subclassed model's first call: further arguments, and dtypes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import msgspec
import tensorflow as tf
from keras import tree

from xorexport.errors import ModelError
from xorexport.network.interface import Interface, functional
from xorexport.network.scopes import safe_scopes
from xorexport.network.signature import call

MODES = ("training", "mask")
"""Arguments of `call` that Keras fills in by itself."""
WHOLE = (tf.int32, tf.int64)


def arguments_left_out(model: keras.Model, interface: Interface) -> str:
    """A note on optional arguments of `call` that are no inputs, or nothing.

    Raises:
        ModelError: an argument that `call` needs is no input.
    """
    if functional(model) is not None:
        return ""
    parameters = inspect.signature(model.call).parameters.values()
    takes = [
        parameter
        for parameter in parameters
        if parameter.name not in MODES and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    # The first one may have no name in an interface that a user wrote; the others have.
    left = [parameter for parameter in takes[1:] if parameter.name not in interface.structure]
    known = " ".join(f"--signature '{spec.describe()}'" for spec in interface.inputs)
    for parameter in left:
        if parameter.default is parameter.empty:
            raise ModelError(
                f"model '{model.name}'",
                expected="a model whose inputs are all known",
                found=f"call({', '.join(of.name for of in takes)}), of which Keras keeps '{takes[0].name}' alone",
                remedy=f"name every input in the order of the call: {known} --signature '{parameter.name} ...'",
            )
    if not left:
        return ""
    names = " and ".join(f"'{parameter.name}'" for parameter in left)
    return (
        f"{names} of call stays at its default; to make it an input, name all: {known} --signature '{left[0].name} ...'"
    )


def with_whole_numbers(model: keras.Model, interface: Interface) -> Interface:
    """The interface with int32 for inputs that a subclassed model makes nothing of but whole numbers.

    Keras keeps no dtypes of such a model, so its inputs count as floats, which an Embedding casts to int32.
    """
    embeds = any(isinstance(layer, keras.layers.Embedding) for layer in model._flatten_layers())
    if functional(model) is not None or not embeds:
        return interface

    def run(*tensors: Any) -> list[Any]:
        return [tf.convert_to_tensor(tensor) for tensor in tree.flatten(call(model, interface, tensors))]

    specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in interface.inputs]
    try:
        with safe_scopes(model):
            graph = tf.function(run, input_signature=specs, autograph=False).get_concrete_function().graph
    except Exception:
        # The trace that the formats are made from fails as well, and says so.
        return interface
    inputs = tuple(
        msgspec.structs.replace(spec, dtype="int32") if _made_whole(tensor) else spec
        for spec, tensor in zip(interface.inputs, graph.inputs, strict=False)
    )
    return replace(interface, inputs=inputs)


def _made_whole(tensor: Any) -> bool:
    """Whether all that a graph does with a float tensor is to cast it to whole numbers, and to look for zeros."""
    uses = list(_uses(tensor)) if tensor.dtype.is_floating else []
    casts = [use for use in uses if use.type == "Cast" and use.outputs[0].dtype in WHOLE]
    return bool(casts) and all(use in casts or use.type in ("NotEqual", "Shape") for use in uses)


def _uses(tensor: Any) -> Iterator[Any]:
    """The operations that take a tensor, beyond casts to other floats."""
    for operation in tensor.consumers():
        if operation.type == "Cast" and operation.outputs[0].dtype.is_floating:
            yield from _uses(operation.outputs[0])
        else:
            yield operation
