"""Writes a bundle into a staging folder: golden data, then format by format until what was written matches."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np

from xorexport import bundle, facts
from xorexport.candidates import Candidate
from xorexport.ends import to_artifact
from xorexport.errors import ExportError, ModelError, XorexportError
from xorexport.exporters.base import Calibration, Exporter, ExportOptions
from xorexport.network.loading import classes_known
from xorexport.network.signature import predict
from xorexport.progress import Listener
from xorexport.quantization.budget import excess
from xorexport.registry import ENGINES
from xorexport.reports import json as json_report
from xorexport.request import ExportRequest
from xorexport.results import BudgetRow, Outcome, ParityReport, ParityRow
from xorexport.runtimes.batching import fixed_batch
from xorexport.samples import SampleSet
from xorexport.spec import Artifact, FileDigest, GoldenSet, Manifest, Precision, Refusal
from xorexport.tracing import noise
from xorexport.tracing.plans import Plan
from xorexport.tracing.randomness import check_repeatable, check_rows
from xorexport.tracing.trace import Traced, trace
from xorexport.verification import digests
from xorexport.verification.budgets import budgets_of
from xorexport.verification.verify import Selection, tolerances_of, verify

CALIBRATION_BATCH = 32
"""Rows a run of the quantisers: larger batches are faster, and their ranges are the same."""
BAD = (Outcome.FAIL, Outcome.ERROR)


@dataclass
class Draft:
    """A bundle that is being written below `root`.

    Attributes:
        left_out: formats that such a model cannot have, and that nobody asked for.
    """

    request: ExportRequest
    candidate: Candidate
    root: Path
    listener: Listener
    left_out: tuple[Refusal, ...] = ()
    artifacts: list[Artifact] = field(default_factory=list)
    rows: list[ParityRow] = field(default_factory=list)
    budgets: list[BudgetRow] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    @cached_property
    def traced(self) -> Traced:
        """The model as it is."""
        return trace(self.candidate.model, self.candidate.interface)

    @cached_property
    def manifest(self) -> Manifest:
        """What is known before any format is written; golden data is recorded on the way."""
        first = self.candidate.samples[0]
        check_repeatable(self.traced, first.inputs)
        info = facts.model_info(self.request, self.candidate, self.traced.signature)
        golden = tuple(self._golden(samples) for samples in self.candidate.samples)
        folder = self.root / "golden"
        by_output = {} if self.request.tolerance else noise.tolerances(self.traced, first)
        usual = self.request.tolerance or min(by_output.values(), key=lambda own: (own.rtol, own.atol))
        return Manifest(
            seal="",
            manifest_version=bundle.MANIFEST_VERSION,
            model=info,
            signature=self.traced.signature,
            artifacts=(),
            golden=golden,
            tolerances={Precision.FLOAT32: usual},
            output_tolerances={name: own for name, own in by_output.items() if own != usual},
            versions=facts.versions(),
            settings=self.candidate.settings,
            files=bundle.digest_files(self.root, folder) if folder.exists() else (),
        )

    def written(self, exporters: Mapping[str, Exporter]) -> ParityReport:
        """Write every format in every precision, and seal the bundle.

        Returns:
            The report; its exit code says whether the bundle is whole.

        Raises:
            ExportError: a format cannot hold the model, and the request does not say to keep going.
            ModelError: there is nothing to compare with.
        """
        options = ExportOptions(
            opset=self.request.opset, metadata=facts.metadata_of(self.manifest.model, self.manifest.versions)
        )
        for format_name, exporter in exporters.items():
            with self._refusing(format_name, Precision.FLOAT32):
                artifact, rows = self._settled(format_name, exporter, options)
                kept = self._kept(artifact, rows)
                for precision in self.request.precisions_of(exporter.precisions) if kept else ():
                    with self._refusing(format_name, precision):
                        self._quantize(exporter, artifact, precision)
                if kept and self._replaced(exporter):
                    self._drop(artifact)
        return self._sealed()

    @contextmanager
    def _refusing(self, format_name: str, precision: Precision) -> Iterator[None]:
        """Record a refusal and go on, where the request says so."""
        try:
            yield
        except ExportError as error:
            if not self.request.keep_going:
                raise
            self.refused.append(Refusal(format=format_name, precision=precision, reason=str(error)))
            self.listener.step(f"refused {format_name} {precision}")

    def _kept(self, artifact: Artifact, rows: tuple[ParityRow, ...], too_much: str = "") -> bool:
        """Take an artifact and its rows into the bundle; its rows alone where it does not match and others shall go on.

        Args:
            too_much: why it costs more than the user allows, or empty.

        Returns:
            Whether the artifact is in the bundle, and matches.
        """
        matches = _matches(rows) and not too_much
        if matches or not self.request.keep_going:
            self.rows.extend(rows)
            self.artifacts.append(artifact)
            return matches
        self._remove(artifact)
        # What an engine cannot run is no use to anybody, which is a refusal; what it gets wrong is a mismatch as well.
        if any(row.outcome is Outcome.FAIL for row in rows):
            self.rows.extend(rows)
        worst_first = (row.reason for outcome in (*BAD, Outcome.SKIPPED) for row in rows if row.outcome is outcome)
        reason = too_much or next(worst_first, "no engine runs it")
        self.refused.append(Refusal(format=artifact.format, precision=artifact.precision, reason=reason))
        return matches

    def _quantize(self, exporter: Exporter, artifact: Artifact, precision: Precision) -> None:
        """Write an artifact again in another precision, measure what that costs, and run it on every engine."""
        calibration = Calibration(self._calibration_batches(artifact), self.request.integer_ends)
        quantized = exporter.quantized(artifact, precision, calibration, self.root)
        try:
            budget = budgets_of(self._bundle(quantized), quantized, Selection())
        except XorexportError as error:
            self._remove(quantized)
            raise _as_export_error(error, f"{artifact.format} {precision}", self.candidate.name) from error
        quantized = msgspec.structs.replace(quantized, budget=budget)
        reasons = [excess(of_output, self.request.max_error, self.request.max_flips) for of_output in budget]
        for of_output, reason in zip(budget, reasons, strict=True):
            outcome = Outcome.FAIL if reason else Outcome.PASS
            self.budgets.append(BudgetRow(artifact=quantized.path, outcome=outcome, budget=of_output, reason=reason))
        self._tell(quantized)
        self._kept(quantized, self._verified(quantized), "; ".join(filter(None, reasons)))

    def _calibration_batches(self, artifact: Artifact) -> list[dict[str, np.ndarray]] | None:
        """The rows to calibrate on in batches that the artifact takes; what does not fill a fixed batch is left out."""
        if self.candidate.calibration is None:
            return None
        arrays = to_artifact(self.candidate.calibration, artifact.signature.inputs)
        fixed = fixed_batch(artifact.signature)
        size, rows = fixed or CALIBRATION_BATCH, len(next(iter(arrays.values())))
        last = rows - rows % size if fixed else rows
        return [{name: array[i : i + size] for name, array in arrays.items()} for i in range(0, last, size)]

    def _replaced(self, exporter: Exporter) -> bool:
        """Whether other precisions than float32 were asked for, of which the format has one; else float32 stays."""
        wanted = self.request.precisions
        return Precision.FLOAT32 not in wanted and bool(self.request.precisions_of(exporter.precisions))

    def _drop(self, artifact: Artifact) -> None:
        """Take an artifact out again that nobody asked for."""
        self._remove(artifact)
        self.artifacts.remove(artifact)
        self.rows = [row for row in self.rows if row.artifact != artifact.path]

    def _settled(
        self, format_name: str, exporter: Exporter, options: ExportOptions
    ) -> tuple[Artifact, tuple[ParityRow, ...]]:
        """Write a format by the first of its plans whose file matches on every engine.

        Where none does, the first file that could be written stays, with the rows that say what is wrong with it.
        """
        refusal: ExportError | ModelError | None = None
        wrong: Plan | None = None
        for plan in exporter.plans(self.traced):
            try:
                artifact, rows = self._tried(plan, format_name, exporter, options)
            except (ExportError, ModelError) as error:
                refusal = refusal or error
                continue
            if _matches(rows):
                self._tell(artifact)
                return artifact, rows
            self._remove(artifact)
            wrong = wrong or plan
        if wrong is not None:
            return self._tried(wrong, format_name, exporter, options)
        assert refusal is not None, f"{format_name} has no plan"
        raise _as_export_error(refusal, format_name, self.candidate.name)

    def _tried(
        self, plan: Plan, format_name: str, exporter: Exporter, options: ExportOptions
    ) -> tuple[Artifact, tuple[ParityRow, ...]]:
        """Write a format by one plan, and run what was written."""
        traced = self.traced.retraced(plan)
        artifact = exporter.export(traced, options, self.candidate.name, self.root, format_name)
        rows = self._verified(artifact)
        if _matches(rows) and all(ENGINES[row.engine].reference for row in rows if row.outcome is Outcome.PASS):
            self._remove(artifact)
            raise ExportError(
                f"{format_name} export of '{self.candidate.name}'",
                expected="a file that engines run which are there to be deployed",
                found=next((row.reason for row in rows if row.outcome is Outcome.SKIPPED), "none that could be tried"),
                remedy=f"replace what it names, or leave {format_name} out with --format",
            )
        return artifact, rows

    def _verified(self, artifact: Artifact) -> tuple[ParityRow, ...]:
        """Run one artifact on every engine."""
        draft = self._bundle(artifact)
        # The user's own classes are here now; a later `verify` imports them itself.
        with classes_known(self.candidate.model):
            rows = verify(
                draft,
                Selection(unsafe=self.request.unsafe, whole=True),
                tuple(digests.file_rows(self.root, draft.manifest)),
                self.listener.working,
            ).parity
        # The staging folder is gone when somebody reads this.
        return tuple(msgspec.structs.replace(row, reason=row.reason.replace(f"{self.root}/", "")) for row in rows)

    def _bundle(self, artifact: Artifact) -> bundle.Bundle:
        return bundle.Bundle(self.root, msgspec.structs.replace(self.manifest, artifacts=(artifact,)))

    def _tell(self, artifact: Artifact) -> None:
        notes = f" ({'; '.join(artifact.notes)})" if artifact.notes else ""
        self.listener.step(f"wrote {artifact.path}, {artifact.size:,} bytes{notes}")

    def _remove(self, artifact: Artifact) -> None:
        for file in artifact.files:
            (self.root / file.path).unlink(missing_ok=True)
        shutil.rmtree(self.root / artifact.path, ignore_errors=True)

    def _golden(self, samples: SampleSet) -> GoldenSet:
        """Record what `predict` returns for a set of samples.

        Raises:
            ModelError: a prediction is not finite, so there is nothing to compare with.
        """
        outputs = predict(
            self.candidate.model,
            self.candidate.interface,
            self.traced.signature,
            samples.inputs,
            batch_size=max(samples.batch_sizes),
        )
        for name, array in outputs.items():
            if array.ndim == 0 or len(array) % samples.rows:
                raise ModelError(
                    f"model '{self.candidate.model.name}', output '{name}'",
                    expected="outputs with a row for each row of the inputs, so that a batch may have any size",
                    found=f"shape {list(array.shape)} for {samples.rows} rows",
                    remedy="fix the batch with --signature, or take the layers out that mix the rows",
                )
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ModelError(
                    f"model '{self.candidate.model.name}', output '{name}'",
                    expected="finite predictions to compare with",
                    found=f"{np.count_nonzero(~np.isfinite(array))} of {array.size} that are not",
                    remedy="look for a division, logarithm or overflow in the layers behind it",
                )
        check_rows(self.traced, samples.inputs, outputs)
        golden = GoldenSet(
            name=samples.name,
            description=samples.description,
            batch_sizes=samples.batch_sizes,
            row_names=samples.row_names,
            inputs={},
            outputs={},
        )
        return bundle.record_golden(self.root, golden, {"inputs": samples.inputs, "outputs": outputs})

    def _sealed(self) -> ParityReport:
        """Write the report and the manifest."""
        manifest = msgspec.structs.replace(
            self.manifest, artifacts=tuple(self.artifacts), refused=(*self.left_out, *self.refused)
        )
        passed = {row.artifact for row in self.rows if row.outcome is Outcome.PASS}
        report = ParityReport(
            model=manifest.model.name,
            equivalence=self.candidate.equivalence,
            digests=tuple(digests.file_rows(self.root, manifest)),
            parity=tuple(self.rows),
            budgets=tuple(self.budgets),
            notes={artifact.path: artifact.notes for artifact in self.artifacts if artifact.notes},
            tolerances=tolerances_of(manifest),
            refused=tuple(self.refused),
            unverified=tuple(artifact.path for artifact in manifest.artifacts if artifact.path not in passed),
            whole=True,
        )
        (self.root / bundle.REPORT).write_bytes(json_report.render(report, timings=False))
        files: tuple[FileDigest, ...] = bundle.digest_files(self.root, self.root / bundle.REPORT)
        manifest = msgspec.structs.replace(manifest, files=(*manifest.files, *files))
        (self.root / bundle.MANIFEST).write_bytes(bundle.seal(manifest))
        return report


def _matches(rows: tuple[ParityRow, ...]) -> bool:
    """Whether an engine ran the artifact, and none found it wrong."""
    outcomes = {row.outcome for row in rows}
    return Outcome.PASS in outcomes and not outcomes.intersection(BAD)


def _as_export_error(error: XorexportError, format_name: str, name: str) -> ExportError:
    """A cure may fail on the model itself, which is the format's trouble, not the model's."""
    if isinstance(error, ExportError):
        return error
    return ExportError(
        f"{format_name} export of '{name}'", expected=error.expected, found=error.found, remedy=error.remedy
    )
