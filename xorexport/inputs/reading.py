"""Reads inputs from whatever a user names: a file, a folder of images, a Python function, standard input."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.inputs.base import Inputs, unreadable
from xorexport.inputs.standard_input import read_standard_input
from xorexport.inputs.suffixes import IMAGE_READER, READERS
from xorexport.registry import Entry, load
from xorexport.spec import TensorSpec

Reader = Callable[[Path, Sequence[TensorSpec]], Inputs]

STANDARD_INPUT = "-"
FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")
"""How `package.module:function` looks."""

SUPPORTED = (
    f"a file ({', '.join(READERS)}), a folder of images, package.module:function, "
    "or - for CSV or JSON on standard input"
)


def read_inputs(source: Path | str, specs: Sequence[TensorSpec]) -> Inputs:
    """Read rows for every input.

    Args:
        source: a path, `package.module:function`, or `-` for standard input.
        specs: the model's inputs. A fixed first dimension does not limit the number of rows.

    Raises:
        UsageError: there is no such source, or what it holds does not fit the inputs.
    """
    name, path = str(source), Path(source)
    if name == STANDARD_INPUT:
        return read_standard_input(specs)
    if FUNCTION.fullmatch(name) and not path.exists():
        from xorexport.inputs.python import read_function

        return read_function(name, specs)
    entry = IMAGE_READER if path.is_dir() else READERS.get(path.suffix.lower())
    if entry is None:
        raise _unsupported(path)
    _check_readable(path)
    return _reader(entry, name)(path, specs)


def _check_readable(path: Path) -> None:
    try:
        if not path.is_dir():
            path.open("rb").close()
    except OSError as error:
        raise unreadable(path, "a file to read inputs from", error.strerror or str(error)) from error


def _reader(entry: Entry, subject: str) -> Reader:
    try:
        reader: Reader = load(entry, subject)
    except EngineUnavailableError as error:
        raise UsageError(subject, expected=error.expected, found=error.found, remedy=error.remedy) from error
    return reader


def _unsupported(path: Path) -> UsageError:
    found = f"a file that ends in '{path.suffix}'" if path.exists() and path.suffix else "another file"
    return UsageError(
        str(path),
        expected=SUPPORTED,
        found=found if path.exists() else "something else, and no such file",
        remedy="convert it to one of these",
    )
