"""Shows progress on standard error, so that standard output holds results alone."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import Any, Self

from xorexport.progress import Listener

PATIENCE = 1.0
"""Seconds before a progress bar appears: one that flashes past tells nobody anything."""


class Silent(Listener):
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class Terminal(Silent):
    """A line a step, and a bar for training that takes long."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._bar: Any = None
        self._line = False

    def step(self, text: str) -> None:
        """Print the step."""
        self._clear()
        print(text, file=sys.stderr, flush=True)

    def working(self, text: str) -> None:
        """Show what is being done until the next thing is."""
        if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            self._clear()
            print(text, end="", file=sys.stderr, flush=True)
            self._line = True

    def training(self, epoch: int, last: int, error: float) -> None:
        """Move the bar, or start it when the reader has waited long enough."""
        if time.monotonic() - self._started < PATIENCE or not sys.stderr.isatty():
            return
        if self._bar is None:
            self._start_bar(last)
        self._bar.update(self._bar.task_ids[0], completed=epoch, description=f"worst error {error:.3f}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _start_bar(self, last: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.description}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._bar.add_task("", total=last)

    def _clear(self) -> None:
        if self._line:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._line = False
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
