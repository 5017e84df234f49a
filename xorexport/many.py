"""Exports many models, each in a process of its own: one that crashes or runs out of memory takes no other with it.

A bundle has the bytes that exporting its model alone would give it, which it would not have from a process that goes
from model to model and counts names on. TensorFlow is imported in the workers alone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from xorexport import publishing
from xorexport.bundle import MANIFEST
from xorexport.errors import EXIT_OK, UsageError, XorexportError
from xorexport.progress import Listener
from xorexport.results import ModelResult, ParityReport
from xorexport.workers import Ended, Worker, Workers

if TYPE_CHECKING:
    from xorexport.request import ExportRequest

Asked = Callable[[str], "ExportRequest"]
"""Makes a model's request of its source; it has to be picklable."""
NOTE = "note: "
"""How steps begin that are shown, though they are not the model's last."""


def default_jobs() -> int:
    """Half of the cores that this process may use: one export keeps more than one busy, and its memory counts too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // 2)


def export_each(
    sources: Sequence[str], folder: Path, asked: Asked, jobs: int, listener: Listener
) -> tuple[ModelResult, ...]:
    """Export every model into a bundle of its own, `folder`/its name, whatever becomes of the others.

    Args:
        jobs: how many at once.

    Returns:
        One result a model, in the order of the sources.

    Raises:
        XorexportError: the options suit no model, two models have the same name, or `folder` is something else;
            nothing was exported.
    """
    if jobs < 1:
        raise UsageError(
            "--jobs", expected="1 or more", found=str(jobs), remedy=f"here {default_jobs()} is the default"
        )
    _check_folder(folder)
    with _made(folder), tempfile.TemporaryDirectory(prefix="xorexport-", ignore_cleanup_errors=True) as scratch:
        workers = Workers(Path(scratch))
        try:
            listener.working("starting TensorFlow")
            names = _names(workers, sources, asked)
            return _Exports(sources, names, folder, asked, workers, listener).all(jobs)
        finally:
            workers.stop()


def _check_folder(folder: Path) -> None:
    found = None
    if (folder / MANIFEST).exists():
        found = "a bundle"
    elif folder.exists() and not folder.is_dir():
        found = "a file"
    if found:
        raise UsageError(
            str(folder),
            expected="a folder for one bundle a model",
            found=found,
            remedy="choose another folder with -o",
        )


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Take a folder away again that came to be meanwhile and holds nothing."""
    existed = folder.exists()
    try:
        yield
    finally:
        if not existed:
            with suppress(OSError):
                folder.rmdir()


def _names(workers: Workers, sources: Sequence[str], asked: Asked) -> list[str]:
    """The models' names; what is wrong with the options is found out here, once."""
    worker = workers.start(partial(_checked, tuple(sources), asked), "options")
    while (ended := worker.heard()) is None:
        pass
    if ended.error:
        raise ended.error
    names: list[str] = ended.value
    first: dict[str, str] = {}
    for source, name in zip(sources, names, strict=True):
        key = os.path.normcase(name)
        if key in first:
            raise UsageError(
                f"models '{first[key]}' and '{source}'",
                expected="different names, which their bundles' folders get",
                found=f"'{name}' twice",
                remedy="rename one, or export them into different folders",
            )
        first[key] = source
    return names


class _Exports:
    """The exports of one command."""

    def __init__(
        self,
        sources: Sequence[str],
        names: Sequence[str],
        folder: Path,
        asked: Asked,
        workers: Workers,
        listener: Listener,
    ) -> None:
        self._sources = sources
        self._names = names
        self._folder = folder
        self._asked = asked
        self._workers = workers
        self._listener = listener
        self._running: dict[Worker, int] = {}
        self._results: dict[int, ModelResult] = {}

    def all(self, jobs: int) -> tuple[ModelResult, ...]:
        """Run up to `jobs` at once until none is left."""
        waiting = iter(range(len(self._sources)))
        while True:
            while len(self._running) < jobs and (number := next(waiting, None)) is not None:
                self._running[self._start(number)] = number
            if not self._running:
                return tuple(self._results[number] for number in range(len(self._sources)))
            self._listener.working(self._now())
            for worker in self._workers.wait(self._running):
                self._hear(worker)

    def _start(self, number: int) -> Worker:
        source, destination = self._sources[number], self._folder / self._names[number]
        task = partial(_exported, source, destination, self._asked)
        return self._workers.start(task, f"model '{source}'", partial(_sweep, destination))

    def _hear(self, worker: Worker) -> None:
        number = self._running[worker]
        before = worker.step
        ended = worker.heard()
        if ended is not None:
            del self._running[worker]
            self._finish(number, ended, time.monotonic() - worker.started)
        elif worker.step != before and worker.step.startswith(NOTE):
            self._listener.step(f"{self._names[number]}: {worker.step.removeprefix(NOTE)}")

    def _finish(self, number: int, ended: Ended, seconds: float) -> None:
        report, published = ended.value or (None, False)
        result = self._results[number] = ModelResult(
            name=self._names[number],
            source=self._sources[number],
            bundle=str(self._folder / self._names[number]) if published else None,
            exit_code=(ended.error or ended.value[0]).exit_code,
            seconds=round(seconds, 3),
            report=report,
            error=str(ended.error) if ended.error else None,
        )
        reason = f": {result.reasons[0]}" if result.reasons else ""
        self._listener.step(f"{self._count()} {result.name}: {result.outcome}, {seconds:.1f} s{reason}")

    def _count(self) -> str:
        return f"[{len(self._results)}/{len(self._sources)}]"

    def _now(self) -> str:
        """What is running, in a line that no terminal breaks."""
        names = ", ".join(self._names[number] for number in self._running.values())
        steps = ", ".join(worker.step for worker in self._running if worker.step)
        return f"{self._count()} {names}: {steps}"[: shutil.get_terminal_size().columns - 1]


def _sweep(destination: Path) -> None:
    """Clean up after a worker that was killed."""
    with suppress(OSError, XorexportError):
        publishing.sweep(publishing.resolved(destination))


def _checked(sources: Sequence[str], asked: Asked, listener: Listener) -> list[str]:
    """In a worker: check what all models have in common, and name them.

    Raises:
        XorexportError: no model could be exported like this.
    """
    from xorexport.exporters.base import ExportOptions
    from xorexport.network.loading import model_name
    from xorexport.registry import FORMATS, load

    request = asked(sources[0])
    request.check()
    for name in request.formats or FORMATS:
        load(FORMATS[name].exporter, f"format {name}").check(ExportOptions(opset=request.opset))
    names = []
    for source in sources:
        try:
            name = model_name(source)
        except XorexportError:  # which is this model's trouble, and will be told then
            name = Path(source).stem
        names.append(Path(name).name or "model")
    return names


def _exported(source: str, destination: Path, asked: Asked, listener: Listener) -> tuple[ParityReport, bool]:
    """In a worker: export one model.

    Returns:
        The report, and whether the bundle was put in place.

    Raises:
        XorexportError: the model, the options or the destination cannot be used.
    """
    from xorexport.pipeline import export

    request = asked(source)
    report = export(request, destination, listener)
    return report, report.exit_code == EXIT_OK or (request.keep_going and report.passed)
