"""TensorFlow's SavedModel: one signature over the traced function."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.exporters.tracing import Traced
from xorexport.spec import SIGNATURE_KEY


class SavedModelExporter(Exporter):
    """Saves a module that holds nothing but the traced function and the variables that it reads.

    Saving the Keras model would store its whole object graph: twice the weights' size, in an order that depends
    on object addresses, and with the states of random generators, which differ from run to run.
    """

    suffix = ".savedmodel"

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        module = tf.Module()
        module.weights = traced.variables()
        tf.saved_model.save(module, str(path), signatures={SIGNATURE_KEY: traced.function})
        # A random number, which loading does not need.
        (path / "fingerprint.pb").unlink(missing_ok=True)
        assets = path / "assets"
        if assets.is_dir() and not any(assets.iterdir()):
            assets.rmdir()
        return {"signature": SIGNATURE_KEY}
