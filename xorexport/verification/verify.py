"""Verifies a bundle: digests first, then every artifact on every engine that is registered for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from xorexport.bundle import MANIFEST, Bundle, check_consistent, is_cut_off, manifest_bytes, parse_manifest
from xorexport.ends import from_artifact, to_artifact
from xorexport.errors import BundleError, EngineUnavailableError, MismatchError, UsageError, XorexportError, brief
from xorexport.registry import ENGINES, FORMATS, check_names, load
from xorexport.results import Comparison, DigestRow, Outcome, ParityReport, ParityRow
from xorexport.runtimes.base import Runtime, Session
from xorexport.runtimes.batching import fixed_batch, run_rows
from xorexport.spec import Artifact, GoldenSet, Manifest, Precision, Tolerance
from xorexport.verification import comparison, digests


@dataclass(frozen=True)
class Selection:
    """What to verify.

    Attributes:
        formats: only these, or all that the bundle holds.
        engines: only these, or all that are registered.
        required: engines whose absence is an error instead of a skip.
        digests: whether digests are checked, and engines kept from files that changed.
        unsafe: whether code inside a file may run.
        imports: modules of the user's that define the classes and functions which a `.keras` file names.
        whole: whether an artifact that no engine passed is an error.
    """

    formats: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    digests: bool = True
    unsafe: bool = False
    whole: bool = False
    imports: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_names("--format", self.formats, FORMATS)
        check_names("--engine", self.engines, ENGINES)
        check_names("--require", self.required, ENGINES)
        for name in self.engines if self.formats else ():
            if ENGINES[name].format not in self.formats:
                raise UsageError(
                    f"--engine {name}",
                    expected=f"an engine for {' or '.join(self.formats)}",
                    found=f"one for {ENGINES[name].format}",
                    remedy="leave --format or --engine out",
                )

    def engines_for(self, artifact: Artifact) -> list[str]:
        """Names of the engines that shall run an artifact; a required one always does."""
        return [
            name
            for name, engine in ENGINES.items()
            if engine.format == artifact.format and (not self.engines or name in self.engines or name in self.required)
        ]


Progress = Callable[[str], None]


def verify_folder(root: Path, selection: Selection, progress: Progress | None = None) -> ParityReport:
    """Verify a bundle as it stands on the disk.

    Raises:
        BundleError: it is not a whole bundle.
        UsageError: the selection asks for what the bundle does not hold.
    """
    raw = manifest_bytes(root)
    try:
        bundle = Bundle(root, parse_manifest(raw, root / MANIFEST))
    except BundleError as error:
        if selection.digests and _is_damaged(raw, error):
            return ParityReport(model="", digests=(digests.seal_row(raw, error.found),))
        raise
    rows = digests.all_rows(root, raw, bundle.manifest) if selection.digests else ()
    if rows and rows[0].outcome is not Outcome.PASS:
        # Nothing that such a manifest says can be relied on, so nothing that it lists is run.
        return ParityReport(model=bundle.manifest.model.name, digests=rows)
    return verify(bundle, selection, rows, progress)


def verify(
    bundle: Bundle,
    selection: Selection,
    digest_rows: Sequence[DigestRow] = (),
    progress: Progress | None = None,
) -> ParityReport:
    """Run every selected artifact on every selected engine, unless one of its digests failed.

    Raises:
        BundleError: the manifest contradicts itself.
        UsageError: the bundle holds none of the selected formats, or an engine's format is missing.
    """
    check_consistent(bundle)
    broken = {row.path for row in digest_rows if row.outcome is not Outcome.PASS}
    artifacts = _selected(bundle, selection)
    golden_broken = sorted(broken.intersection(_golden_files(bundle)))
    parity: list[ParityRow] = []
    for artifact in artifacts:
        own = {file.path for file in artifact.files}
        changed = sorted(path for path in broken if path in own or path.startswith(f"{artifact.path}/"))
        blocked = [*changed, *golden_broken]
        for name in selection.engines_for(artifact):
            if blocked:
                parity.append(_row(artifact, name, Outcome.SKIPPED, f"not run: digest of {blocked[0]} failed"))
                continue
            if progress:
                progress(f"{artifact.path} on {name}")
            parity.extend(_run_engine(bundle, artifact, name, selection))
    verified = {row.artifact for row in parity if row.outcome is Outcome.PASS}
    return ParityReport(
        model=bundle.manifest.model.name,
        digests=tuple(digest_rows),
        parity=tuple(parity),
        whole=selection.whole or bool(selection.formats),
        unverified=tuple(artifact.path for artifact in artifacts if artifact.path not in verified),
        notes={artifact.path: artifact.notes for artifact in artifacts if artifact.notes},
        tolerances=tolerances_of(bundle.manifest),
    )


def tolerances_of(manifest: Manifest) -> dict[str, Tolerance]:
    """The tolerance of each output of float32 artifacts."""
    usual = manifest.tolerances.get(Precision.FLOAT32)
    if usual is None:
        return {}
    return {spec.name: manifest.output_tolerances.get(spec.name, usual) for spec in manifest.signature.outputs}


def _selected(bundle: Bundle, selection: Selection) -> list[Artifact]:
    artifacts = bundle.manifest.artifacts
    held = {artifact.format for artifact in artifacts}
    wanted = set(selection.formats) or held
    if selection.engines and not selection.formats:
        wanted = {ENGINES[name].format for name in selection.engines}
    needed = wanted | {ENGINES[name].format for name in selection.required}
    if lacking := sorted(needed - held):
        raise UsageError(
            str(bundle.root),
            expected=f"artifacts of format {', '.join(lacking)}",
            found=", ".join(sorted(held)) or "no artifacts",
            remedy="choose a --format and an --engine for what is there",
        )
    return [artifact for artifact in artifacts if artifact.format in needed]


def _run_engine(bundle: Bundle, artifact: Artifact, name: str, selection: Selection) -> Iterator[ParityRow]:
    """All rows of one artifact on one engine; an error ends them with a row of its own."""
    try:
        runtime: Runtime = load(ENGINES[name].runtime, f"engine {name}")
        with runtime.open(artifact, bundle.root, unsafe=selection.unsafe, imports=selection.imports) as session:
            for golden in bundle.manifest.golden:
                yield from _run_golden(bundle, artifact, name, session, golden)
    except EngineUnavailableError as error:
        yield _row(artifact, name, Outcome.ERROR if name in selection.required else Outcome.SKIPPED, str(error))
    except MismatchError as error:
        yield _row(artifact, name, Outcome.FAIL, str(error))
    except XorexportError as error:
        yield _row(artifact, name, Outcome.ERROR, str(error))
    except Exception as error:
        yield _row(artifact, name, Outcome.ERROR, brief(error))


def _run_golden(
    bundle: Bundle, artifact: Artifact, name: str, session: Session, golden: GoldenSet
) -> Iterator[ParityRow]:
    """A row for every batch size of one golden set, which is read once for all of them."""
    if other := other_size(artifact, golden):
        yield msgspec.structs.replace(_row(artifact, name, Outcome.SKIPPED, other), golden=golden.name)
        return
    inputs, expected = bundle.golden_arrays(golden.inputs), bundle.golden_arrays(golden.outputs)
    given = to_artifact(inputs, artifact.signature.inputs)
    fixed = fixed_batch(artifact.signature)
    for batch in golden.batch_sizes if fixed is None else (fixed,):
        started = time.perf_counter()
        actual = run_rows(session, artifact.signature, given, batch)
        seconds = time.perf_counter() - started
        results = _compare(bundle.manifest, artifact, from_artifact(actual, artifact.signature.outputs), expected)
        failed = [result for result in results if result.outcome is not Outcome.PASS]
        yield msgspec.structs.replace(
            _row(artifact, name, Outcome.FAIL if failed else Outcome.PASS, ""),
            golden=golden.name,
            batch=batch,
            outputs=results,
            worst_input=_worst_input(results, golden, inputs),
            reason="; ".join(f"{result.output}: {result.reason}" for result in failed),
            seconds=seconds,
        )


def other_size(artifact: Artifact, golden: GoldenSet) -> str:
    """Why a golden set cannot be run: a dimension is dynamic in the model, but fixed in this file."""
    for spec in artifact.signature.inputs:
        shape = golden.inputs[spec.name].shape
        if any(size not in (None, found) for size, found in zip(spec.shape[1:], shape[1:], strict=True)):
            return f"the file holds {spec.describe()} only, and the inputs are {list(shape)}"
    return ""


def _compare(
    manifest: Manifest, artifact: Artifact, actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> tuple[Comparison, ...]:
    """Every output against its reference, in the signature's order."""
    return tuple(
        comparison.compare(
            spec.name,
            actual.get(spec.name),
            expected[spec.name].astype(_float_of(actual.get(spec.name), expected[spec.name])),
            _tolerance(manifest, artifact, spec.name),
            manifest.model.decisions.get(spec.name),
        )
        for spec in manifest.signature.outputs
    )


