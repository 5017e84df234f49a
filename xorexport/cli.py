"""The command line: parses arguments, calls one function, prints one result."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xorexport import arguments
from xorexport.errors import EXIT_MISMATCH, EXIT_OK, EXIT_TROUBLE, UsageError, XorexportError

if TYPE_CHECKING:
    from rich.console import Console

    from xorexport.prediction import Predictions
    from xorexport.results import EquivalenceRow, ParityReport
    from xorexport.spec import Precision, Tolerance

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
    if options.each or len(options.model) > 1:
        return _export_each(options)
    from xorexport.pipeline import export as export_model

    request = _request(options, options.model[0] if options.model else None)
    with _listener(options.json) as listener, _results_alone():
        report = export_model(request, options.output, listener)
    _print_report(report, options.json)
    if not options.json:
        if report.exit_code == EXIT_OK:
            print(f"{options.output} is complete.")
        elif request.keep_going and report.passed:
            print(f"{options.output} is complete but for what is named above.", file=sys.stderr)
        else:
            print(f"{options.output} was not written, because of the rows above.", file=sys.stderr)
    return report.exit_code


def _export_each(options: argparse.Namespace) -> int:
    """`xorexport export` of many models: one bundle, one process and one line of the table for each."""
    from xorexport import many
    from xorexport.reports import models
    from xorexport.results import common_exit_code

    if not options.model:
        raise UsageError("--each", expected="one MODEL or more", found="none", remedy="name them, or leave --each out")
    if options.samples == "-":
        raise UsageError(
            "--samples",
            expected="a file or a function, which every model can read anew",
            found="standard input",
            remedy="write it into a file, and name that",
        )
    jobs = many.default_jobs() if options.jobs is None else options.jobs
    with _listener(options.json) as listener:
        results = many.export_each(options.model, options.output, partial(_request, options), jobs, listener)
    if options.json:
        _print_json(models.document(results))
    else:
        models.render(results, _console())
    return common_exit_code(results)


def verify(options: argparse.Namespace) -> int:
    """`xorexport verify`."""
    from xorexport.verification.single import DEFAULT, check_no_single_file, verify_file
    from xorexport.verification.verify import Selection, verify_folder

    selection = Selection(
        formats=tuple(options.format),
        engines=tuple(options.engine),
        required=tuple(options.require),
        digests=not options.no_digests,
        unsafe=options.unsafe,
        imports=tuple(options.imports),
    )
    tolerance = _tolerance(options.rtol, options.atol)
    with _listener(options.json) as listener, _results_alone():
        if options.golden is not None:
            if options.no_digests:
                raise UsageError(
                    "--no-digests",
                    expected="it with a bundle alone",
                    found="a single file, which has none",
                    remedy="leave it out",
                )
            report = verify_file(options.bundle, options.golden, selection, tolerance or DEFAULT, listener.working)
        elif tolerance is None:
            check_no_single_file(options.bundle)
            report = verify_folder(options.bundle, selection, listener.working)
        else:
            raise UsageError(
                "--rtol and --atol",
                expected="them together with --golden",
                found="a bundle, whose manifest says how exact predictions have to be",
                remedy="leave them out",
            )
    if options.report:
        _write_report(report, options.report, options.bundle)
    _print_report(report, options.json)
    return report.exit_code


def compare(options: argparse.Namespace) -> int:
    """`xorexport compare`."""
    from xorexport.network.equivalence import compare as compare_models
    from xorexport.network.first_call import with_free_batch
    from xorexport.network.loading import load_model
    from xorexport.results import Outcome

    with _results_alone():
        # As an export takes them, so that its .keras file can be compared with what it was made from.
        first, second = (
            with_free_batch(load_model(source, options.unsafe, tuple(options.imports)))[0]
            for source in (options.first, options.second)
        )
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
    from xorexport import prediction
    from xorexport.reports import predictions as shown

    if bool(options.values) == (options.input is not None):
        raise UsageError(
            "command line of xorexport predict",
            expected="the values of one row, or --input",
            found="both" if options.values else "neither",
            remedy="see xorexport predict --help",
        )
    if options.output:
        shown.check_target(options.output, options.bundle)
    choice = prediction.Choice(
        options.engine, options.precision, not options.no_digests, options.unsafe, tuple(options.imports)
    )
    with _results_alone():
        if options.input is None:
            predictions = prediction.predict_values(options.bundle, options.values, choice)
        else:
            predictions = prediction.predict_inputs(options.bundle, options.input, choice)
    if options.output:
        shown.write(predictions, options.output)
    _print_predictions(predictions, options)
    return EXIT_OK


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "export": export,
    "verify": verify,
    "compare": compare,
    "inspect": inspect,
    "predict": predict,
}


def _request(options: argparse.Namespace, model: str | None) -> Any:
    from xorexport.network.architecture import Architecture
    from xorexport.network.interface import parse_spec
    from xorexport.network.training import TrainingSettings
    from xorexport.pipeline import ExportRequest

    training = {"loss": options.loss, "seed": options.seed, "max_epochs": options.max_epochs}
    given = {name: value for name, value in training.items() if value is not None}
    if model is not None and (given or options.hidden):
        raise UsageError(
            "options",
            expected="--hidden, --loss, --seed and --max-epochs for the default network alone",
            found=f"them together with the model {model}",
            remedy="leave them out, or leave MODEL out",
        )
    return ExportRequest(
        model=model,
        formats=tuple(dict.fromkeys(options.format)),
        architecture=Architecture(hidden=tuple(options.hidden)) if options.hidden else Architecture(),
        training=TrainingSettings(**given),
        opset=options.opset,
        precisions=_precisions(options.precision),
        samples=options.samples,
        integer_ends=options.integer_ends,
        max_error=options.max_error,
        max_flips=options.max_flips,
        inputs=tuple(parse_spec(text) for text in options.signature),
        tolerance=_tolerance(options.rtol, options.atol),
        seed=options.samples_seed,
        description=options.description,
        labels=tuple(options.labels),
        preprocessing=options.preprocessing,
        postprocessing=options.postprocessing,
        keep_going=options.keep_going,
        unsafe=options.unsafe,
        imports=tuple(options.imports),
    )


def _precisions(names: Sequence[str]) -> tuple[Precision, ...]:
    """Precisions by name; float32 where none is given."""
    from xorexport.registry import check_names
    from xorexport.spec import Precision

    check_names("--precision", names, list(Precision))
    return tuple(dict.fromkeys(map(Precision, names))) or (Precision.FLOAT32,)


def _tolerance(rtol: float | None, atol: float | None) -> Tolerance | None:
    """What the user gave, filled up with the default; `None` where nothing was given."""
    from xorexport.spec import Tolerance

    if rtol is None and atol is None:
        return None
    return Tolerance(rtol=1e-5 if rtol is None else rtol, atol=1e-5 if atol is None else atol)


def _listener(silent: bool) -> Any:
    from xorexport.reports.progress import Silent, Terminal

    return Silent() if silent else Terminal()


def _results_alone() -> AbstractContextManager[Any]:
    """Send what the user's own modules print to standard error, since standard output is for results."""
    return redirect_stdout(sys.stderr)


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


def _print_predictions(predictions: Predictions, options: argparse.Namespace) -> None:
    """One row's values as they are; many rows a line each, or where they went to if that is a file."""
    from xorexport.prediction import flattened
    from xorexport.reports import predictions as shown

    single = options.input is None
    if options.json:
        _print_json(flattened(predictions) if single else shown.document(predictions))
        return
    for note in predictions.notes:
        print(f"note: {note}", file=sys.stderr)
    if options.output:
        print(shown.written(predictions, options.output))
        return
    for line in shown.row_lines(flattened(predictions)) if single else shown.lines(predictions):
        print(line)


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
