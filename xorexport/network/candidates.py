"""Prepares the model to export: trains the default network or takes the user's, and compares it with its twin."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np

from xorexport import segments
from xorexport.errors import ModelError
from xorexport.network import loading
from xorexport.network.architecture import Architecture
from xorexport.network.conversion import twin
from xorexport.network.equivalence import compare, compare_training
from xorexport.network.signature import domains_of, input_specs
from xorexport.network.training import History, TrainingSettings, train
from xorexport.progress import Listener
from xorexport.results import EquivalenceRow, Outcome
from xorexport.samples import SampleSet, drawn_sets, segment_sets

Settings = dict[str, str | int | float | list[int]]


@dataclass(frozen=True)
class Candidate:
    """A model that is ready for export, and what is known about it.

    Attributes:
        name: of the bundle's files.
        equivalence: how it compares with its twin in the other API.
        samples: what it is checked on.
        settings: what it takes to make it again, for the manifest.
    """

    model: keras.Model
    name: str
    equivalence: tuple[EquivalenceRow, ...]
    samples: tuple[SampleSet, ...]
    settings: Settings
    description: str = ""
    labels: tuple[str, ...] = ()


def default_network(architecture: Architecture, training: TrainingSettings, seed: int, listener: Listener) -> Candidate:
    """Train the customer segments' network as a Sequential and as a Functional model, and compare the two.

    Args:
        seed: of the points that it is checked on; the weights' seed is in `training`.

    Raises:
        TrainingError: it did not learn the four segments.
    """
    sizes = "-".join(map(str, (architecture.inputs, *architecture.hidden, architecture.outputs)))
    listener.step(f"training {sizes}, {training.loss}, seed {training.seed}")
    keras.utils.set_random_seed(training.seed)
    sequential, functional = architecture.sequential(), architecture.functional()
    functional.set_weights(sequential.get_weights())
    histories = _train_both(sequential, functional, training, listener)
    epochs = len(histories[0].loss)
    listener.step(
        f"all four segments right at epoch {histories[0].first_right:,} (as fit logs it), "
        f"within {training.margin:g} of their targets after {epochs:,}"
    )
    rows = compare(sequential, functional, {architecture.input_name: segments.INPUTS})
    return Candidate(
        model=sequential,
        name=architecture.name,
        equivalence=(*rows, compare_training(sequential, functional, *histories)),
        samples=segment_sets(architecture.input_name, seed),
        settings={
            "hidden": list(architecture.hidden),
            "loss": training.loss,
            "optimizer": "adam",
            "seed": training.seed,
            "samples_seed": seed,
            "epochs": epochs,
            "first_right_epoch": histories[0].first_right or 0,
            "margin": training.margin,
        },
        description="Which of a shop's four customer segments are loyal: an exclusive or of age and income.",
        labels=segments.LABELS,
    )


def given_model(source: str | keras.Model, unsafe: bool, seed: int, listener: Listener) -> Candidate:
    """Take a user's model, and compare it with its twin in the other API where it has one.

    Args:
        source: a `.keras` file, `package.module:function`, or the model itself.
        seed: of the inputs that are drawn for it.

    Raises:
        ModelError: the model cannot be loaded or checked.
    """
    if isinstance(source, keras.Model):
        model, name = loading.check_model(source, f"model '{source.name}'"), source.name
    else:
        listener.step(f"loading {source}")
        model, name = loading.load_model(source, unsafe), loading.model_name(source)
    samples = drawn_sets(input_specs(model), domains_of(model), seed)
    return Candidate(
        model=model,
        name=name,
        equivalence=_compare_with_twin(model, samples[0].inputs),
        samples=samples,
        settings={"samples_seed": seed},
    )


def _compare_with_twin(model: keras.Model, inputs: dict[str, np.ndarray]) -> tuple[EquivalenceRow, ...]:
    try:
        other = twin(model)
    except ModelError as error:
        reason = f"no model in the other API to compare with: expected {error.expected}, found {error.found}"
        return (EquivalenceRow(check="topology", outcome=Outcome.SKIPPED, detail=reason),)
    return compare(model, other, inputs)


def _train_both(
    sequential: keras.Model, functional: keras.Model, training: TrainingSettings, listener: Listener
) -> list[History]:
    """Train both at once: each runs in one graph, outside Python, so two cores do it in the time of one."""

    def report(epoch: int, error: float) -> None:
        listener.training(epoch, training.max_epochs, error)

    with ThreadPoolExecutor(2) as pool:
        futures = [
            pool.submit(train, model, segments.INPUTS, segments.TARGETS, training, progress)
            for model, progress in ((sequential, report), (functional, None))
        ]
        return [future.result() for future in futures]