def _tolerance(manifest: Manifest, artifact: Artifact, output: str) -> Tolerance:
    """Of a quantised artifact what its budget says, of any other what its precision says."""
    for budget in artifact.budget:
        if budget.output == output:
            return Tolerance(rtol=0.0, atol=budget.limit or 0.0)
    return manifest.output_tolerances.get(output, manifest.tolerances[artifact.precision])


def _float_of(actual: np.ndarray | None, expected: np.ndarray) -> np.dtype[Any]:
    """The dtype to compare in: a file may hold a float64 model in float32."""
    floats = actual is not None and actual.dtype.kind == expected.dtype.kind == "f"
    return actual.dtype if floats else expected.dtype  # type: ignore[union-attr]


def _worst_input(results: Sequence[Comparison], golden: GoldenSet, inputs: dict[str, np.ndarray]) -> str:
    """The row of inputs behind the largest absolute error, by name where rows have names."""
    measured = [result for result in results if result.worst and result.max_abs is not None]
    if not measured:
        return ""
    row = max(measured, key=lambda result: result.max_abs or 0.0).worst[0]
    if row >= len(next(iter(inputs.values()))):
        return ""  # the model makes more rows than it is given
    if golden.row_names:
        return golden.row_names[row]
    values = np.concatenate([np.atleast_1d(array[row]).ravel()[:3] for array in inputs.values()])
    return f"row {row}: " + ", ".join(map(_shown, values[:3])) + ("..." if values.size > 3 else "")


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:.4g}"


def _row(artifact: Artifact, engine: str, outcome: Outcome, reason: str) -> ParityRow:
    return ParityRow(
        artifact=artifact.path,
        format=artifact.format,
        precision=artifact.precision,
        engine=engine,
        outcome=outcome,
        reason=reason,
    )


def _golden_files(bundle: Bundle) -> set[str]:
    return {
        data.file
        for golden in bundle.manifest.golden
        for data in (*golden.inputs.values(), *golden.outputs.values())
        if data.file
    }


def _is_damaged(raw: bytes, error: BundleError) -> bool:
    """Whether what cannot be read is a manifest that changed, rather than one cut off, a newer one or none at all.

    One changed byte can take only one of the two words away.
    """
    cause = error.__cause__
    looks_sealed = b'"seal"' in raw or b'"manifest_version"' in raw
    return looks_sealed and isinstance(cause, (msgspec.DecodeError, UnicodeDecodeError)) and not is_cut_off(cause)
