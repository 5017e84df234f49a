"""Facts about a model's weights."""

from __future__ import annotations

import hashlib

import keras
import numpy as np

from xorexport.errors import ModelError


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over dtype, shape and little-endian bytes of every weight, in Keras' order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.asarray(weight.value)
        digest.update(f"{array.dtype.name}{list(array.shape)}".encode())
        digest.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes())
    return digest.hexdigest()


def check_usable(model: keras.Model) -> None:
    """Refuse what no export could do justice to: floats that are not float32, and weights that are not finite.

    Raises:
        ModelError: it names the first layer or weight at fault.
    """
    _check_precision(model)
    _check_finite(model)


def _check_precision(model: keras.Model) -> None:
    types = [(f"input '{tensor.name}'", tensor.dtype) for tensor in getattr(model, "inputs", None) or []]
    types += [(f"'{weight.path}'", weight.dtype) for weight in model.weights]
    types += [(f"layer '{layer.name}'", layer.compute_dtype) for layer in model._flatten_layers(include_self=False)]
    for subject, dtype in types:
        name = keras.backend.standardize_dtype(dtype) if dtype else ""
        if "float" in name and name != "float32":
            raise ModelError(
                f"model '{model.name}'",
                expected="a model that computes in float32, the one precision that is written so far",
                found=f"{name} in {subject}",
                remedy="build it with dtype='float32' and copy the weights",
            )


def _check_finite(model: keras.Model) -> None:
    for weight in model.weights:
        array = np.asarray(weight.value)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            index = [int(axis[0]) for axis in np.nonzero(~np.isfinite(array))]
            raise ModelError(
                f"model '{model.name}'",
                expected="finite weights",
                found=f"{array[tuple(index)]} in '{weight.path}' at {index}",
                remedy="train it again, with a smaller learning rate or without the data that broke it",
            )
