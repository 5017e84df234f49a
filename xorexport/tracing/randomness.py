"""Models that draw random numbers when they predict: no two runs agree, so no two formats can."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from xorexport.errors import ModelError, brief
from xorexport.tracing.culprits import layers_with
from xorexport.tracing.trace import Traced

RANDOM = re.compile(r"Random|Multinomial|TruncatedNormal|Shuffle")
"""Of TensorFlow's op types, those that draw."""


def check_repeatable(traced: Traced, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuse a model that predicts something else each time, or remembers what it predicted.

    Args:
        inputs: by canonical name, each of shape (rows, ...).

    Raises:
        ModelError: it names the layer that draws, or the variable that changes.
    """
    drawing = sorted(op_type for op_type in traced.op_types if RANDOM.search(op_type))
    assigning = [op_type for op_type in traced.op_types if op_type.startswith("Assign")]
    if not drawing and not assigning:
        return
    state = [(variable, np.array(variable.value)) for variable in traced.model.non_trainable_variables]
    try:
        first, second = (run(traced, inputs) for _ in range(2))
        # A generator's own state may change; whether that matters is seen in the outputs.
        changed = [
            variable.path
            for variable, before in state
            if "seed_generator" not in variable.path and not np.array_equal(before, np.array(variable.value))
        ]
    finally:
        for variable, before in state:
            variable.assign(before)
    if changed:
        raise ModelError(
            f"model '{traced.model.name}'",
            expected="a model that predicts without changing its variables",
            found=f"'{changed[0]}', which changes with each prediction",
            remedy="make recurrent layers with stateful=False, and let layers assign while they train alone",
        )
    moved = [name for name, array in first.items() if not np.array_equal(array, second[name], equal_nan=True)]
    if moved:
        raise ModelError(
            f"model '{traced.model.name}'",
            expected="a model that predicts the same for the same inputs",
            found=f"other values of '{moved[0]}' each time: {layers_with(traced, drawing or assigning)}",
            remedy="export the layers before the one that draws, or let it return the mean when it is not training",
        )


def check_rows(traced: Traced, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]) -> None:
    """Refuse a model in which a row's prediction depends on the rows beside it.

    Args:
        inputs: by canonical name, each of shape (rows, ...).
        outputs: what the model predicted for all of them at once.

    Raises:
        ModelError: it names the output.
    """
    if any(spec.shape[:1] != (None,) for spec in traced.signature.inputs):
        return
    rows = len(next(iter(inputs.values())))
    alone = run(traced, {name: array[:1] for name, array in inputs.items()})
    for name, array in alone.items():
        together = outputs[name][: len(outputs[name]) // rows]
        apart = array.shape != together.shape or not np.allclose(array, together, rtol=1e-2, atol=1e-2, equal_nan=True)
        if apart and array.dtype.kind == "f":
            raise ModelError(
                f"model '{traced.model.name}', output '{name}'",
                expected="a prediction for each row that does not depend on the rows beside it",
                found="another one for the first row alone than among all",
                remedy="fix the batch with --signature, or take the layers out that mix the rows",
            )


def run(traced: Traced, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the trace computes, by canonical name.

    Raises:
        ModelError: it cannot be computed for these inputs.
    """
    with computing(traced.model):
        outputs = traced.concrete(*(inputs[spec.name] for spec in traced.signature.inputs))
    return {name: np.asarray(outputs[name]) for name in outputs}


@contextmanager
def computing(model: keras.Model) -> Iterator[None]:
    """Say in one line what TensorFlow says in a hundred about inputs that an op of the model does not take."""
    try:
        yield
    except tf.errors.OpError as error:
        reason = next((line for line in reversed(str(error).splitlines()) if line and "{{node" not in line), "")
        node = re.search(r"\{\{node ([^}]+)\}\}", str(error))
        raise ModelError(
            f"model '{model.name}'",
            expected="a model that predicts for any number of rows",
            found=f"'{node.group(1)}': {reason}" if node else brief(error),
            remedy="call predict on one row and on several to see what fails, or fix the batch with --signature",
        ) from error
