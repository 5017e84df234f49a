"""Exports and verifies the zoo, one model a process, and prints a table: `make zoo ARGS="recurrent --jobs 2"`."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import msgspec

import zoo.models  # noqa: F401
from xorexport.registry import FORMATS
from zoo.registry import ZOO, Kind
from zoo.result import Result, State, Verdict, judge
from zoo.running import Limits, run

GOOD = (Verdict.MATCHES, Verdict.REFUSED)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    kinds = _chosen(options)
    if options.list:
        for kind in kinds:
            print(f"{kind.name:30} {kind.group:20} {kind.purpose}")
        return 0
    formats = tuple(options.format or FORMATS)
    limits = Limits(options.timeout, options.memory)
    print(_header(formats), flush=True)
    results: dict[str, Result] = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(run, kind.name, formats, limits): kind for kind in kinds}
        for future in as_completed(futures):
            kind, result = futures[future], future.result()
            verdict = judge(result, kind.refused)
            results[kind.name] = msgspec.structs.replace(result, group=kind.group, verdict=verdict)
            print(_line(results[kind.name], formats), flush=True)
            if options.json:
                _write(options.json, kinds, results)
    print(_summary(list(results.values())))
    return 0 if all(result.verdict in GOOD for result in results.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make zoo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="models or groups; none: all")
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="only this one (again for more)")
    parser.add_argument("--sample", action="store_true", help="only the part that runs in the ordinary tests")
    parser.add_argument("--list", action="store_true", help="list the models, and run none")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found there")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="for one model (600)")
    parser.add_argument("--memory", type=int, default=12000, metavar="MB", help="for one model (12000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time (one a core)")
    return parser


def _chosen(options: argparse.Namespace) -> list[Kind]:
    known = {*ZOO, *(kind.group for kind in ZOO.values())}
    if unknown := [name for name in options.names if name not in known]:
        raise SystemExit(f"make zoo: expected names or groups of models, found {', '.join(unknown)}; --list lists them")
    return [
        kind
        for kind in ZOO.values()
        if (not options.names or kind.name in options.names or kind.group in options.names)
        and (kind.sample or not options.sample)
    ]


def _header(formats: Sequence[str]) -> str:
    states = " ".join(f"{name:10}" for name in formats)
    return f"{'model':36} {'group':20} {'verdict':10} {states} max abs  batches        s    MB"


def _line(result: Result, formats: Sequence[str]) -> str:
    states = " ".join(f"{result.formats[name].state.value:10}" for name in formats)
    error = f"{result.max_abs:.1e}" if result.max_abs is not None else "-"
    batches = ",".join(map(str, result.batches)) or "-"
    line = (
        f"{result.name:36} {result.group:20} {result.verdict:10} {states} {error:8} {batches:10} "
        f"{result.seconds:5.1f} {result.peak_mb:5}"
    )
    return "\n".join([line, *_remarks(result)])


def _remarks(result: Result) -> list[str]:
    """A line for everything that a state alone does not say; what several formats share stands once."""
    by_text: dict[str, list[str]] = {}
    for name, found in result.formats.items():
        texts = [found.reason] if found.state is not State.OK else []
        for text in (*texts, *(f"note: {note}" for note in found.notes)):
            by_text.setdefault(text, []).append(name)
    problems = [f"    {problem}" for problem in result.problems]
    return problems + [f"    {', '.join(names)}: {text}" for text, names in by_text.items()]


def _summary(results: list[Result]) -> str:
    verdicts = Counter(result.verdict for result in results)
    counts = ", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict)
    bad = [result.name for result in results if result.verdict not in GOOD]
    return f"{len(results)} models: {counts}" + (f"\nnot as they should be: {' '.join(bad)}" if bad else "")


def _write(path: Path, kinds: Sequence[Kind], results: dict[str, Result]) -> None:
    """All results so far, in the zoo's order."""
    ordered = [results[kind.name] for kind in kinds if kind.name in results]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(ordered)))


if __name__ == "__main__":
    sys.exit(main())
