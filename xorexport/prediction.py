"""Predicts with a bundle, on any engine that is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xorexport.bundle import Bundle, check_consistent
from xorexport.dtypes import numpy_dtype
from xorexport.ends import from_artifact, to_artifact
from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.inputs.base import Inputs
from xorexport.inputs.reading import read_inputs
from xorexport.inputs.values import cast, kind_of, parsed
from xorexport.registry import ENGINES, check_names, load
from xorexport.runtimes.base import Runtime
from xorexport.runtimes.batching import run_rows
from xorexport.spec import Artifact, Decision, Manifest, Precision, Struct, TensorSpec
from xorexport.verification import digests
from xorexport.verification.comparison import decide

BATCH = 32
"""Rows that run at once, as in Keras' `predict`: many rows need no more memory than these."""


@dataclass(frozen=True)
class Choice:
    """On what to predict.

    Attributes:
        engine: a name from the registry, or `None` for the first that is installed.
        precision: one of `Precision`, or `None` for float32, or the first that there is in a format without it.
        digests: whether to refuse an artifact that changed since it was exported.
        unsafe: whether code inside a file may run.
        imports: modules of the user's that define the classes and functions which a `.keras` file names.
    """

    engine: str | None = None
    precision: str | None = None
    digests: bool = True
    unsafe: bool = False
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names("--engine", (self.engine,) if self.engine is not None else (), ENGINES)
        check_names("--precision", (self.precision,) if self.precision is not None else (), tuple(Precision))


@dataclass(frozen=True)
class Predictions:
    """What an engine predicted for any number of rows.

    Attributes:
        outputs: by canonical name, in the signature's order, as the engine shaped them: (rows, ...) as a rule.
        labels: the class that an output chose in each row, by canonical name, where it chooses one that has a label.
        rows: how many there were in the inputs.
        notes: what was done to the inputs on the way.
        names: a name for each row, or empty.
    """

    engine: str
    artifact: str
    outputs: dict[str, np.ndarray]
    labels: dict[str, tuple[str | None, ...]]
    rows: int
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Prediction(Struct, frozen=True):
    """One prediction.

    Attributes:
        outputs: values of the one row, by canonical name, flattened.
        labels: the class that an output chose, by canonical name, where it chooses one that has a label.
    """

    engine: str
    artifact: str
    outputs: dict[str, list[float | int | bool | str]]
    labels: dict[str, str]


def predict(
    root: Path,
    values: Sequence[str],
    engine: str | None = None,
    check_digests: bool = True,
    unsafe: bool = False,
    precision: str | None = None,
) -> Prediction:
    """Predict for one row, flattened: see `predict_values` and `Choice`."""
    return flattened(predict_values(root, values, Choice(engine, precision, check_digests, unsafe)))


def predict_values(root: Path, values: Sequence[str], choice: Choice) -> Predictions:
    """Predict for one row.

    Args:
        values: the numbers of all inputs, one input after another, row-major.

    Raises:
        UsageError: there are too many or too few numbers, or they are not numbers.
        XorexportError: as `predict_inputs`.
    """
    bundle = _open(root, choice)
    return _run(bundle, Inputs(parse_row(bundle.manifest.signature.inputs, values)), choice)


def predict_inputs(root: Path, source: Path | str, choice: Choice) -> Predictions:
    """Predict for every row that `source` holds: see `inputs.reading.read_inputs`.

    Raises:
        MismatchError: the manifest or the artifact changed.
        UsageError: there is no such source, or what it holds does not fit the inputs.
        EngineUnavailableError: no engine that can run the bundle on these inputs is installed.
        EngineError: the engine fails on the inputs.
    """
    bundle = _open(root, choice)
    return _run(bundle, read_inputs(source, bundle.manifest.signature.inputs), choice)


def flattened(predictions: Predictions) -> Prediction:
    """The prediction for the only row."""
    return Prediction(
        engine=predictions.engine,
        artifact=predictions.artifact,
        outputs={name: array.ravel().tolist() for name, array in predictions.outputs.items()},
        labels={name: labels[0] for name, labels in predictions.labels.items() if labels and labels[0] is not None},
    )


def parse_row(specs: Sequence[TensorSpec], values: Sequence[str]) -> dict[str, np.ndarray]:
    """One row of every input from a flat list of numbers.

    Raises:
        UsageError: the numbers do not fit the inputs.
    """
    needed = sum(spec.row_size() for spec in specs)
    if len(values) != needed:
        raise UsageError(
            "values",
            expected=f"{needed} for {', '.join(spec.describe() for spec in specs)}",
            found=str(len(values)),
            remedy="give the numbers of one row, one input after another",
        )
    row, start = {}, 0
    for spec in specs:
        part = values[start : start + spec.row_size()]
        shape = (1, *(1 if size is None else size for size in spec.shape[1:]))
        own = numpy_dtype(spec.dtype)
        wide = np.dtype(np.float64) if own.kind == "f" else own
        numbers = np.array([_value(value, spec) for value in part], dtype=wide).reshape(shape)
        row[spec.name] = cast(numbers, spec.dtype, f"values of '{spec.name}'")
        start += spec.row_size()
    return row


def _value(text: str, spec: TensorSpec) -> float | int | str:
    """A value as the input's dtype can hold it."""
    try:
        return parsed(text, spec.dtype)
    except ValueError as error:
        raise UsageError(
            f"values of '{spec.name}'",
            expected=kind_of(spec.dtype),
            found=f"'{text}'",
            remedy="write them as 0 or 1.5",
        ) from error


