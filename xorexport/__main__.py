"""The command line's entry."""

from __future__ import annotations

import gc
import sys

ALLOCATIONS = 200_000


def main() -> None:
    """Run the command line and exit with its code."""
    # TensorFlow's import makes half a million objects, none of them garbage; at the default of 700 allocations
    # looking for it takes a third of the time. What is left at the end, the system frees.
    gc.set_threshold(ALLOCATIONS, 10, 10)
    from xorexport.cli import run

    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
