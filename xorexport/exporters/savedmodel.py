"""TensorFlow's SavedModel: one signature over the traced function."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.trackable.resource import TrackableResource

from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.network.scopes import safe_variables
from xorexport.spec import SIGNATURE_KEY
from xorexport.tracing.trace import Traced


class SavedModelExporter(Exporter):
    """Saves a module that holds nothing but the traced function and the variables that it reads.

    Saving the Keras model would store its whole object graph: twice the weights' size, in an order that depends
    on object addresses, and with the states of random generators, which differ from run to run.
    """

    suffix = ".savedmodel"
    strings = True

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        module = tf.Module()
        module.weights = traced.variables()
        module.tables = list(_tables(traced))
        with safe_variables(module.weights):
            tf.saved_model.save(module, str(path), signatures={SIGNATURE_KEY: traced.concrete})
        _without_saving(path / "saved_model.pb")
        # A random number, which loading does not need.
        (path / "fingerprint.pb").unlink(missing_ok=True)
        assets = path / "assets"
        if assets.is_dir() and not any(assets.iterdir()):
            assets.rmdir()
        return {"signature": SIGNATURE_KEY}


def _tables(traced: Traced) -> Iterator[Any]:
    """Lookup tables of preprocessing layers, which the graph reads beside its variables."""
    for layer in traced.model._flatten_layers():
        yield from (value for value in vars(layer).values() if isinstance(value, TrackableResource))


def _without_saving(path: Path) -> None:
    """Take the function that would save the variables again out of the graph.

    It is as large as the model itself in a graph of many variables; nothing that loads a SavedModel calls it, and
    TensorFlow makes a new one to save what it loaded.
    """
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    graph, saver = model.meta_graphs[0].graph_def, model.meta_graphs[0].saver_def
    name = saver.save_tensor_name.partition(":")[0]
    for node in [node for node in graph.node if node.name == name]:
        for function in [entry for entry in graph.library.function if entry.signature.name == node.attr["f"].func.name]:
            graph.library.function.remove(function)
        graph.node.remove(node)
    saver.save_tensor_name = saver.filename_tensor_name
    path.write_bytes(model.SerializeToString(deterministic=True))
