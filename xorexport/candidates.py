"""Prepares the model to export: trains the default network or takes the user's, and compares it with its twin."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xorexport import segments
from xorexport.errors import ModelError, brief
from xorexport.inputs.arrays import from_arrays
from xorexport.inputs.reading import read_inputs
from xorexport.network import loading
from xorexport.network.conversion import twin
from xorexport.network.domains import domains_of
from xorexport.network.equivalence import compare, compare_training
from xorexport.network.first_call import with_free_batch
from xorexport.network.interface import Interface, interface_of
from xorexport.network.scopes import safe_scopes
from xorexport.network.signature import call
from xorexport.network.subclassed import arguments_left_out, with_whole_numbers
from xorexport.network.training import History, TrainingSettings, train
from xorexport.progress import Listener
from xorexport.readers.savedmodel_path import plain_name
from xorexport.request import ExportRequest
from xorexport.results import EquivalenceRow, Outcome
from xorexport.samples import (
    SIZES,
    SampleSet,
    calibration_points,
    check_dtypes,
    draw,
    drawn_sets,
    given_sets,
    segment_sets,
)
from xorexport.spec import TensorSpec

if TYPE_CHECKING:
    import keras

LARGEST_TWIN = 1 << 30
"""Bytes of weights up to which a model is compared with its twin, which takes four times as much beside it."""
Settings = dict[str, str | int | float | list[int]]


@dataclass(frozen=True)
class Candidate:
    """A model that is ready for export, and what is known about it.

    Attributes:
        interface: how it is called.
        name: of the bundle's files.
        equivalence: how it compares with its twin in the other API.
        samples: what it is checked on.
        settings: what it takes to make it again, for the manifest.
        calibration: rows to calibrate with that it is not checked on, by canonical name; `None` where there are none.
    """

    model: keras.Model
    interface: Interface
    name: str
    equivalence: tuple[EquivalenceRow, ...]
    samples: tuple[SampleSet, ...]
    settings: Settings
    description: str = ""
    labels: tuple[str, ...] = ()
    calibration: dict[str, np.ndarray] | None = None


def default_network(request: ExportRequest, listener: Listener) -> Candidate:
    """Train the customer segments' network as a Sequential and as a Functional model, and compare the two.

    Raises:
        TrainingError: it did not learn the four segments.
        UsageError: there are more or fewer labels than classes.
    """
    architecture, training, seed = request.architecture, request.training, request.seed
    # Before it is trained, which takes time.
    request.check_labels(
        [TensorSpec(name=architecture.output_name, dtype="float32", shape=(None, architecture.outputs))]
    )
    sizes = "-".join(map(str, (architecture.inputs, *architecture.hidden, architecture.outputs)))
    listener.step(f"training {sizes}, {training.loss}, seed {training.seed}")
    sequential, functional = architecture.both(training.seed)
    histories = _train_both(sequential, functional, training, listener)
    epochs = len(histories[0].loss)
    listener.step(
        f"all four segments right at epoch {histories[0].first_right:,} (as fit logs it), "
        f"within {training.margin:g} of their targets after {epochs:,}"
    )
    rows = compare(sequential, functional, {architecture.input_name: segments.INPUTS})
    return Candidate(
        model=sequential,
        interface=interface_of(sequential),
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
        calibration=calibration_points(architecture.input_name, seed),
    )


def given_model(request: ExportRequest, listener: Listener) -> Candidate:
    """Take a user's model, and compare it with its twin in the other API where it has one.

    Raises:
        ModelError: the model cannot be loaded or checked.
        UsageError: what the user says of its inputs, or gives as samples, does not fit it.
    """
    source = request.model
    if isinstance(source, (str, Path)):
        listener.step(f"loading {source}")
        model, name = loading.load_model(source, request.unsafe), loading.model_name(str(source))
    else:
        model = loading.check_model(source, f"model '{getattr(source, 'name', source)}'")
        name = model.name
    with loading.about(model, source):
        return _prepared(model, plain_name(name), request, listener)


def _prepared(model: keras.Model, name: str, request: ExportRequest, listener: Listener) -> Candidate:
    """Find out how a model is called, and what to check it on."""
    model, batch_note = with_free_batch(model)
    interface = interface_of(model, request.inputs)
    arguments_note = arguments_left_out(model, interface)
    if not request.inputs:
        interface = with_whole_numbers(model, interface)
    check_dtypes(interface.inputs)
    samples, calibration, notes = _samples(request, model, interface)
    # Whoever gives the sizes knows them.
    for note in filter(None, ("" if request.inputs else batch_note, arguments_note, *notes)):
        listener.step(f"note: {note}")
    example = {name: array.shape for name, array in samples[0].inputs.items()}
    return Candidate(
        model=model,
        interface=replace(interface, example=example),
        name=name,
        equivalence=_compare_with_twin(model, samples[0].inputs),
        samples=samples,
        settings={"samples_seed": request.seed},
        calibration=calibration,
    )


def _samples(
    request: ExportRequest, model: keras.Model, interface: Interface
) -> tuple[tuple[SampleSet, ...], dict[str, np.ndarray] | None, tuple[str, ...]]:
    """What to check on, what to calibrate with, and what was done to the user's own data on the way."""
    if request.samples is None:
        sizes = _sizes(model, interface)
        return drawn_sets(interface.inputs, domains_of(model, interface.inputs), request.seed, sizes), None, ()
    if isinstance(request.samples, Mapping):
        given = from_arrays(request.samples, interface.inputs, "samples")
    else:
        given = read_inputs(request.samples, interface.inputs)
    sets, calibration = given_sets(given.arrays, interface.inputs, request.seed, given.names)
    return sets, calibration, given.notes


def _sizes(model: keras.Model, interface: Interface) -> list[int]:
    """Two sizes of dynamic dimensions that the model takes: a network may halve them, or know so many positions.

    Raises:
        ModelError: it takes none of those that are tried.
    """
    if not any(None in spec.shape[1:] for spec in interface.inputs):
        return [SIZES[0]]
    found: list[int] = []
    reason = ""
    for size in SIZES:
        tensors = draw(interface.inputs, domains_of(model, interface.inputs), 1, 0, size)
        try:
            with safe_scopes(model):
                call(model, interface, [tensors[spec.name] for spec in interface.inputs])
        except Exception as error:
            reason = reason or brief(error)
            continue
        found.append(size)
        if len(found) == 2:
            break
    if not found:
        raise ModelError(
            f"model '{model.name}'",
            expected=f"a model that takes one of {', '.join(map(str, SIZES))} where its inputs have dynamic sizes",
            found=reason,
            remedy="give sizes with --signature, or data that it takes with --samples",
        )
    return found


def _compare_with_twin(model: keras.Model, inputs: dict[str, np.ndarray]) -> tuple[EquivalenceRow, ...]:
    size = sum(weight.value.dtype.size * weight.value.shape.num_elements() for weight in model.weights)
    if size > LARGEST_TWIN:
        return _not_compared(f"there is no room for a second set of its {size:,} bytes of weights")
    try:
        other = twin(model)
    except ModelError as error:
        return _not_compared(f"expected {error.expected}, found {error.found}")
    return compare(model, other, inputs)


def _not_compared(reason: str) -> tuple[EquivalenceRow, ...]:
    detail = f"no model in the other API to compare with: {reason}"
    return (EquivalenceRow(check="topology", outcome=Outcome.SKIPPED, detail=detail),)


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
