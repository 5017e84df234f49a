"""Exports one model of the zoo and writes down what became of it: `python -m zoo.one NAME FOLDER [FORMAT ...]`.

A process of its own, since a converter that dies takes its process with it.
"""

import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from xorexport.bundle import MANIFEST, Bundle
from xorexport.errors import XorexportError, brief
from xorexport.pipeline import ExportRequest, export
from xorexport.registry import FORMATS
from xorexport.results import Outcome, ParityReport, ParityRow
from xorexport.spec import Artifact, Manifest
from zoo.result import FILE, FormatResult, Result, State

FIELDS = {field.name for field in dataclasses.fields(ExportRequest)}


def main(name: str, folder: Path, formats: tuple[str, ...]) -> None:
    started = time.perf_counter()
    import zoo.models  # noqa: F401
    from zoo.registry import ZOO

    wanted = formats or tuple(FORMATS)
    try:
        model = ZOO[name].build()
    except Exception as error:
        result = Result(name=name, formats=_all(wanted, State.ERROR, f"cannot be built: {brief(error)}"))
    else:
        result = exported(name, model, wanted, folder / "bundle")
    result = msgspec.structs.replace(result, seconds=time.perf_counter() - started)
    (folder / FILE).write_bytes(msgspec.json.encode(result))


def exported(name: str, model, formats: tuple[str, ...], destination: Path) -> Result:
    """What became of every format."""
    options = {"keep_going": True} if "keep_going" in FIELDS else {}
    try:
        report = export(ExportRequest(model=model, formats=formats, **options), destination)
    except XorexportError as error:
        return Result(name=name, formats=_all(formats, State.REFUSED, str(error)))
    except Exception as error:
        return Result(name=name, formats=_all(formats, State.ERROR, brief(error, 1000)))
    manifest = Bundle.read(destination).manifest if (destination / MANIFEST).exists() else None
    return Result(
        name=name,
        formats={format_name: _format(report, manifest, format_name) for format_name in formats},
        batches=tuple(sorted({row.batch for row in report.parity if row.batch})),
        problems=tuple(
            str(getattr(row, "detail", "") or getattr(row, "reason", ""))
            for row in (*report.equivalence, *report.digests)
            if row.outcome in (Outcome.FAIL, Outcome.ERROR)
        ),
        exit_code=report.exit_code,
    )


def _format(report: ParityReport, manifest: Manifest | None, name: str) -> FormatResult:
    rows = [row for row in report.parity if row.format == name]
    refusals = [refusal.reason for refusal in getattr(report, "refused", ()) if refusal.format == name]
    errors = [output.max_abs for row in rows for output in row.outputs if output.max_abs is not None]
    return FormatResult(
        state=_state(rows, refusals),
        reason="; ".join(dict.fromkeys(refusals or _row_reasons(rows))),
        max_abs=max(errors, default=None),
        engines={row.engine: row.outcome.value for row in sorted(rows, key=lambda row: row.outcome is Outcome.FAIL)},
        notes=_notes(manifest, name),
    )


def _row_reasons(rows: Sequence[ParityRow]) -> list[str]:
    """Why engines did not pass, or were skipped; the first reason of each."""
    reasons = {row.engine: f"{row.engine}: {row.reason}" for row in reversed(rows) if row.outcome is not Outcome.PASS}
    return list(reversed(reasons.values()))


def _state(rows: Sequence[ParityRow], refusals: Sequence[str]) -> State:
    outcomes = {row.outcome for row in rows}
    if Outcome.FAIL in outcomes:
        return State.FAIL
    if Outcome.ERROR in outcomes:
        return State.ERROR
    if Outcome.PASS in outcomes:
        return State.OK
    return State.REFUSED if refusals else State.UNVERIFIED


def _notes(manifest: Manifest | None, name: str) -> tuple[str, ...]:
    """What an artifact says of itself, and the dimensions that it holds fixed."""
    if manifest is None:
        return ()
    notes: list[str] = []
    for artifact in manifest.artifacts:
        if artifact.format == name:
            notes += [*getattr(artifact, "notes", ()), *_fixed(manifest, artifact)]
    return tuple(notes)


def _fixed(manifest: Manifest, artifact: Artifact) -> list[str]:
    return [
        f"{own.describe()} instead of {spec.describe()}"
        for spec, own in zip(manifest.signature.inputs, artifact.signature.inputs, strict=True)
        if spec.shape != own.shape
    ]


def _all(formats: tuple[str, ...], state: State, reason: str) -> dict[str, FormatResult]:
    return {name: FormatResult(state=state, reason=reason) for name in formats}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), tuple(sys.argv[3:]))
