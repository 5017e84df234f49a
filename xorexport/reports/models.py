"""What became of many models: a table for people, one document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from xorexport.errors import EXIT_OK
from xorexport.reports import json
from xorexport.results import ModelResult, common_exit_code

COLUMNS = ("model", "bundle", "outcome", "formats", "max abs", "s")
REASONS = 3
"""How many are shown of one model's."""
COUNTED = {"does not match": "not matching"}
"""Outcomes as they are counted, where that is in other words."""


def render(results: Sequence[ModelResult], console: Console) -> None:
    """Print a line for each model, the reasons of those that are not whole, and how many there are of each kind."""
    shown = Table(title="Models", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in COLUMNS:
        # A path is the one cell that may be long.
        shown.add_column(column, no_wrap=column != "bundle", overflow="fold")
    for result in results:
        shown.add_row(
            escape(result.name),
            escape(result.bundle or "-"),
            _styled(result),
            escape(", ".join(result.formats)),
            "" if result.max_abs is None else f"{result.max_abs:.1e}",
            f"{result.seconds:.1f}",
        )
    console.print(shown)
    for result in results:
        more = len(result.reasons) - REASONS
        for reason in (*result.reasons[:REASONS], *([f"and {more} more, see --json"] if more > 0 else [])):
            console.print(f"[bold]{escape(result.name)}[/]: {escape(reason)}", highlight=False, soft_wrap=True)
    console.print(_summary(results), highlight=False)


def document(results: Sequence[ModelResult]) -> dict[str, Any]:
    """All of it as JSON; a report is as `xorexport export --json` prints it."""
    return {"exit_code": common_exit_code(results), "models": [_fields(result) for result in results]}


def _fields(result: ModelResult) -> dict[str, Any]:
    report = None if result.report is None else msgspec.Raw(json.render(result.report, timings=True))
    fields = {name: getattr(result, name) for name in result.__struct_fields__}
    return {**fields, "report": report}


def _styled(result: ModelResult) -> str:
    style = "bold red" if result.bundle is None else "yellow" if result.exit_code else "green"
    return f"[{style}]{escape(result.outcome)}[/]"


def _summary(results: Sequence[ModelResult]) -> str:
    """For example `3 complete, 1 failed`."""
    kinds = Counter(_kind(result) for result in results)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _kind(result: ModelResult) -> str:
    if result.bundle is not None:
        return "complete" if result.exit_code == EXIT_OK else "incomplete"
    return COUNTED.get(result.outcome, result.outcome)
