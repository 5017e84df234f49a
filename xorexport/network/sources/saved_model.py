"""A SavedModel's folder, whoever wrote it: its default signature becomes a Keras model of one layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from xorexport.errors import ModelError, brief
from xorexport.quiet import quiet
from xorexport.readers import savedmodel_safety
from xorexport.readers.savedmodel import default_signature
from xorexport.readers.savedmodel_path import plain_path

FILE = "saved_model.pb"
"""What a folder has to hold to be a SavedModel."""
SUFFIX = ".savedmodel"
"""Of the folders that xorexport writes."""
NO_KERAS_FILE = "a SavedModel holds a graph and no layers, which a .keras file is made of"


def load(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a SavedModel, and wrap its default signature.

    Inputs and outputs are sorted by name: a SavedModel has names and no order.

    Raises:
        ModelError: it is not whole, has no default signature, or one that needs more than variables.
        UnsafeModelError: its ops touch the machine, and `unsafe` is not given.
    """
    savedmodel_safety.check(path, unsafe)
    try:
        with quiet(), plain_path(path) as plain:
            loaded = tf.saved_model.load(str(plain))
    except Exception as error:
        raise ModelError(
            str(path),
            expected="a SavedModel that TensorFlow can load",
            found=brief(error),
            remedy="copy the whole folder with its variables, or save the model again",
        ) from error
    key = default_signature(path, list(loaded.signatures))
    return wrapped(loaded, loaded.signatures[key], str(path), name_of(path))


def name_of(path: Path) -> str:
    """The folder's name, which the model and the bundle's files get."""
    name = path.resolve().name
    return name.removesuffix(SUFFIX) or name


def wrapped(loaded: Any, function: Any, subject: str, name: str) -> keras.Model:
    """A Keras model that calls a signature.

    Raises:
        ModelError: an input or output has no rank, or the function reads lookup tables.
    """
    specs = dict(sorted(function.structured_input_signature[1].items()))
    for spec in (*specs.values(), *function.structured_outputs.values()):
        if spec.shape.rank is None:
            raise ModelError(
                subject,
                expected="a signature whose inputs and outputs have known numbers of dimensions",
                found=f"'{spec.name}' without one",
                remedy="save it again with a tf.TensorSpec that has a shape, for example (None, 4)",
            )
    inputs = [
        keras.Input(batch_shape=tuple(spec.shape), dtype=spec.dtype.name, name=_keras_name(key))
        for key, spec in specs.items()
    ]
    layer = SignatureLayer(loaded, function, subject)
    return keras.Model(inputs, layer(inputs), name=_keras_name(name))


class SignatureLayer(keras.layers.Layer):  # type: ignore[misc]
    """Calls a signature of a loaded SavedModel; its variables are the layer's weights.

    Args:
        loaded: what was loaded, which a signature holds only weakly.
        function: the signature, a concrete function.
        subject: what errors are about.
    """

    def __init__(self, loaded: Any, function: Any, subject: str) -> None:
        # Without casts: Keras would turn float64 into float32.
        super().__init__(name="signature", dtype="float32", autocast=False)
        self._loaded, self._function, self._subject = loaded, function, subject
        variables = list(function.graph.variables)
        _check_captures(function, variables, subject)
        for variable in variables:
            self._track_variable(
                keras.Variable(
                    variable,
                    dtype=variable.dtype.name,
                    trainable=variable.trainable,
                    name=variable.name.partition(":")[0].replace("/", "_"),
                )
            )
        self.built = True

    def call(self, tensors: list[Any]) -> dict[str, Any]:
        """The signature's outputs by name, from its inputs sorted by name."""
        specs = sorted(self._function.structured_input_signature[1].items())
        return dict(
            self._function(
                **{name: tf.cast(tensor, spec.dtype) for (name, spec), tensor in zip(specs, tensors, strict=True)}
            )
        )

    def compute_output_spec(self, tensors: list[Any]) -> dict[str, Any]:
        """What the signature says of its outputs."""
        return {
            name: keras.KerasTensor(tuple(spec.shape), spec.dtype.name)
            for name, spec in sorted(self._function.structured_outputs.items())
        }

    def get_config(self) -> dict[str, Any]:
        """Refuse to be saved or copied.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            self._subject,
            expected="a model made of layers",
            found="a SavedModel, which holds a graph and no layers",
            remedy="load the Keras model that it was made from",
        )


def _check_captures(function: Any, variables: list[Any], subject: str) -> None:
    """Refuse what no other format can hold."""
    handles = {id(variable.handle) for variable in variables}
    others = [
        tensor for tensor in function.captured_inputs if tensor.dtype == tf.resource and id(tensor) not in handles
    ]
    if others:
        raise ModelError(
            subject,
            expected="a signature that reads variables alone",
            found=f"{len(others)} other resources, such as lookup tables",
            remedy="export the part of the model behind its text or lookup layers",
        )


def _keras_name(name: str) -> str:
    """Keras takes no slashes in names."""
    return name.replace("/", "_")
