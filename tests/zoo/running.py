"""Runs one model in a process of its own, with limits of time and memory."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from xorexport.registry import FORMATS
from zoo.result import FILE, FormatResult, Result, State

POLL = 0.1
TESTS = Path(__file__).parent.parent


@dataclass(frozen=True)
class Limits:
    """What a model may take."""

    seconds: float
    megabytes: int


def run(name: str, formats: tuple[str, ...], limits: Limits) -> Result:
    """Export a model in a process of its own, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"zoo-{name}-") as folder:
        paths = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
        environment = os.environ | {"PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
        log = Path(folder) / "log"
        started = time.monotonic()
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "zoo.one", name, folder, *formats],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
            peak, ended = _watch(process, started, limits)
        written = Path(folder) / FILE
        if ended is None and process.returncode == 0 and written.exists():
            return msgspec.structs.replace(msgspec.json.decode(written.read_bytes(), type=Result), peak_mb=peak)
        state, reason = ended or (State.CRASH, f"exit code {process.returncode}: {_last_lines(log)}")
        found = {format_name: FormatResult(state=state, reason=reason) for format_name in formats or FORMATS}
        return Result(name=name, formats=found, seconds=time.monotonic() - started, peak_mb=peak)


def _watch(process: subprocess.Popen, started: float, limits: Limits) -> tuple[int, tuple[State, str] | None]:
    """Wait for the end of a process, or end it; returns its peak in MB, and why it was ended.

    Resident memory, read again and again: TensorFlow reserves far more address space than it uses, so a limit on that
    ends it at once.
    """
    peak = 0
    while True:
        peak = max(peak, _resident_mb(process.pid))
        try:
            process.wait(POLL)
            return peak, None
        except subprocess.TimeoutExpired:
            pass
        ended = None
        if time.monotonic() - started > limits.seconds:
            ended = State.TIMEOUT, f"longer than {limits.seconds:g} s"
        elif peak > limits.megabytes:
            ended = State.MEMORY, f"more than {limits.megabytes:,} MB"
        if ended:
            process.kill()
            process.wait()
            return peak, ended


def _resident_mb(pid: int) -> int:
    """The most that a process had in memory so far; 0 where there is no /proc, or it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return sizes[0] // 1024 if sizes else 0


def _last_lines(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-3:])[-600:]
