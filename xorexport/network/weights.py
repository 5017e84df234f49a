"""Facts about a model's weights."""

from __future__ import annotations

import hashlib
import sys

import keras
import numpy as np

from xorexport.errors import ModelError


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 over dtype, shape and little-endian bytes of every weight, in Keras' order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight.value))
        digest.update(f"{array.dtype.name}{list(weight.shape)}".encode())
        little = array if sys.byteorder == "little" else array.byteswap()
        digest.update(memoryview(little.view(np.uint8).ravel()))  # type: ignore[arg-type]
    return digest.hexdigest()


def check_usable(model: keras.Model) -> None:
    """Refuse weights that are not finite.

    Raises:
        ModelError: it names the first weight at fault.
    """
    for weight in model.weights:
        array = keras.ops.convert_to_numpy(weight.value)
        if is_float(array) and not np.isfinite(array).all():
            index = [int(axis[0]) for axis in np.nonzero(~np.isfinite(array))]
            raise ModelError(
                f"model '{model.name}'",
                expected="finite weights",
                found=f"{array[tuple(index)]} in '{weight.path}' at {index}",
                remedy="train it again, with a smaller learning rate or without the data that broke it",
            )


def is_float(array: np.ndarray) -> bool:
    """Whether it holds floats; NumPy knows bfloat16 only as a type of somebody else's."""
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"
