"""Imported by the process that workers are forked from: all that an export imports, before there is any model.

Nothing is computed here. TensorFlow starts its threads at its first op, and threads do not survive a fork.
"""

from __future__ import annotations

import gc
import importlib
import signal
from contextlib import suppress

from xorexport.garbage import collect_rarely
from xorexport.registry import ENGINES, FORMATS, load

collect_rarely()
# Ctrl-C waited until now (`workers`), so as to end this process without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
# Where something is missing, a worker finds that out again, and says so.
with suppress(Exception):
    importlib.import_module("xorexport.pipeline")
for entry in (*(made.exporter for made in FORMATS.values()), *(engine.runtime for engine in ENGINES.values())):
    with suppress(Exception):
        load(entry, "worker")
# Collecting garbage would write to the memory that workers share with this process.
gc.freeze()
