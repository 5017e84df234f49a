"""Export a Keras model to SavedModel, TFLite and ONNX, with proof that every runtime predicts the same.

The public names are imported when they are first used, so `import xorexport` costs milliseconds and the side
that checks bundles never imports TensorFlow.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

# ONNX Runtime otherwise writes a device's identifier into the user's home as soon as it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"

_PUBLIC = {
    "Architecture": "xorexport.network.architecture",
    "Bundle": "xorexport.bundle",
    "Selection": "xorexport.verification.verify",
    "TrainingSettings": "xorexport.network.training",
    "XorexportError": "xorexport.errors",
    "compare": "xorexport.network.equivalence",
    "export": "xorexport.pipeline",
    "to_functional": "xorexport.network.conversion",
    "to_sequential": "xorexport.network.conversion",
    "train": "xorexport.network.training",
    "verify": "xorexport.verification.verify:verify_folder",
    "verify_file": "xorexport.verification.single:verify_file",
}
"""Public name to `module` or `module:attribute`."""

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute or name)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]
