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


def check_finite(model: keras.Model) -> None:
    """Refuse weights that are NaN or infinite: every prediction of such a model is worthless.

    Raises:
        ModelError: it names the first such weight.
    """
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
