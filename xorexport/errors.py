"""One tree of errors, and the exit codes of every command.

Every error says in one line what was expected, what was found and what to do about it. A command that catches
an `XorexportError` prints that line, without a traceback, and ends with `exit_code`.
"""

import re
from typing import ClassVar

EXIT_OK = 0
"""All that was asked for is there and matches."""
EXIT_MISMATCH = 1
"""Something does not match: a prediction, a name, a digest."""
EXIT_TROUBLE = 2
"""It could not be done: bad input, a refusal, a missing tool."""


class XorexportError(Exception):
    """Base of every error that xorexport raises on purpose.

    Args:
        subject: what the error is about, for example a path or an option.
        expected: what would have been right.
        found: what was there instead.
        remedy: what the reader can do about it.
    """

    exit_code: ClassVar[int] = EXIT_TROUBLE

    def __init__(self, subject: str, *, expected: str, found: str, remedy: str) -> None:
        super().__init__(subject, expected, found, remedy)
        self.subject = subject
        self.expected = expected
        self.found = found
        self.remedy = remedy

    def __str__(self) -> str:
        line = f"{self.subject}: expected {self.expected}, found {self.found}; {self.remedy}"
        return " ".join(line.split())


TRACE = re.compile(
    r"Graph execution error: |Detected at node \S+ defined at \(most recent call last\): "
    r'(File "[^"]*", line \d+, in \S+ )*'
)
"""What TensorFlow puts before its message: where in Python the op was made, file by file."""


def brief(error: BaseException, limit: int = 300) -> str:
    """Somebody else's error in one line: its type and its message, without colours, line ends and stacks."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())
    return f"{type(error).__name__}: {TRACE.sub('', text)}"[:limit]


class UsageError(XorexportError):
    """An argument or an option that cannot be meant."""


LARGEST_SEED = 2**32 - 1


def check_seed(option: str, seed: int) -> None:
    """Refuse a seed that no random generator takes.

    Raises:
        UsageError: it is negative or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UsageError(option, expected=f"0 to {LARGEST_SEED}", found=str(seed), remedy="choose another number")


class ModelError(XorexportError):
    """A model that cannot be read, built or exported as it is."""


class UnsafeModelError(ModelError):
    """A model file that holds Python code, which nobody allowed to run."""


class TrainingError(XorexportError):
    """A training run that did not reach what it had to reach."""


class ExportError(XorexportError):
    """A format that the model cannot be written in."""


class BundleError(XorexportError):
    """A folder or a manifest that is not a whole bundle."""


class EngineError(XorexportError):
    """An engine that is there, but fails on a file or on an input."""


class EngineUnavailableError(XorexportError):
    """An engine that is not installed, or cannot run what the file asks of it."""


class MismatchError(XorexportError):
    """Something that is there but is not what the manifest says: a name, a type, a shape."""

    exit_code: ClassVar[int] = EXIT_MISMATCH
