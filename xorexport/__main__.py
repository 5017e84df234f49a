"""The command line's entry."""

from __future__ import annotations

import gc
import os
import sys

ALLOCATIONS = 200_000


def main() -> None:
    """Run the command line and exit with its code."""
    # TensorFlow's import makes half a million objects, none of them garbage; at the default of 700 allocations
    # looking for it takes a third of the time. What is left at the end, the system frees.
    gc.set_threshold(ALLOCATIONS, 10, 10)
    prepare_streams()
    from xorexport.cli import run

    code = run(sys.argv[1:])
    gc.freeze()
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
