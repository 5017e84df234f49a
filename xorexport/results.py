"""What checking found out: one row a check. Reports render these and never recompute them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from xorexport.errors import EXIT_MISMATCH, EXIT_OK, EXIT_TROUBLE
from xorexport.spec import Budget, Precision, Refusal, Struct, Tolerance


class Outcome(StrEnum):
    """What became of a check."""

    PASS = "PASS"
    """It was run and matches."""
    FAIL = "FAIL"
    """It was run, or read, and does not match."""
    SKIPPED = "SKIPPED"
    """It was not run, for the reason that the row gives."""
    ERROR = "ERROR"
    """It could not be run: the engine failed, or something required is missing."""


class EquivalenceRow(Struct, frozen=True):
    """One aspect in which two Keras models were compared.

    Attributes:
        check: `topology`, `weights`, `predictions`, `gradients` or `training`.
        detail: what was compared, or the first difference.
    """

    check: str
    outcome: Outcome
    detail: str


class DigestRow(Struct, frozen=True):
    """One file of the bundle, read again from the disk."""

    path: str
    outcome: Outcome
    reason: str = ""


class Comparison(Struct, frozen=True):
    """One output against its reference.

    Attributes:
        max_abs: largest absolute difference; `None` where the arrays cannot be compared.
        max_rel: largest difference relative to the reference.
        max_ulp: largest difference in units in the last place, for information; `None` for integers.
        worst: index of the element that is furthest off in units of its tolerance, row first.
        flips: rows whose decision differs; `None` where the output makes none.
        reason: why it does not match, or empty.
    """

    output: str
    outcome: Outcome
    max_abs: float | None = None
    max_rel: float | None = None
    max_ulp: int | None = None
    worst: tuple[int, ...] = ()
    flips: int | None = None
    reason: str = ""


class ParityRow(Struct, frozen=True):
    """One artifact on one engine, with one golden set in one batch size.

    Attributes:
        golden: the golden set's name, or empty where the engine did not get that far.
        batch: rows a run, or `None` where the engine did not get that far.
        worst_input: the input row with the largest error, readable.
        seconds: of the runs alone, without opening; never written into a bundle.
    """

    artifact: str
    format: str
    precision: Precision
    engine: str
    outcome: Outcome
    golden: str = ""
    batch: int | None = None
    outputs: tuple[Comparison, ...] = ()
    worst_input: str = ""
    reason: str = ""
    seconds: float | None = None


class BudgetRow(Struct, frozen=True):
    """What quantising costs at one output of an artifact.

    Attributes:
        outcome: FAIL where it is more than the user allowed.
        reason: which limit it exceeds, or empty.
    """

    artifact: str
    outcome: Outcome
    budget: Budget
    reason: str = ""


Row = BudgetRow | EquivalenceRow | DigestRow | ParityRow


class ParityReport(Struct, frozen=True):
    """Every row of one verification, in the order in which it was made.

    Attributes:
        budgets: what quantising costs, measured when the bundle was made.
        refused: formats that the model was not written in.
        notes: what was done to the model for one artifact alone, by its path.
        tolerances: of each output of float32 artifacts, by canonical name.
        unverified: artifacts that no engine passed.
        whole: whether such artifacts are an error: when a bundle is made, and where their format was asked for by
            name; not where an engine just happens to be missing on the machine that checks the bundle.
    """

    model: str
    equivalence: tuple[EquivalenceRow, ...] = ()
    digests: tuple[DigestRow, ...] = ()
    parity: tuple[ParityRow, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    refused: tuple[Refusal, ...] = ()
    unverified: tuple[str, ...] = ()
    notes: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    tolerances: dict[str, Tolerance] = msgspec.field(default_factory=dict)
    whole: bool = False

    def rows(self) -> Iterator[Row]:
        """All rows, group by group."""
        yield from self.equivalence
        yield from self.digests
        yield from self.parity
        yield from self.budgets

    @property
    def passed(self) -> bool:
        """Whether anything matches that was not left out."""
        refused = {(refusal.format, refusal.precision) for refusal in self.refused}
        return any(row.outcome is Outcome.PASS and (row.format, row.precision) not in refused for row in self.parity)

    @property
    def exit_code(self) -> int:
        """1 where a row failed; 2 where one could not be run, something was refused or nothing passed; else 0."""
        outcomes = [row.outcome for row in self.rows()]
        if Outcome.FAIL in outcomes:
            return EXIT_MISMATCH
        if Outcome.ERROR in outcomes or self.refused or not self.passed or (self.whole and self.unverified):
            return EXIT_TROUBLE
        return EXIT_OK


class ModelResult(Struct, frozen=True):
    """What became of one of several models.

    Attributes:
        name: the model's, which its bundle's folder has as well.
        source: the model as the user named it.
        bundle: the bundle's folder, or `None` where none was written.
        seconds: from start to end.
        report: `None` where it did not come to one.
        error: why it did not.
    """

    name: str
    source: str
    bundle: str | None
    exit_code: int
    seconds: float
    report: ParityReport | None = None
    error: str | None = None

    @property
    def outcome(self) -> str:
        """In words: `complete`, `complete but for tflite`, `does not match` or `failed`."""
        if self.bundle is not None and self.report is not None:
            missing = ", ".join(artifact_kind(refusal.format, refusal.precision) for refusal in self.report.refused)
            return f"complete but for {missing}" if missing else "complete"
        return "does not match" if self.exit_code == EXIT_MISMATCH else "failed"

    @property
    def formats(self) -> tuple[str, ...]:
        """What its bundle holds, for example `tflite` or `tflite int8`."""
        rows = self._rows() if self.bundle is not None else ()
        return tuple(dict.fromkeys(artifact_kind(row.format, row.precision) for row in rows))

    @property
    def max_abs(self) -> float | None:
        """The largest error of a prediction, of what is in the bundle where there is one."""
        errors = [output.max_abs for row in self._rows() for output in row.outputs if output.max_abs is not None]
        return max(errors, default=None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is not whole, in one line each; none where it is."""
        if self.report is None:
            return (self.error,) if self.error else ()
        bad = (Outcome.FAIL, Outcome.ERROR)
        lines = [f"{row.check}: {row.detail}" for row in self.report.equivalence if row.outcome in bad]
        lines += [f"{row.path}: {row.reason}" for row in self.report.digests if row.outcome in bad]
        lines += [f"{row.artifact} on {row.engine}: {row.reason}" for row in self._rows() if row.outcome in bad]
        lines += [f"{row.artifact}: {row.reason}" for row in self.report.budgets if row.outcome in bad]
        lines += [f"{artifact_kind(found.format, found.precision)}: {found.reason}" for found in self.report.refused]
        lines += [f"{path}: no engine ran it and matched" for path in self.report.unverified]
        return tuple(dict.fromkeys(lines))

    def _rows(self) -> tuple[ParityRow, ...]:
        """Those of artifacts that were not left out."""
        if self.report is None:
            return ()
        refused = {(refusal.format, refusal.precision) for refusal in self.report.refused}
        return tuple(row for row in self.report.parity if (row.format, row.precision) not in refused)


def artifact_kind(format_name: str, precision: Precision) -> str:
    """A format in a precision, which goes without saying where it is float32."""
    return format_name if precision is Precision.FLOAT32 else f"{format_name} {precision}"


def common_exit_code(results: Sequence[ModelResult]) -> int:
    """1 where a model does not match; 2 where one could not be exported, or not whole; else 0."""
    codes = {result.exit_code for result in results}
    return next((code for code in (EXIT_MISMATCH, EXIT_TROUBLE) if code in codes), EXIT_OK)
