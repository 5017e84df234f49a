"""The report as tables, for people."""

from __future__ import annotations

from collections import Counter

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from xorexport.errors import EXIT_OK
from xorexport.results import BudgetRow, EquivalenceRow, Outcome, ParityReport, ParityRow

LONG = "what was compared"
"""The one column whose cells may be broken."""
COLUMNS = {
    "engine": 0,
    "inputs": 0,
    "outcome": 0,
    "max abs": 0,
    "max rel": 0,
    "ulp": 90,
    "flips": 0,
    "ms": 90,
    "worst input": 110,
}
"""Columns of the table of predictions, and how wide the terminal has to be for each."""
USUAL = 1e-5
"""A tolerance that is not worth a line."""
BUDGET_COLUMNS = ("artifact", "output", "outcome", "max abs", "mean abs", "dB", "flips")
STYLES = {
    Outcome.PASS: "green",
    Outcome.FAIL: "bold red",
    Outcome.ERROR: "bold red",
    Outcome.SKIPPED: "yellow",
}


def render(report: ParityReport, console: Console) -> None:
    """Print equivalence, digests, predictions and the verdict."""
    if report.equivalence:
        equivalence(report.equivalence, console)
    if report.digests:
        _digests(report, console)
    if report.parity:
        _parity(report, console)
    for path, notes in report.notes.items():
        console.print(f"[yellow]NOTE[/] {escape(path)}: {escape('; '.join(notes))}", highlight=False, soft_wrap=True)
    for name, tolerance in report.tolerances.items():
        if max(tolerance.rtol, tolerance.atol) > USUAL:
            line = f"'{name}' may differ by {tolerance.atol:g} + {tolerance.rtol:g} times its value"
            console.print(f"[yellow]NOTE[/] {escape(line)}", highlight=False, soft_wrap=True)
    if report.budgets:
        _budgets(report.budgets, console)
    _reasons(report, console)
    _verdict(report, console)


def equivalence(rows: tuple[EquivalenceRow, ...], console: Console, title: str = "Sequential and Functional") -> None:
    """Print the rows of a comparison of two Keras models."""
    table = _table(title, "check", "outcome", LONG)
    for row in rows:
        table.add_row(row.check, outcome(row.outcome), escape(row.detail))
    console.print(table)


def outcome(value: Outcome) -> str:
    """An outcome in its colour."""
    return f"[{STYLES[value]}]{value}[/]"


def _digests(report: ParityReport, console: Console) -> None:
    failed = [row for row in report.digests if row.outcome is not Outcome.PASS]
    console.print(
        f"Digests: {len(report.digests) - len(failed)} of {len(report.digests)} files are as the manifest says "
        f"{outcome(Outcome.FAIL if failed else Outcome.PASS)}"
    )
    for row in failed:
        console.print(f"  {outcome(row.outcome)} {escape(row.path)}: {escape(row.reason)}", highlight=False)


def _parity(report: ParityReport, console: Console) -> None:
    columns = [name for name, least in COLUMNS.items() if console.width >= least]
    table = _table("Predictions against the reference", *columns)
    artifact = None
    for row in report.parity:
        if row.artifact != artifact:
            artifact = row.artifact
            table.add_row(f"[bold]{escape(artifact)}[/]")
        cells = _cells(row)
        table.add_row(*(cells[name] for name in columns))
    console.print(table)


def _cells(row: ParityRow) -> dict[str, str]:
    return {
        "engine": f"  {row.engine}",
        "inputs": "" if row.batch is None else f"{escape(row.golden)} by {row.batch}",
        "outcome": outcome(row.outcome),
        "max abs": _largest(row, "max_abs"),
        "max rel": _largest(row, "max_rel"),
        "ulp": _integer(row, "max_ulp"),
        "flips": _integer(row, "flips"),
        "ms": "" if row.seconds is None else f"{1000 * row.seconds:.1f}",
        "worst input": escape(row.worst_input),
    }


def _budgets(rows: tuple[BudgetRow, ...], console: Console) -> None:
    table = _table("What quantising costs, held against the Keras model", *BUDGET_COLUMNS)
    for row in rows:
        budget = row.budget
        numbers = (_number(budget.max_abs, ".1e"), _number(budget.mean_abs, ".1e"), _number(budget.snr_db, ".1f"))
        flips = "" if budget.flips is None else f"{budget.flips} of {budget.rows}"
        table.add_row(escape(row.artifact), escape(budget.output), outcome(row.outcome), *numbers, flips)
    console.print(table)
    for row in rows:
        if row.reason:
            console.print(f"{outcome(row.outcome)} {escape(row.artifact)}: {escape(row.reason)}", highlight=False)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _reasons(report: ParityReport, console: Console) -> None:
    """Why rows did not pass, once for each engine: a table cell is too narrow for it."""
    seen = set()
    for row in report.parity:
        line = f"{row.artifact} on {row.engine}: {row.reason}"
        if row.outcome is not Outcome.PASS and line not in seen:
            seen.add(line)
            console.print(f"{outcome(row.outcome)} {escape(line)}", highlight=False, soft_wrap=True)
    for refusal in report.refused:
        line = f"{refusal.format} {refusal.precision}: {refusal.reason}"
        console.print(f"[bold red]REFUSED[/] {escape(line)}", highlight=False, soft_wrap=True)
    for path in report.unverified:
        found = outcome(Outcome.ERROR if report.whole else Outcome.SKIPPED)
        console.print(f"{found} {escape(path)}: no engine ran it and matched", highlight=False)


def _verdict(report: ParityReport, console: Console) -> None:
    counts = Counter(row.outcome for row in report.rows())
    total = ", ".join(f"{counts[value]} {value}" for value in Outcome if counts[value])
    matches = "what ran matches" if counts[Outcome.SKIPPED] else "everything matches"
    if report.refused:
        total += f", {len(report.refused)} refused"
    words = {0: f"[green]{matches}[/]", 1: "[bold red]something does not match[/]"}
    left = f"[yellow]{matches} but for what was refused[/]" if _only_refused(report) else "[bold red]not verified[/]"
    console.print(f"{total}: {words.get(report.exit_code, left)}", highlight=False)


def _only_refused(report: ParityReport) -> bool:
    """Whether all that was written matches."""
    return bool(report.refused) and msgspec.structs.replace(report, refused=()).exit_code == EXIT_OK


def _largest(row: ParityRow, field: str) -> str:
    values = [getattr(output, field) for output in row.outputs if getattr(output, field) is not None]
    return f"{max(values):.1e}" if values else ""


def _integer(row: ParityRow, field: str) -> str:
    values = [getattr(output, field) for output in row.outputs if getattr(output, field) is not None]
    return str(max(values)) if values else ""


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column != LONG)
    return table
