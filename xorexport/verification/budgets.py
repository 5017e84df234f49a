"""Measures what quantising costs, on every engine that runs the artifact."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xorexport.bundle import Bundle
from xorexport.ends import from_artifact, to_artifact
from xorexport.errors import EngineUnavailableError
from xorexport.quantization.budget import measure, worst
from xorexport.registry import ENGINES, load
from xorexport.runtimes.base import Runtime, Session
from xorexport.runtimes.batching import run_rows
from xorexport.spec import Artifact, Budget, GoldenSet
from xorexport.verification.verify import Selection, other_size

Arrays = dict[str, np.ndarray]


def budgets_of(bundle: Bundle, artifact: Artifact, selection: Selection) -> tuple[Budget, ...]:
    """A budget for each output: the worst of all engines, on all golden sets together.

    Raises:
        XorexportError: an engine that is installed fails on the artifact, or no engine is.
    """
    measured = [_on_engine(bundle, artifact, session) for session in _sessions(bundle, artifact, selection)]
    if not measured:
        raise EngineUnavailableError(
            artifact.path,
            expected="an engine to measure on",
            found="none that runs it",
            remedy="leave this precision out, or install another engine",
        )
    return tuple(worst(of_output) for of_output in zip(*measured, strict=True))


def _sessions(bundle: Bundle, artifact: Artifact, selection: Selection) -> Iterator[Session]:
    """Open the artifact on one engine after the other; one that lacks an op is left out."""
    for name in selection.engines_for(artifact):
        try:
            runtime: Runtime = load(ENGINES[name].runtime, f"engine {name}")
            session = runtime.open(artifact, bundle.root)
        except EngineUnavailableError:
            continue
        with session:
            yield session


def _on_engine(bundle: Bundle, artifact: Artifact, session: Session) -> list[Budget]:
    """One engine's budgets: the worst of all batch sizes, since scaling by a run's own range depends on its rows."""
    measured: dict[str, list[Budget]] = {}
    for largest in (False, True):
        seen: set[bytes] = set()
        pairs = [
            _first_time(*_predictions(bundle, artifact, session, golden, largest), _keys(bundle, golden), seen)
            for golden in bundle.manifest.golden
            if not other_size(artifact, golden)
        ]
        for spec in artifact.signature.outputs:
            actual, expected = (np.concatenate([pair[side][spec.name] for pair in pairs]) for side in (0, 1))
            decision = bundle.manifest.model.decisions.get(spec.name)
            measured.setdefault(spec.name, []).append(measure(spec.name, actual, expected, decision))
    return [worst(of_output) for of_output in measured.values()]


def _predictions(
    bundle: Bundle, artifact: Artifact, session: Session, golden: GoldenSet, largest: bool
) -> tuple[Arrays, Arrays]:
    """What the artifact predicts for a golden set in its first or largest batches, and what the model does, by name."""
    batch = max(golden.batch_sizes) if largest else golden.batch_sizes[0]
    inputs = to_artifact(bundle.golden_arrays(golden.inputs), artifact.signature.inputs)
    outputs = run_rows(session, artifact.signature, inputs, batch)
    return from_artifact(outputs, artifact.signature.outputs), bundle.golden_arrays(golden.outputs)


def _keys(bundle: Bundle, golden: GoldenSet) -> list[bytes]:
    """Something for each row of a golden set that is the same for the same inputs."""
    arrays = bundle.golden_arrays(golden.inputs).values()
    return [b"".join(row.tobytes() for row in rows) for rows in zip(*arrays, strict=True)]


def _first_time(actual: Arrays, expected: Arrays, keys: list[bytes], seen: set[bytes]) -> tuple[Arrays, Arrays]:
    """Both without rows that were measured before: where samples are few, some come again to fill a batch."""
    if any(len(array) != len(keys) for array in expected.values()):
        return actual, expected
    new = []
    for row, key in enumerate(keys):
        if key not in seen:
            seen.add(key)
            new.append(row)
    first, second = ({name: array[new] for name, array in of.items()} for of in (actual, expected))
    return first, second
