"""When Python looks for garbage."""

from __future__ import annotations

import gc

ALLOCATIONS = 200_000


def collect_rarely() -> None:
    """Look for garbage after so many allocations.

    TensorFlow's import makes half a million objects, none of them garbage; at the default of 700 allocations looking
    for it takes a third of the time.
    """
    gc.set_threshold(ALLOCATIONS, 10, 10)
