"""Compares two Keras models: topology, weights, predictions, gradients and training, a row each.

Names of layers do not count, and neither does the API that a model was built with. Numbers are compared bit for
bit: two models that compute the same on the same machine do so to the last bit, and a tolerance would only hide
where they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import keras
import numpy as np

from xorexport import segments
from xorexport.errors import ModelError, UsageError, XorexportError, check_seed
from xorexport.network import bits
from xorexport.network.graph import Location, describe_pair, has_graph, layers_in_order
from xorexport.network.interface import input_specs
from xorexport.network.responses import (
    GRADIENT_ROWS,
    Batch,
    drawn_batches,
    given_batch,
    gradients,
    predictions,
)
from xorexport.network.topology import TopologyComparison
from xorexport.network.training import History
from xorexport.results import EquivalenceRow, Outcome


@dataclass(frozen=True)
class _Weight:
    location: Location
    variable: keras.Variable

    @property
    def array(self) -> np.ndarray:
        return np.asarray(self.variable.value)


@dataclass(frozen=True)
class _Pair:
    """The two models and what all checks need of them.

    Attributes:
        weights: of the first and of the second model, each in canonical order.
        batches: what they are run on.
        obstacle: why they cannot be run on the same inputs, or empty.
    """

    first: keras.Model
    second: keras.Model
    weights: tuple[list[_Weight], list[_Weight]]
    batches: tuple[Batch, ...]
    obstacle: str


def compare(
    first: keras.Model,
    second: keras.Model,
    inputs: Mapping[str, np.ndarray] | None = None,
    seed: int = 0,
) -> tuple[EquivalenceRow, ...]:
    """Compare two built models.

    Args:
        first: any Keras model; of a subclassed one, whose graph Keras does not record, the wiring stays undecided.
        second: the model to compare it with.
        inputs: rows to run both on besides random ones, by the canonical names of the first model's inputs; none
            given, the four customer segments where the models take two numbers.
        seed: of the random rows and of the projection whose gradients are compared.

    Returns:
        The rows `topology`, `weights`, `predictions` and `gradients`. A check that could not be made, or that
        decided nothing, is SKIPPED and says why.

    Raises:
        ModelError: a model was never built.
        UsageError: `inputs` are not the first model's inputs, or something is no Keras model.
    """
    check_seed("--seed", seed)
    _check_built(first, "first")
    _check_built(second, "second")
    weights = _weights_in_order(first), _weights_in_order(second)
    batches, obstacle = _common_batches(first, second, inputs, seed)
    pair = _Pair(first, second, weights, batches, obstacle)
    return (
        _topology_row(first, second),
        _row("weights", lambda: _compare_weights(*weights)),
        _row("predictions", lambda: _compare_predictions(pair)),
        _row("gradients", lambda: _compare_gradients(pair, seed)),
    )


def compare_training(
    first: keras.Model, second: keras.Model, history_first: History, history_second: History
) -> EquivalenceRow:
    """Compare two training runs from equal initial weights: every epoch of the curve, and the weights at the end.

    Args:
        first: the model after `history_first`.
        second: the model after `history_second`.
        history_first: what `training.train` returned for it.
        history_second: the same for the second model.
    """

    def check() -> tuple[Outcome, str]:
        found = _curve_difference(history_first, history_second)
        if found is not None:
            return Outcome.FAIL, found
        outcome, detail = _compare_weights(_weights_in_order(first), _weights_in_order(second))
        if outcome is not Outcome.PASS:
            return outcome, f"the curves are the same, the weights after them are not: {detail}"
        return Outcome.PASS, f"loss and accuracy of {history_first.epochs:,} epochs and the weights after them"

    return _row("training", check)


def _row(name: str, check: Callable[[], tuple[Outcome, str]]) -> EquivalenceRow:
    try:
        outcome, detail = check()
    except XorexportError:
        raise
    except Exception as error:
        # The user's layers run here, and may raise anything; one check that breaks is no reason to lose the others.
        outcome, detail = Outcome.ERROR, " ".join(f"{type(error).__name__}: {error}".split())
    return EquivalenceRow(check=name, outcome=outcome, detail=detail)


def _topology_row(first: keras.Model, second: keras.Model) -> EquivalenceRow:
    comparison = TopologyComparison(first, second)
    if comparison.difference is not None:
        return EquivalenceRow(check="topology", outcome=Outcome.FAIL, detail=comparison.difference)
    same = f"{comparison.layers:,} layers with the same classes, configs and dtypes"
    if comparison.undecided:
        detail = f"{same}; not decided: {'; '.join(comparison.undecided)}"
        return EquivalenceRow(check="topology", outcome=Outcome.SKIPPED, detail=detail)
    return EquivalenceRow(check="topology", outcome=Outcome.PASS, detail=f"{same}, wired alike")


def _compare_weights(first: list[_Weight], second: list[_Weight]) -> tuple[Outcome, str]:
    for one, other in zip(first, second, strict=False):
        found = bits.array_difference(one.array, other.array)
        if found is not None:
            return Outcome.FAIL, f"{_describe_weights(one, other)}: {found}"
    if len(first) != len(second):
        return Outcome.FAIL, f"{len(first):,} weights in the first model, {len(second):,} in the second"
    if not first:
        return Outcome.SKIPPED, "neither model has weights"
    values = sum(weight.array.size for weight in first)
    return Outcome.PASS, f"{values:,} values in {len(first):,} weights, bit for bit"


def _compare_predictions(pair: _Pair) -> tuple[Outcome, str]:
    if not pair.batches:
        return Outcome.SKIPPED, pair.obstacle
    first, second = predictions(pair.first, pair.batches), predictions(pair.second, pair.batches)
    found = _prediction_difference(pair.batches, first, second)
    if found is None:
        return Outcome.PASS, f"{_describe_batches(pair.batches)}, bit for bit"
    if _prediction_difference(pair.batches, first, predictions(pair.first, pair.batches)) is not None:
        return Outcome.SKIPPED, "the first model's predictions change from call to call on the same inputs"
    return Outcome.FAIL, found


def _compare_gradients(pair: _Pair, seed: int) -> tuple[Outcome, str]:
    first, second = ([weight for weight in side if weight.variable.trainable] for side in pair.weights)
    if not first and not second:
        return Outcome.SKIPPED, "neither model has trainable weights"
    shapes = [[weight.variable.shape for weight in side] for side in (first, second)]
    if shapes[0] != shapes[1]:
        return Outcome.SKIPPED, "the trainable weights of the two models do not have the same shapes"
    if not pair.batches:
        return Outcome.SKIPPED, pair.obstacle
    batch = next((batch for batch in pair.batches if batch.rows == GRADIENT_ROWS), pair.batches[0])
    results = [
        gradients(model, [weight.variable for weight in side], batch, seed)
        for model, side in ((pair.first, first), (pair.second, second))
    ]
    if all(gradient is None for side in results for gradient in side):
        return Outcome.SKIPPED, "no float output depends on a trainable weight"
    for one, other, *found in zip(first, second, *results, strict=True):
        difference = _gradient_difference(found[0], found[1])
        if difference is not None:
            return Outcome.FAIL, f"{_describe_weights(one, other)}: of the gradient, {difference}"
    return Outcome.PASS, f"of {len(first):,} trainable weights on {batch.name}, bit for bit"


def _common_batches(
    first: keras.Model, second: keras.Model, inputs: Mapping[str, np.ndarray] | None, seed: int
) -> tuple[tuple[Batch, ...], str]:
    """What both models can be run on; the reason where that is nothing."""
    if not (has_graph(first) and has_graph(second)):
        given = [] if inputs is None else [given_batch(first, inputs)]
        return tuple(given), "a subclassed model does not record its inputs, and none are given"
    shapes = [[(spec.dtype, spec.shape) for spec in input_specs(model)] for model in (first, second)]
    if shapes[0] != shapes[1]:
        return (), "the two models do not take the same inputs"
    if inputs is None and shapes[0] == [("float32", (None, segments.INPUTS.shape[1]))]:
        inputs = {input_specs(first)[0].name: segments.INPUTS}
    given = [] if inputs is None else [given_batch(first, inputs)]
    try:
        return (*given, *drawn_batches(first, seed)), ""
    except ModelError as error:
        return tuple(given), str(error)


def _prediction_difference(
    batches: tuple[Batch, ...], first: list[list[np.ndarray]], second: list[list[np.ndarray]]
) -> str | None:
    for batch, one, other in zip(batches, first, second, strict=True):
        if len(one) != len(other):
            return f"{len(one):,} outputs in the first model, {len(other):,} in the second"
        names = [f"output {number} on {batch.name}" for number in range(1, len(one) + 1)]
        found = bits.list_difference(one, other, names)
        if found is not None:
            return found
    return None


def _gradient_difference(first: np.ndarray | None, second: np.ndarray | None) -> str | None:
    if first is None or second is None:
        states = ["none" if gradient is None else "one" for gradient in (first, second)]
        return None if first is second else f"there is {states[0]} in the first model, {states[1]} in the second"
    return bits.array_difference(first, second)


def _curve_difference(first: History, second: History) -> str | None:
    common = min(first.epochs, second.epochs)
    for name in ("loss", "accuracy"):
        one, other = getattr(first, name)[:common], getattr(second, name)[:common]
        different = np.flatnonzero(one.view(np.uint32) != other.view(np.uint32))
        if len(different):
            epoch = int(different[0])
            values = str(one[epoch]), str(other[epoch])
            return f"epoch {epoch + 1:,}: {name} is {values[0]} in the first model, {values[1]} in the second"
    if first.epochs != second.epochs:
        return f"{first.epochs:,} epochs in the first model, {second.epochs:,} in the second"
    return None


def _weights_in_order(model: keras.Model) -> list[_Weight]:
    found = [_Weight(location, v) for location, layer in layers_in_order(model) for v in layer.weights]
    # A subclassed model can have weights outside its layers.
    found += [_Weight((), variable) for variable in model.weights]
    unique: dict[int, _Weight] = {}
    for weight in found:
        unique.setdefault(id(weight.variable), weight)
    return list(unique.values())


def _describe_weights(first: _Weight, second: _Weight) -> str:
    names = first.variable.name, second.variable.name
    name = f"'{names[0]}'" if names[0] == names[1] else f"'{names[0]}' / '{names[1]}'"
    return f"{describe_pair(first.location, second.location)}, weight {name}"


def _describe_batches(batches: tuple[Batch, ...]) -> str:
    names = [batch.name for batch in batches if not batch.name.startswith("random")]
    rows = [str(batch.rows) for batch in batches if batch.name.startswith("random")]
    return " and ".join([*names, *([f"random batches of {', '.join(rows)} rows"] if rows else [])])


def _check_built(model: object, which: str) -> None:
    if not isinstance(model, keras.Model):
        raise UsageError(
            f"the {which} model",
            expected="a keras.Model",
            found=type(model).__name__,
            remedy="load it with keras.models.load_model",
        )
    if not model.built:
        raise ModelError(
            f"the {which} model '{model.name}'",
            expected="a model that was built, so that it has weights",
            found="one that was never built",
            remedy="give it a keras.Input, or call model.build(input_shape)",
        )
