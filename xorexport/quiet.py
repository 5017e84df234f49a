"""Keeps the start-up notices of native libraries off the terminal, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what native code writes to standard error meanwhile; Python's exceptions say what went wrong.

    TensorFlow and LiteRT write notices to file descriptor 2 before any setting of theirs is read, so only the
    descriptor itself can be turned away. `XOREXPORT_DEBUG=1` in the environment lets everything through.
    """
    if os.environ.get("XOREXPORT_DEBUG"):
        yield
        return
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
