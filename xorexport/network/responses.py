"""What a model answers: its predictions, and the gradients of its weights, on given and on drawn inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import tree

from xorexport.dtypes import numpy_dtype, texts
from xorexport.errors import UsageError
from xorexport.network.domains import domains_of
from xorexport.network.graph import has_graph
from xorexport.network.interface import call_structure, input_specs
from xorexport.network.scopes import safe_scopes
from xorexport.samples import draw

RANDOM_ROWS = (1, 3, 17)
"""Sizes of the drawn batches: one row, and sizes that no block size of a kernel divides."""
GRADIENT_ROWS = 3
"""The drawn batch that gradients are taken on: they take the memory of every layer's output, row by row."""


@dataclass(frozen=True)
class Batch:
    """Inputs of one call.

    Attributes:
        name: for messages.
        tensors: in the order of the model's inputs, each of shape (rows, ...).
    """

    name: str
    tensors: tuple[np.ndarray, ...]

    @property
    def rows(self) -> int:
        """Rows in the batch."""
        return len(self.tensors[0])


def given_batch(model: keras.Model, inputs: Mapping[str, np.ndarray]) -> Batch:
    """Put named inputs in the model's order, with the dtypes that it declares.

    Args:
        model: a subclassed one takes the inputs in the order in which they are given.
        inputs: by canonical name, each of shape (rows, ...).

    Raises:
        UsageError: the names are not those of the model's inputs.
    """
    if not has_graph(model):
        return _given(tuple(np.asarray(array) for array in inputs.values()))
    specs = input_specs(model)
    names = [spec.name for spec in specs]
    if set(names) != set(inputs):
        raise UsageError(
            f"inputs for model '{model.name}'",
            expected=", ".join(names),
            found=", ".join(inputs) or "none",
            remedy="give one array for each input",
        )
    return _given(tuple(np.asarray(inputs[spec.name], numpy_dtype(spec.dtype)) for spec in specs))


def drawn_batches(model: keras.Model, seed: int) -> list[Batch]:
    """Random batches of `RANDOM_ROWS` rows that make sense to the model; one where its batch is fixed.

    Raises:
        ModelError: an input cannot be drawn, for example complex numbers.
    """
    specs = input_specs(model)
    domains = domains_of(model, specs)
    fixed = next((spec.shape[0] for spec in specs if spec.shape and spec.shape[0] is not None), None)
    batches = []
    for rows in RANDOM_ROWS if fixed is None else (fixed,):
        drawn = draw(specs, domains, rows, seed + rows)
        batches.append(Batch(f"random rows (batch of {rows})", tuple(drawn[spec.name] for spec in specs)))
    return batches


def predictions(model: keras.Model, batches: Sequence[Batch]) -> list[list[np.ndarray]]:
    """What `model.predict` returns for each batch, as a flat list of outputs.

    The model is traced once, with a dynamic size wherever the batches differ, over the step that `predict` compiles;
    `predict` itself would spend most of its time on setting up a data pipeline for each batch.
    """

    def step(*tensors: tf.Tensor) -> list[tf.Tensor]:
        return list(tree.flatten(model.predict_step((call_structure(model, tensors),))))

    tensors = [[tf.constant(array) for array in batch.tensors] for batch in batches]
    signature = [_common_spec(of_input) for of_input in zip(*tensors, strict=True)]
    function = tf.function(step, input_signature=signature, autograph=False)
    with safe_scopes(model):
        return [[texts(output) for output in function(*of_batch)] for of_batch in tensors]


def gradients(
    model: keras.Model, weights: Sequence[keras.Variable], batch: Batch, seed: int
) -> list[np.ndarray | None]:
    """Gradients of a random projection of all float outputs, in inference mode.

    A projection with a different factor for every element, since a plain sum is blind to some differences: the
    gradient of a softmax's sum is zero.

    Args:
        model: is called once, eagerly.
        weights: what to differentiate with respect to.
        batch: the inputs.
        seed: of the projection.

    Returns:
        One array a weight, of its shape; None where no float output depends on it.
    """
    generator = np.random.default_rng(seed)
    with tf.GradientTape() as tape:
        outputs = tree.flatten(model(call_structure(model, [*map(tf.constant, batch.tensors)]), training=False))
        parts = [
            tf.reduce_sum(output * tf.cast(generator.standard_normal(output.shape), output.dtype))
            for output in outputs
            if output.dtype.is_floating
        ]
        projection = tf.add_n([tf.constant(0.0), *(tf.cast(part, tf.float32) for part in parts)])
    found = tape.gradient(projection, [weight.value for weight in weights])
    return [None if gradient is None else np.asarray(tf.convert_to_tensor(gradient)) for gradient in found]


def _common_spec(tensors: Sequence[tf.Tensor]) -> tf.TensorSpec:
    sizes = (set(dimension) for dimension in zip(*(tensor.shape for tensor in tensors), strict=True))
    return tf.TensorSpec([own.pop() if len(own) == 1 else None for own in sizes], tensors[0].dtype)


def _given(tensors: tuple[np.ndarray, ...]) -> Batch:
    return Batch(f"the {len(tensors[0]):,} given rows", tensors)
