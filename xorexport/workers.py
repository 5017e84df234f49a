"""Processes that do one task each, and may crash at it.

Linux forks them from one process that has imported TensorFlow and computed nothing (`warm`), so each starts in
milliseconds and in the same state. Elsewhere, where forking is not safe or not to be had, each starts from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from xorexport.errors import EXIT_MISMATCH, EXIT_TROUBLE, MismatchError, XorexportError, brief
from xorexport.garbage import collect_rarely
from xorexport.progress import Listener

Task = Callable[[Listener], Any]
"""What a worker does; it has to be picklable, as what it returns has."""
Channel = connection.Connection
PATIENCE = 10.0
"""Seconds that a worker has to end once it has given its result."""
TAIL = 4096
"""Bytes of what a worker wrote that its last line is looked for in."""
LONGEST = 200
"""Characters of that line."""
LOG = "log"
ALONE = "export the model alone to see more"


class WorkerError(XorexportError):
    """What kept a worker from its result: an error of xorexport's in it, or its own end."""


@dataclass(frozen=True)
class Ended:
    """How a task ended."""

    value: Any = None
    error: XorexportError | None = None


@dataclass(eq=False)
class Worker:
    """A process that does one task.

    Attributes:
        subject: what its errors are about.
        cleanup: removes what it leaves behind where it is killed.
        log: what it writes to its standard streams.
        step: the last that it said of its work.
    """

    process: BaseProcess
    channel: Channel
    subject: str
    cleanup: Callable[[], None]
    log: Path
    started: float = field(default_factory=time.monotonic)
    step: str = ""

    def heard(self) -> Ended | None:
        """Take one message, waiting for it.

        Returns:
            How the task ended, once it has.
        """
        try:
            kind, content = self.channel.recv()
        except (EOFError, OSError):
            return Ended(error=self._died())
        if kind == "step":
            self.step = content
            return None
        self._end(PATIENCE)
        if kind == "value":
            return Ended(content)
        code, subject, expected, found, remedy = content
        error = MismatchError if code == EXIT_MISMATCH else WorkerError
        return Ended(error=error(subject or self.subject, expected=expected, found=found, remedy=remedy))

    def kill(self) -> None:
        """End it at once, and clean up after it."""
        self._end(0)
        self.cleanup()

    def _end(self, patience: float) -> None:
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.channel.close()

    def _died(self) -> WorkerError:
        self.process.join()
        self.kill()
        code = self.process.exitcode or 0
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        found = f"it ended with exit code {code}"
        if code < 0:
            name = {known.value: known.name for known in signal.Signals}.get(-code, f"signal {-code}")
            found = f"it was killed by {name}"
            found += ", as the system does where memory runs out" if name == "SIGKILL" else ""
        last = self._last_line()
        return WorkerError(
            self.subject,
            expected="a process that lives to see the end",
            found=f"{found} ({last})" if last else found,
            remedy=f"{ALONE}, or several with fewer --jobs",
        )

    def _last_line(self) -> str:
        if not self.log.exists():
            return ""
        text = self.log.read_bytes()[-TAIL:].decode(errors="replace")
        return next((line.strip()[:LONGEST] for line in reversed(text.splitlines()) if line.strip()), "")


class Workers:
    """Starts workers, and leaves none behind."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._context = _context()
        self._live: list[Worker] = []

    def start(self, task: Task, subject: str, cleanup: Callable[[], None] = lambda: None) -> Worker:
        """Start a worker on a task."""
        self._live = [worker for worker in self._live if worker.process.is_alive()]
        here, there = multiprocessing.Pipe()
        folder = Path(tempfile.mkdtemp(dir=self._scratch))
        # The task comes later: a worker that starts when nobody is there any more finds none, and ends.
        process = self._context.Process(target=_work, args=(there, folder))  # type: ignore[attr-defined]
        try:
            process.start()
            worker = Worker(process, here, subject, cleanup, folder / LOG)
            self._live.append(worker)
            here.send(task)
        except BrokenPipeError:
            pass  # it died; its channel says so
        except EOFError as error:
            raise WorkerError(
                subject,
                expected="a process that imports TensorFlow, for workers to be forked from",
                found="one that died of it",
                remedy=ALONE,
            ) from error
        finally:
            there.close()
        return worker

    def wait(self, workers: Iterable[Worker]) -> list[Worker]:
        """Wait until one of them has something to say, or is dead."""
        by_channel = {worker.channel: worker for worker in workers}
        return [by_channel[ready] for ready in connection.wait(list(by_channel))]  # type: ignore[index]

    def stop(self) -> None:
        """End all that are alive."""
        for worker in self._live:
            if worker.process.is_alive():
                worker.kill()


def _context() -> BaseContext:
    """How processes are made here. Where that is by forking, what they are forked from starts to get ready."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["xorexport.warm"])
    resource_tracker.ensure_running()  # which would let signals through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _no_other_modules():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return context


@contextmanager
def _no_other_modules() -> Iterator[None]:
    """Have a process that starts meanwhile find modules in the current folder only where this one does."""
    safe = "PYTHONSAFEPATH"
    if safe in os.environ or "" in sys.path or str(Path.cwd()) in sys.path:
        yield
        return
    os.environ[safe] = "1"
    try:
        yield
    finally:
        del os.environ[safe]


class _Telling(Listener):
    """Sends the steps to whoever started the worker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def step(self, text: str) -> None:
        """Send the step."""
        self._channel.send(("step", text))


def _work(channel: Channel, folder: Path) -> None:
    """Do one task, in the worker."""
    try:
        task = channel.recv()
    except EOFError:  # nobody is there any more
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    collect_rarely()
    # What libraries leave there goes with the folder, even where this process is killed.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    with (folder / LOG).open("w", encoding="utf-8", errors="backslashreplace", buffering=1) as log:
        if not os.environ.get("XOREXPORT_DEBUG"):
            os.dup2(log.fileno(), 2)
            sys.stderr = log
        # Standard output is for results, not for what a model's function prints.
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        with suppress(BrokenPipeError):
            channel.send(_done(task, _Telling(channel)))


def _done(task: Task, listener: Listener) -> tuple[str, Any]:
    try:
        return "value", task(listener)
    except XorexportError as error:
        return "error", (error.exit_code, error.subject, error.expected, error.found, error.remedy)
    except Exception as error:
        # A bug, or a library's: it shall not take the other models with it.
        traceback.print_exc()
        return "error", (EXIT_TROUBLE, "", "a task that ends with a result", brief(error), ALONE)
