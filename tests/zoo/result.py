"""What became of a model: written by the process that exported it, read by the one that started it."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

FILE = "result.json"


class State(StrEnum):
    """What became of one format."""

    OK = "OK"
    """Every engine that could run it predicts what Keras predicted."""
    REFUSED = "refused"
    """It was not written, and the reason was said."""
    FAIL = "FAIL"
    """It was written, and an engine predicts something else."""
    ERROR = "ERROR"
    """It was written, and an engine cannot run it; or the export ended in an error of somebody else's."""
    UNVERIFIED = "unverified"
    """It was written, and no engine ran it."""
    CRASH = "CRASH"
    """The process died."""
    TIMEOUT = "TIMEOUT"
    """The process took too long."""
    MEMORY = "MEMORY"
    """The process took too much memory."""


class Verdict(StrEnum):
    """What became of a model."""

    MATCHES = "matches"
    """In every format."""
    REFUSED = "refused"
    """Where that is expected, with the reason that is expected; the other formats match."""
    UNEXPECTED = "unexpected"
    """A format was refused that should not have been, or the other way round."""
    WRONG = "wrong"
    """Anything else."""


class FormatResult(msgspec.Struct, frozen=True):
    """One format of one model.

    Attributes:
        reason: why it is not OK, or why an engine was skipped.
        max_abs: the largest absolute difference of any engine.
        engines: the outcome by engine, the worst where it had several rows.
        notes: what was changed for this format, dimensions that became fixed among it.
    """

    state: State
    reason: str = ""
    max_abs: float | None = None
    engines: dict[str, str] = {}
    notes: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True):
    """One model.

    Attributes:
        batches: the sizes of the batches that were run.
        problems: what failed besides the formats: the twin in the other API, digests.
        seconds: in the process, without starting Python.
        peak_mb: of resident memory.
    """

    name: str
    formats: dict[str, FormatResult]
    batches: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()
    exit_code: int | None = None
    seconds: float = 0.0
    peak_mb: int = 0
    verdict: Verdict | None = None
    group: str = ""

    @property
    def max_abs(self) -> float | None:
        """The largest difference of any format."""
        return max((r.max_abs for r in self.formats.values() if r.max_abs is not None), default=None)


def judge(result: Result, refused: Mapping[str, str]) -> Verdict:
    """Hold a result against the refusals that are expected: by format, a part of the reason."""
    expected = unexpected = False
    for name, found in result.formats.items():
        if found.state is State.REFUSED:
            known = name in refused and refused[name] in found.reason
            expected, unexpected = expected or known, unexpected or not known
        elif found.state is not State.OK:
            return Verdict.WRONG
        elif name in refused:
            unexpected = True
    if result.problems:
        return Verdict.WRONG
    return Verdict.UNEXPECTED if unexpected else Verdict.REFUSED if expected else Verdict.MATCHES
