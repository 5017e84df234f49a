"""Predicts with a bundle, on any engine that is installed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xorexport.bundle import Bundle, check_consistent
from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.registry import ENGINES, check_names, load
from xorexport.runtimes.base import Runtime
from xorexport.spec import Artifact, Decision, Manifest, Struct, TensorSpec
from xorexport.verification import digests
from xorexport.verification.comparison import decide


class Prediction(Struct, frozen=True):
    """One prediction.

    Attributes:
        outputs: values of the one row, by canonical name, flattened.
        labels: the class that an output chose, by canonical name, where it chooses one that has a label.
    """

    engine: str
    artifact: str
    outputs: dict[str, list[float | int | bool]]
    labels: dict[str, str]


def predict(
    root: Path, values: Sequence[str], engine: str | None = None, check_digests: bool = True, unsafe: bool = False
) -> Prediction:
    """Predict for one row.

    Args:
        values: the numbers of all inputs, one input after another, row-major.
        engine: a name from the registry, or `None` for the first that is installed.
        check_digests: whether to refuse an artifact that changed since it was exported.
        unsafe: whether Python code inside a file may run.

    Raises:
        MismatchError: the manifest or the artifact changed.
        UsageError: there are too many or too few numbers, or they are not numbers.
        EngineUnavailableError: no engine that can run the bundle is installed.
    """
    bundle = Bundle.read(root)
    check_consistent(bundle)
    if check_digests:
        digests.require_seal(root)
    inputs = parse_row(bundle.manifest.signature.inputs, values)
    if engine is not None:
        check_names("--engine", (engine,), ENGINES)
    # TensorFlow takes seconds to start, so its engines are asked last.
    by_start = sorted(ENGINES, key=lambda name: ENGINES[name].runtime.requires == "tensorflow")
    for name in (engine,) if engine else by_start:
        artifact = _artifact_for(bundle.manifest, name)
        if artifact is None:
            continue
        try:
            runtime: Runtime = load(ENGINES[name].runtime, f"engine {name}")
        except EngineUnavailableError:
            if engine:
                raise
            continue
        if check_digests:
            digests.require(root, artifact)
        with runtime.open(artifact, root, unsafe=unsafe) as session:
            return _prediction(name, artifact, bundle.manifest, session.run(inputs))
    raise EngineUnavailableError(
        str(root),
        expected=f"an artifact for {engine}" if engine else "an artifact that an installed engine runs",
        found=", ".join(artifact.path for artifact in bundle.manifest.artifacts) or "no artifacts",
        remedy="choose another --engine, or install one: pip install xorexport",
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
        row[spec.name] = np.array([_number(value, spec) for value in part], dtype=spec.dtype).reshape(shape)
        start += spec.row_size()
    return row


def _number(text: str, spec: TensorSpec) -> float | int:
    """A number as the input's dtype can hold it."""
    floats = np.dtype(spec.dtype).kind == "f"
    try:
        if floats:
            return float(text)
        number = int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
        if int(number) == number and _fits(int(number), spec.dtype):
            return int(number)
    except (ValueError, OverflowError):
        pass
    kind = "numbers" if floats else f"whole numbers that {spec.dtype} holds"
    raise UsageError(f"values of '{spec.name}'", expected=kind, found=f"'{text}'", remedy="write them as 0 or 1.5")


def _fits(number: int, dtype: str) -> bool:
    if dtype == "bool":
        return number in (0, 1)
    limits = np.iinfo(dtype)
    return bool(limits.min <= number <= limits.max)


def _artifact_for(manifest: Manifest, engine: str) -> Artifact | None:
    matching = [artifact for artifact in manifest.artifacts if artifact.format == ENGINES[engine].format]
    return matching[0] if matching else None


def _prediction(engine: str, artifact: Artifact, manifest: Manifest, outputs: dict[str, np.ndarray]) -> Prediction:
    labels = {
        name: label
        for name, decision in manifest.model.decisions.items()
        if (label := _label(outputs[name], decision, manifest.model.labels))
    }
    return Prediction(
        engine=engine,
        artifact=artifact.path,
        outputs={name: array.ravel().tolist() for name, array in outputs.items()},
        labels=labels,
    )


def _label(output: np.ndarray, decision: Decision, labels: Sequence[str]) -> str | None:
    if not np.isfinite(output).all():
        return None
    chosen = int(np.ravel(decide(output, decision))[0])
    return labels[chosen] if chosen < len(labels) else None
