"""Models that draw random numbers when they predict: no two runs agree, so no two formats can."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from xorexport.dtypes import texts
from xorexport.errors import ModelError
from xorexport.network.signature import running
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
    # Of the graph, not of the model: Keras does not count the states of recurrent layers among its variables.
    state = [(variable, variable.numpy()) for variable in traced.concrete.variables if not variable.trainable]
    try:
        first, second = (run(traced, inputs) for _ in range(2))
        # A generator's own state may change; whether that matters is seen in the outputs.
        changed = [
            variable.name.partition(":")[0]
            for variable, before in state
            if "seed_generator" not in variable.name and not np.array_equal(before, variable.numpy())
        ]
    finally:
        for variable, before in state:
            variable.assign(before)
    if changed:
        # The graph has its variables in another order each time.
        *scopes, own = min(changed).split("/")
        owner = f"layer '{scopes[-1]}'" if scopes else "the model"
        raise ModelError(
            f"model '{traced.model.name}'",
            expected="a model that predicts without changing its variables",
            found=f"{owner}, which keeps '{own}' from one prediction to the next",
            remedy="make recurrent layers with stateful=False, and let layers assign while they train alone",
        )
    moved = [name for name, array in first.items() if not _same(array, second[name])]
    if moved:
        raise ModelError(
            f"model '{traced.model.name}'",
            expected="a model that predicts the same for the same inputs",
            found=f"other values of '{moved[0]}' each time: {layers_with(traced, drawing or assigning)}",
            remedy="export the layers before the one that draws, or let it return the mean when it is not training",
        )


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return np.array_equal(first, second, equal_nan=first.dtype.kind == "f")


def _close(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two predictions are the same but for rounding."""
    if first.shape != second.shape or first.dtype.kind != "f":
        return np.array_equal(first, second)
    return np.allclose(first, second, rtol=1e-2, atol=1e-2, equal_nan=True)


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
    # The last one: what is summed up row by row begins with the first.
    alone = run(traced, {name: array[-1:] for name, array in inputs.items()})
    for name, array in alone.items():
        if not _close(array, outputs[name][-(len(outputs[name]) // rows) :]):
            raise ModelError(
                f"model '{traced.model.name}', output '{name}'",
                expected="a prediction for each row that does not depend on the rows beside it",
                found="another one for the last row alone than among all",
                remedy="fix the batch with --signature, or take the layers out that mix the rows",
            )


def run(traced: Traced, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the trace computes, by canonical name.

    Raises:
        ModelError: it fails on these rows.
    """
    tensors = [tf.constant(inputs[spec.name], spec.dtype) for spec in traced.signature.inputs]
    with running(traced.model):
        outputs = traced.concrete(*tensors)
    return {name: texts(outputs[name]) for name in outputs}
