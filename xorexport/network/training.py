"""Training as one graph: the epochs of `model.fit`, without its cost per epoch.

`fit` returns to Python after every epoch, which takes longer than the epoch itself where there are four rows.
Here a `tf.while_loop` goes round inside one `tf.function`, over Keras' own model, loss and optimiser, so the
curve is that of `fit` to float32 rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from xorexport.errors import TrainingError, UsageError, check_seed

LOSSES = ("mean_squared_error", "binary_crossentropy")
ALIASES = {"mse": "mean_squared_error", "bce": "binary_crossentropy"}
CHUNK_EPOCHS = 1_000
"""Epochs between two calls of `progress`."""

Progress: TypeAlias = Callable[[int, float], None]
"""Called with the number of epochs so far and the largest absolute error of the last one."""


@dataclass(frozen=True)
class TrainingSettings:
    """What it takes to train the same network again.

    Attributes:
        loss: one of `LOSSES`, or `mse` or `bce` for short.
        seed: of the initial weights, which whoever builds the model sets; kept for the record and messages.
        max_epochs: the run fails where it takes more.
        margin: how close every prediction has to be to its target. A network that stops at the first 100 %
            accuracy predicts 0.44 and 0.64, and any rounding of its weights can turn it over.

    Raises:
        UsageError: a value that cannot be meant.
    """

    loss: str = "mean_squared_error"
    seed: int = 2
    max_epochs: int = 20_000
    margin: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "loss", ALIASES.get(self.loss, self.loss))
        if self.loss not in LOSSES:
            raise _usage("loss", " or ".join(LOSSES), repr(self.loss), "choose one of them")
        check_seed("--seed", self.seed)
        if self.max_epochs < 1:
            raise _usage("max_epochs", "at least 1", str(self.max_epochs), "raise --max-epochs")
        if not 0 < self.margin <= 0.5:
            raise _usage("margin", "more than 0 and at most 0.5", str(self.margin), "0.05 is the default")


@dataclass(frozen=True, eq=False)
class History:
    """The curve that `fit` would have logged; entry 0 is epoch 1, on the weights before its update.

    Attributes:
        loss: shape (epochs,), float32.
        accuracy: binary accuracy, shape (epochs,), float32.
        first_right: the first epoch with an accuracy of 1.0, counted from 1, or None.
    """

    loss: np.ndarray
    accuracy: np.ndarray
    first_right: int | None

    @property
    def epochs(self) -> int:
        """Number of epochs, which is the number of updates of the weights."""
        return len(self.loss)


def train(
    model: keras.Model,
    inputs: np.ndarray,
    targets: np.ndarray,
    settings: TrainingSettings,
    progress: Progress | None = None,
    *,
    chunk_epochs: int = CHUNK_EPOCHS,
) -> History:
    """Train with Adam at its defaults until every prediction is within the margin of its target.

    The model is compiled here and left with the weights after `History.epochs` updates. Nothing outside the
    model changes, so two models can be trained in two threads at once.

    Args:
        model: a built model with one input and one output.
        inputs: all rows, which make one batch: shape (rows, features).
        targets: 0 or 1, shape (rows, outputs), float32.
        settings: loss, limit and margin.
        progress: called between chunks of epochs.
        chunk_epochs: epochs between two calls of `progress`; the result does not depend on it.

    Raises:
        TrainingError: the margin was not reached within `max_epochs`, or the weights became NaN.
        UsageError: inputs and targets have different numbers of rows.
    """
    if len(inputs) != len(targets):
        raise _usage("targets", f"{len(inputs)} rows, as the inputs", str(len(targets)), "give one a row")
    model.compile(optimizer=keras.optimizers.Adam(), loss=settings.loss, metrics=[keras.metrics.BinaryAccuracy()])
    model.optimizer.build(model.trainable_variables)
    margin = np.float32(settings.margin)
    run = _compile_epochs(model, tf.constant(inputs), tf.constant(targets), margin)
    curves, done, error = [np.empty((0, 2), np.float32)], 0, np.float32(np.inf)
    while done < settings.max_epochs and not math.isnan(error):
        count = min(chunk_epochs, settings.max_epochs - done)
        epochs, last_error, curve = run(tf.constant(count), tf.constant(error))
        done, error = done + int(epochs), last_error.numpy()
        curves.append(curve.numpy()[: int(epochs)])
        # The loop saw the predictions before its last update; those of the weights that are left now decide.
        # Where they are out of the margin again, the next round goes on from there.
        if error < margin or done == settings.max_epochs:
            error = _largest_error(model, inputs, targets)
        if error < margin:
            return _history(np.concatenate(curves))
        if progress is not None:
            progress(done, float(error))
    raise _not_converged(settings, _history(np.concatenate(curves)), error)


def _compile_epochs(model: keras.Model, inputs: tf.Tensor, targets: tf.Tensor, margin: np.float32) -> Any:
    """Trace a function that runs up to `count` epochs, and fewer where the error falls below the margin.

    Returns:
        A concrete function of (count int32, error float32) to (epochs int32, error float32, curve float32 of
        shape (count, 2): loss and accuracy). `error` is the largest absolute one of the last epoch; a NaN ends
        the loop too, since it compares as false.
    """
    weights = model.trainable_variables

    def epoch(done: tf.Tensor, _: tf.Tensor, curve: tf.TensorArray) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            predictions = model(inputs, training=True)
            loss = model.compute_loss(inputs, targets, predictions)
        model.optimizer.apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        accuracy = tf.reduce_mean(keras.metrics.binary_accuracy(targets, predictions))
        error = tf.reduce_max(tf.abs(predictions - targets))
        return done + 1, error, curve.write(done, tf.stack([loss, accuracy]))

    def run(count: tf.Tensor, error: tf.Tensor) -> tuple[Any, ...]:
        done, error, curve = tf.while_loop(
            lambda done, error, _: (done < count) & (error >= margin),
            epoch,
            [0, error, tf.TensorArray(tf.float32, size=count, element_shape=(2,))],
            # Every epoch needs the one before it: more at a time would only cost bookkeeping.
            parallel_iterations=1,
        )
        return done, error, curve.stack()

    # No XLA: compiling it takes longer than all the epochs.
    function = tf.function(run, autograph=False, jit_compile=False)
    return function.get_concrete_function(tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32))


def _largest_error(model: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> np.float32:
    return np.float32(np.abs(np.asarray(model(inputs, training=False)) - targets).max())


def _history(curve: np.ndarray) -> History:
    loss, accuracy = np.ascontiguousarray(curve.T)
    right = np.flatnonzero(accuracy == 1.0)
    return History(loss, accuracy, int(right[0]) + 1 if len(right) else None)


def _not_converged(settings: TrainingSettings, history: History, error: np.float32) -> TrainingError:
    right = f"first all right at epoch {history.first_right}" if history.first_right else "never all right"
    other_loss = " or --loss binary_crossentropy" if settings.loss != "binary_crossentropy" else ""
    return TrainingError(
        f"training with seed {settings.seed}",
        expected=f"every prediction within {settings.margin:g} of its target",
        found=f"the furthest {error:.3g} off after {history.epochs} epochs, {right}",
        remedy=f"try another --seed, more --max-epochs{other_loss}",
    )


def _usage(subject: str, expected: str, found: str, remedy: str) -> UsageError:
    return UsageError(subject, expected=expected, found=found, remedy=remedy)
