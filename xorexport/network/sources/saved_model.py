"""A SavedModel's folder, whoever wrote it: its default signature becomes a Keras model of one layer."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.checkpoint.trackable_view import TrackableView
from tensorflow.python.trackable.resource import TrackableResource

from xorexport.errors import ModelError, brief
from xorexport.network.interface import HALF
from xorexport.quiet import quiet
from xorexport.readers import savedmodel_safety
from xorexport.readers.savedmodel import default_signature
from xorexport.readers.savedmodel_path import plain_path

FILE = "saved_model.pb"
"""What a folder has to hold to be a SavedModel."""
SUFFIX = ".savedmodel"
"""Of the folders that xorexport writes."""
STORING = ("Cast", "Const", "Placeholder", "ReadVariableOp")
"""Op types that have a dtype and compute nothing in it."""
WEIGHING = re.compile("MatMul|Conv|Einsum")
"""Op types that do most of a model's arithmetic."""
NO_KERAS_FILE = "a SavedModel holds a graph and no layers, which a .keras file is made of"


def load(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a SavedModel, and wrap its default signature.

    Inputs and outputs are sorted by name: a SavedModel has names and no order.

    Raises:
        ModelError: it is not whole, has no default signature, or one with an end of unknown rank.
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
        ModelError: an input or output has no rank.
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
        variables = list(function.graph.variables)
        # Without casts: Keras would turn float64 into float32.
        super().__init__(name="signature", dtype=_policy(function, variables), autocast=False)
        self._loaded, self._function, self._subject = loaded, function, subject
        # An attribute each, as the layers of Keras have them.
        for number, table in enumerate(_tables(loaded, function)):
            setattr(self, f"table_{number}", table)
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
        inputs = {name: tf.cast(tensor, spec.dtype) for (name, spec), tensor in zip(specs, tensors, strict=True)}
        return dict(run(self._function, inputs))

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


def run(function: Any, inputs: Mapping[str, Any]) -> Any:
    """What a signature returns. A plan puts the signature's own ops in place of this call."""
    return function(**inputs)


def _policy(function: Any, variables: Iterable[Any]) -> str:
    """The policy of a layer that computes in the dtypes that a graph computes in, of which the coarsest counts.

    Float64 counts where it is a weight, an end or in a product of matrices: Keras' own ops have more of it inside.
    """
    graph = function.graph.as_graph_def()
    nodes = list(itertools.chain(graph.node, *(inner.node_def for inner in graph.library.function)))
    computing = {name for node in nodes if node.op not in STORING for name in _names(node)}
    weighing = {name for node in nodes if WEIGHING.search(node.op) for name in _names(node)}
    weighing |= {tensor.dtype.name for tensor in (*variables, *function.inputs, *function.outputs)}
    if half := next((name for name in HALF if name in computing), None):
        return f"mixed_{half}" if "float32" in {variable.dtype.name for variable in variables} else half
    return "float64" if "float64" in weighing else "float32"


def _names(node: Any) -> Iterator[str]:
    """The names of the dtypes that a node's attributes have."""
    return (tf.as_dtype(value.type).name for value in node.attr.values() if value.type)


def _tables(loaded: Any, function: Any) -> Iterator[TrackableResource]:
    """The lookup tables that a signature reads beside its variables."""
    read = {id(tensor) for tensor in function.captured_inputs}
    for trackable in TrackableView(loaded).descendants():
        if isinstance(trackable, TrackableResource) and id(trackable.resource_handle) in read:
            yield trackable


def _keras_name(name: str) -> str:
    """Keras takes no slashes in names."""
    return name.replace("/", "_")
