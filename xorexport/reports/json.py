"""The report as JSON, for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from xorexport.results import ParityReport


def render(report: ParityReport, timings: bool) -> bytes:
    """UTF-8 JSON, indented, with a final newline.

    Args:
        timings: whether to write what varies from run to run; a bundle's report leaves it out.
    """
    if not timings:
        rows = tuple(msgspec.structs.replace(row, seconds=None) for row in report.parity)
        report = msgspec.structs.replace(report, parity=rows)
    value: dict[str, Any] = {"exit_code": report.exit_code, **msgspec.to_builtins(report)}
    if not timings:
        for row in value["parity"]:
            del row["seconds"]
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
