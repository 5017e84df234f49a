"""The command line: parses arguments, calls one function, prints one result."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xorexport import arguments
from xorexport.errors import EXIT_MISMATCH, EXIT_OK, EXIT_TROUBLE, UsageError, XorexportError

if TYPE_CHECKING:
    from rich.console import Console

    from xorexport.results import EquivalenceRow, ParityReport

INTERRUPTED = 130
"""What shells return for a program that Ctrl-C ended."""


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code. Every `XorexportError` becomes one line on standard error."""
    try:
        options = arguments.parser().parse_args(argv)
        code = COMMANDS[options.command](options)
        sys.stdout.flush()
    except XorexportError as error:
        print(f"xorexport: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("xorexport: interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        return _output_failed(error)
    return code


def _output_failed(error: OSError) -> int:
    """End quietly where the reader of standard output has gone, and with a line where it takes no more."""
    if not isinstance(error, BrokenPipeError):
        subject = error.filename or "standard output"
        found = error.strerror or str(error)
        print(f"xorexport: {subject}: expected a place to write to, found '{found}'; free it", file=sys.stderr)
    # What is still buffered would fail again at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return EXIT_TROUBLE


def export(options: argparse.Namespace) -> int:
    """`xorexport export`."""
    from xorexport.pipeline import export as export_model

    request = _request(options)
    with _listener(options.json) as listener:
        report = export_model(request, options.output, listener)
    _print_report(report, options.json)
    if not options.json:
        if report.exit_code == EXIT_OK:
            print(f"{options.output} is complete.")
        else:
            print(f"{options.output} was not written, because of the rows above.", file=sys.stderr)
    return report.exit_code


def verify(options: argparse.Namespace) -> int:
    """`xorexport verify`."""
    from xorexport.verification.verify import Selection, verify_folder

    selection = Selection(
        formats=tuple(options.format),
        engines=tuple(options.engine),
        required=tuple(options.require),
        digests=not options.no_digests,
        unsafe=options.unsafe,
    )
    with _listener(options.json) as listener:
        report = verify_folder(options.bundle, selection, listener.working)
    if options.report:
        _write_report(report, options.report, options.bundle)
    _print_report(report, options.json)
    return report.exit_code


def compare(options: argparse.Namespace) -> int:
    """`xorexport compare`."""
    from xorexport.network.equivalence import compare as compare_models
    from xorexport.network.loading import load_model
    from xorexport.results import Outcome

    first, second = (load_model(source, options.unsafe) for source in (options.first, options.second))
    rows = compare_models(first, second, seed=options.seed)
    outcomes = {row.outcome for row in rows}
    decided = Outcome.PASS in outcomes and Outcome.ERROR not in outcomes
    code = EXIT_MISMATCH if Outcome.FAIL in outcomes else EXIT_OK if decided else EXIT_TROUBLE
    if options.json:
        _print_json({"exit_code": code, "rows": rows})
    else:
        _print_equivalence(rows, f"{options.first} and {options.second}", code)
    return code


def inspect(options: argparse.Namespace) -> int:
    """`xorexport inspect`."""
    from xorexport.inspection import inspect as inspect_path
    from xorexport.reports import contents

    inspection = inspect_path(options.path)
    if options.json:
        _print_json(inspection)
    else:
        contents.render(inspection, _console())
    return EXIT_OK


def predict(options: argparse.Namespace) -> int:
    """`xorexport predict`."""
    from xorexport.prediction import predict as predict_row

    prediction = predict_row(options.bundle, options.values, options.engine, not options.no_digests, options.unsafe)
    if options.json:
        _print_json(prediction)
    else:
        for name, values in prediction.outputs.items():
            label = f"  ({prediction.labels[name]})" if name in prediction.labels else ""
            print(f"{name} = {', '.join(f'{value:.6g}' for value in values)}{label}")
    return EXIT_OK


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "export": export,
    "verify": verify,
    "compare": compare,
    "inspect": inspect,
    "predict": predict,
}


def _request(options: argparse.Namespace) -> Any:
    from xorexport.network.architecture import Architecture
    from xorexport.network.training import TrainingSettings
    from xorexport.pipeline import ExportRequest
    from xorexport.spec import Tolerance

    training = {"loss": options.loss, "seed": options.seed, "max_epochs": options.max_epochs}
    given = {name: value for name, value in training.items() if value is not None}
    if options.model is not None and (given or options.hidden):
        raise UsageError(
            "options",
            expected="--hidden, --loss, --seed and --max-epochs for the default network alone",
            found=f"them together with the model {options.model}",
            remedy="leave them out, or leave MODEL out",
        )
    return ExportRequest(
        model=options.model,
        formats=tuple(dict.fromkeys(options.format)),
        architecture=Architecture(hidden=tuple(options.hidden)) if options.hidden else Architecture(),
        training=TrainingSettings(**given),
        opset=options.opset,
        tolerance=Tolerance(rtol=options.rtol, atol=options.atol),
        seed=options.samples_seed,
        description=options.description,
        labels=tuple(options.labels),
        unsafe=options.unsafe,
    )


def _listener(silent: bool) -> Any:
    from xorexport.reports.progress import Silent, Terminal

    return Silent() if silent else Terminal()


def _console() -> Console:
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    # A file or a pipe has no width of its own, and nobody to whom a folded table would be of use.
    return Output() if sys.stdout.isatty() else Output(width=160)


def _print_report(report: ParityReport, as_json: bool) -> None:
    if as_json:
        from xorexport.reports import json

        sys.stdout.write(json.render(report, timings=True).decode())
    else:
        from xorexport.reports import text

        text.render(report, _console())


def _print_equivalence(rows: tuple[EquivalenceRow, ...], title: str, code: int) -> None:
    from xorexport.reports import text

    console = _console()
    text.equivalence(rows, console, title)
    made = sum(row.outcome in ("PASS", "FAIL") for row in rows)
    verdict = {EXIT_OK: "no difference found", EXIT_MISMATCH: "the models differ"}.get(code, "not compared")
    console.print(f"{verdict}, in {made} of {len(rows)} checks", highlight=False)


def _print_json(value: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _write_report(report: ParityReport, path: Path, bundle: Path) -> None:
    from xorexport.reports import json

    if path.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(
            "--report",
            expected="a path outside the bundle, which is sealed",
            found=str(path),
            remedy="write the report somewhere else",
        )
    try:
        path.write_bytes(json.render(report, timings=True))
    except OSError as error:
        raise UsageError(
            "--report",
            expected="a file that can be written",
            found=f"{path}: {error.strerror}",
            remedy="choose another path",
        ) from error