def _open(root: Path, choice: Choice) -> Bundle:
    bundle = Bundle.read(root)
    check_consistent(bundle)
    if choice.digests:
        digests.require_seal(root)
    return bundle


def _run(bundle: Bundle, inputs: Inputs, choice: Choice) -> Predictions:
    """Predict on the first engine that can, or on the chosen one."""
    for name, artifact in _candidates(bundle, inputs, choice):
        try:
            outputs = _run_engine(name, artifact, bundle.root, inputs.arrays, choice)
        except EngineUnavailableError:
            if choice.engine:
                raise
            continue
        return _predictions(name, artifact, bundle.manifest, inputs, outputs, choice)
    raise EngineUnavailableError(
        str(bundle.root),
        expected=_wanted(choice),
        found=", ".join(artifact.path for artifact in bundle.manifest.artifacts) or "no artifacts",
        remedy=_remedy(bundle.manifest, choice),
    )


def _run_engine(
    name: str, artifact: Artifact, root: Path, arrays: Mapping[str, np.ndarray], choice: Choice
) -> dict[str, np.ndarray]:
    """The model's outputs for its inputs, whatever numbers the artifact computes with."""
    runtime: Runtime = load(ENGINES[name].runtime, f"engine {name}")
    if choice.digests:
        digests.require(root, artifact)
    ends = artifact.signature
    with runtime.open(artifact, root, unsafe=choice.unsafe, imports=choice.imports) as session:
        outputs = run_rows(session, ends, to_artifact(arrays, ends.inputs), BATCH)
    return from_artifact(outputs, ends.outputs)


def _candidates(bundle: Bundle, inputs: Inputs, choice: Choice) -> Iterator[tuple[str, Artifact]]:
    """Engines and what they would run, those first that start quickly.

    Raises:
        UsageError: there are artifacts, but all have dimensions fixed that the inputs do not have.
    """
    # TensorFlow takes seconds to start, so its engines are asked last.
    by_start = sorted(ENGINES, key=lambda name: ENGINES[name].runtime.requires == "tensorflow")
    misfit = None
    found = False
    for name in (choice.engine,) if choice.engine else by_start:
        artifact = _artifact_for(bundle.manifest, name, choice.precision)
        if artifact is None:
            continue
        refused = _misfit(artifact, inputs.arrays)
        if refused is None:
            found = True
            yield name, artifact
        misfit = misfit or refused
    if misfit is not None and not found:
        raise misfit


def _artifact_for(manifest: Manifest, engine: str, precision: str | None) -> Artifact | None:
    matching = [
        artifact
        for artifact in manifest.artifacts
        if artifact.format == ENGINES[engine].format and precision in (None, artifact.precision)
    ]
    # The sort is stable: without a float32 artifact it is the first that there is.
    matching.sort(key=lambda artifact: artifact.precision is not Precision.FLOAT32)
    return matching[0] if matching else None


def _misfit(artifact: Artifact, arrays: Mapping[str, np.ndarray]) -> UsageError | None:
    """Why inputs that the model takes do not fit a format that holds more dimensions fixed."""
    for spec in artifact.signature.inputs:
        shape = arrays[spec.name].shape
        if any(size not in (None, actual) for size, actual in zip(spec.shape[1:], shape[1:], strict=True)):
            return UsageError(
                f"input '{spec.name}'",
                expected=f"{spec.describe()}, which is fixed in {artifact.path}",
                found=f"the shape {list(shape)}",
                remedy="pad or resize the rows, or choose an --engine for another format",
            )
    return None


def _wanted(choice: Choice) -> str:
    precision = f" in {choice.precision}" if choice.precision else ""
    if choice.engine:
        return f"an artifact for {choice.engine}{precision}"
    return f"an artifact{precision} that an installed engine runs"


def _remedy(manifest: Manifest, choice: Choice) -> str:
    held = sorted({artifact.precision for artifact in manifest.artifacts})
    if choice.precision is not None and choice.precision not in held:
        return f"choose --precision {' or '.join(held)}, or leave it out"
    return "choose another --engine, or install one: pip install xorexport"


def _predictions(
    engine: str,
    artifact: Artifact,
    manifest: Manifest,
    inputs: Inputs,
    outputs: dict[str, np.ndarray],
    choice: Choice,
) -> Predictions:
    names, decisions = manifest.model.labels, manifest.model.decisions
    labels = {
        spec.name: _labels(outputs[spec.name], decisions[spec.name], names)
        for spec in manifest.signature.outputs
        if spec.name in decisions and spec.chooses_among(len(names))
    }
    unasked = choice.precision is None and artifact.precision is not Precision.FLOAT32
    notes = [f"{artifact.path} is {artifact.precision}: no float32 file is at hand"] if unasked else []
    return Predictions(
        engine=engine,
        artifact=artifact.path,
        outputs=outputs,
        labels={name: chosen for name, chosen in labels.items() if any(chosen)},
        rows=inputs.rows,
        notes=(*inputs.notes, *notes),
        names=inputs.names,
    )


def _labels(output: np.ndarray, decision: Decision, labels: Sequence[str]) -> tuple[str | None, ...]:
    """The label of each row; `None` where a value is not finite. Nothing where a row chooses several classes."""
    classes = decide(output, decision)
    if classes.ndim != 1:
        return ()
    finite = np.isfinite(output).all(axis=-1)
    return tuple(
        labels[chosen] if good and chosen < len(labels) else None for chosen, good in zip(classes, finite, strict=True)
    )
