"""The command line's entry."""

from __future__ import annotations

import gc
import os
import sys

from xorexport.garbage import collect_rarely


def main() -> None:
    """Run the command line and exit with its code."""
    collect_rarely()
    prepare_streams()
    from xorexport.cli import run

    code = run(sys.argv[1:])
    gc.freeze()  # what is left, the system frees
    sys.exit(code)


def prepare_streams() -> None:
    """Have all three standard streams, and none that fails on a character that the terminal cannot show."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed by the caller; the next file opened would take its number
            os.open(os.devnull, os.O_RDWR)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name) or os.fdopen(descriptor, "w")
        stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)


if __name__ == "__main__":
    main()
