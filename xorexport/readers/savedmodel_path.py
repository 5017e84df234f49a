"""Paths that TensorFlow can open: it takes brackets, stars and question marks in a folder's name for a pattern."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATTERN = re.compile(r"[\[\]*?\\]")


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """The path, or a link to it for as long as it is read."""
    if not PATTERN.search(str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="xorexport-") as folder:
        link = Path(folder) / "model"
        link.symlink_to(path.resolve(), target_is_directory=True)
        yield link


def plain_name(name: str) -> str:
    """A name for a file without such characters, since those who load the file have the same trouble."""
    return PATTERN.sub("_", name)
