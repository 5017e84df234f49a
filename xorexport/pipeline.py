"""The main job: build, train, compare, export, verify, publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from xorexport.candidates import default_network, given_model
from xorexport.drafting import Draft
from xorexport.errors import UsageError
from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.network import weights
from xorexport.network.loading import about, classes_of, writable
from xorexport.progress import Listener
from xorexport.publishing import staged
from xorexport.registry import FORMATS, load
from xorexport.request import ExportRequest
from xorexport.results import ParityReport
from xorexport.spec import Precision

__all__ = ["ExportRequest", "export"]


class _RejectedError(Exception):
    """Carries the report of a bundle that does not match, past the publishing of it."""

    def __init__(self, report: ParityReport) -> None:
        super().__init__()
        self.report = report


def _check_options(request: ExportRequest, exporters: Mapping[str, Exporter]) -> None:
    """Refuse what none of the formats has: an opset, or a precision.

    Raises:
        UsageError: it names the option, and formats that have it.
    """
    if request.opset is not None and not any(exporter.opsets for exporter in exporters.values()):
        raise UsageError(
            "--opset", expected="it together with --format onnx", found=", ".join(exporters), remedy="leave it out"
        )
    known = {Precision.FLOAT32, *(precision for exporter in exporters.values() for precision in exporter.precisions)}
    for precision in request.precisions:
        if precision not in known:
            every = {name: load(entry.exporter, f"format {name}") for name, entry in FORMATS.items()}
            having = [name for name, exporter in every.items() if precision in exporter.precisions]
            raise UsageError(
                "--precision",
                expected=f"a --format that has {precision}: {' or '.join(having)}",
                found=", ".join(exporters),
                remedy="add one of these, or leave this precision out",
            )


def export(request: ExportRequest, destination: Path, listener: Listener | None = None) -> ParityReport:
    """Make a bundle of a model at `destination`, and verify it there before it takes its place.

    Returns:
        The report. Where its exit code is not 0, nothing was published and `destination` is as it was; unless the
        request says to keep going, and a format is left that matches.

    Raises:
        XorexportError: the model, the options or the destination cannot be used.
    """
    listener = listener or Listener()
    request.check()
    formats, notes = writable(request.model, request.formats, tuple(FORMATS))
    for note in notes:
        listener.step(f"note: {note}")
    exporters = {name: load(FORMATS[name].exporter, f"format {name}") for name in formats}
    _check_options(request, exporters)
    for exporter in exporters.values():
        exporter.check(ExportOptions(opset=request.opset))
    try:
        # Staged before anything else, so that a destination that cannot be written costs no training.
        with classes_of(request.imports), staged(destination) as root:
            prepare = default_network if request.model is None else given_model
            candidate = prepare(request, listener)
            with about(candidate.model, request.model):
                weights.check_usable(candidate.model)
                report = Draft(request, candidate, root, listener).written(exporters)
            if report.exit_code and not (request.keep_going and report.passed):
                raise _RejectedError(report)
    except _RejectedError as rejected:
        return rejected.report
    return report
