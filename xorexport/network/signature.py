"""The model's signature: canonical names, dtypes and shapes of its inputs and outputs, in its own order.

Inputs are called as their `keras.Input`, or as what a subclassed model's `call` names them; outputs as the layer that
makes them, unless the model returns a dict, whose keys win.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from xorexport.dtypes import STRING, numpy_dtype, texts
from xorexport.errors import ModelError, XorexportError, brief
from xorexport.network.interface import HALF, Interface, functional
from xorexport.network.names import canonical_names, layer_name, original
from xorexport.network.scopes import safe_scopes
from xorexport.spec import Signature, TensorSpec


def output_layers(model: keras.Model) -> list[str]:
    """The names of the layers that make a model's outputs, in its own order; none of a subclassed model's."""
    network = functional(model)
    if network is None:
        return []
    return [layer_name(tensor._keras_history.operation) for tensor in tree.flatten(network._outputs_struct)]


def output_specs(interface: Interface, layers: Sequence[str], structure: Any) -> tuple[TensorSpec, ...]:
    """The outputs of a model, flattened in its own order.

    Args:
        layers: the names of the layers that make them, as far as they are known.
        structure: what the model returned when it was called symbolically; its tensors have dtype and shape.
    """
    paths = tree.flatten_with_path(structure)
    names = [_output_name(path, position, layers) for position, (path, _) in enumerate(paths)]
    canonical = canonical_names(names, "output", [spec.name for spec in interface.inputs])
    return tuple(
        TensorSpec(
            name=name,
            dtype=_dtype(tensor),
            shape=tuple(tensor.shape),
            keras_name=original(keras_name, name),
        )
        for name, keras_name, (_, tensor) in zip(canonical, names, paths, strict=True)
    )


def call(model: keras.Model, interface: Interface, tensors: Sequence[Any]) -> Any:
    """Call a model for inference with a flat list of tensors; returns the structure that it returns."""
    positional, named = interface.arguments(tensors)
    return model(*positional, **named, training=False)


@contextmanager
def running(model: keras.Model) -> Iterator[None]:
    """Say in one line what a model makes of rows that it does not take.

    Raises:
        ModelError: whatever its layers raised meanwhile.
    """
    try:
        yield
    except XorexportError:
        raise
    except Exception as error:
        raise ModelError(
            f"model '{model.name}'",
            expected="a model that predicts for the rows that it is checked on",
            found=brief(error),
            remedy="give the sizes that it takes with --signature, or data that it takes with --samples",
        ) from error


def predict(
    model: keras.Model,
    interface: Interface,
    signature: Signature,
    inputs: Mapping[str, np.ndarray],
    batch_size: int | None = None,
) -> dict[str, np.ndarray]:
    """What `model.predict` returns for named inputs, by canonical output name.

    A model that takes several arguments, or float64, is called instead, batch by batch: `predict` takes one argument,
    and rounds it to float32.

    Args:
        inputs: by canonical name, each of shape (rows, ...).
        batch_size: rows a step; none for all at once, without the pipeline of data that `predict` sets up.

    Raises:
        ModelError: the model fails on them.
    """
    rows = len(next(iter(inputs.values())))
    tensors = [_tensor(inputs[spec.name], spec.dtype) for spec in interface.inputs]
    with running(model), safe_scopes(model):
        if interface.alone and not _rounded_by_keras(interface):
            (argument,), _ = interface.arguments(tensors)
            if batch_size is None:
                results = tree.flatten(model.predict_on_batch(argument))
            else:
                results = tree.flatten(model.predict(argument, batch_size=batch_size, verbose=0))
        else:
            size = batch_size or rows
            parts = [
                [
                    keras.ops.convert_to_numpy(part)
                    for part in tree.flatten(call(model, interface, [t[i : i + size] for t in tensors]))
                ]
                for i in range(0, rows, size)
            ]
            results = [np.concatenate(of_output) for of_output in zip(*parts, strict=True)]
    return {
        spec.name: texts(np.asarray(result, numpy_dtype(spec.dtype)))
        for spec, result in zip(signature.outputs, results, strict=True)
    }


def _tensor(array: np.ndarray, dtype: str) -> Any:
    """What Keras takes; of strings only what TensorFlow made of them."""
    return tf.constant(array, tf.string) if dtype == STRING else array


def _rounded_by_keras(interface: Interface) -> bool:
    """Whether `predict` would round the inputs: it turns float64 into float32 before the model sees it."""
    return any(spec.dtype == "float64" for spec in interface.inputs)


def _output_name(path: Sequence[Any], position: int, layers: Sequence[str]) -> str:
    keys = [str(step) for step in path if isinstance(step, str)]
    if keys:
        return "_".join(keys)
    return layers[position] if position < len(layers) else "output"


def _dtype(tensor: Any) -> str:
    name = tensor.dtype.name
    return "float32" if name in HALF else str(name)
