"""Reads a SavedModel's protocol buffer, without loading the model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from xorexport.readers.base import Contents, unreadable
from xorexport.spec import SIGNATURE_KEY, TensorSpec


def read(path: Path) -> Contents:
    """Signature, ops and metadata of a SavedModel.

    Raises:
        ModelError: it is not a whole SavedModel.
    """
    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString((path / "saved_model.pb").read_bytes())
        graph = message.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        raise unreadable(path, "SavedModel", error) from error
    signature = graph.signature_def[SIGNATURE_KEY]
    nodes = [
        *graph.graph_def.node,
        *(node for fn in graph.graph_def.library.function for node in fn.node_def),
    ]
    return Contents(
        format="savedmodel",
        path=str(path),
        size=sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
        inputs=_specs(signature.inputs),
        outputs=_specs(signature.outputs),
        ops=dict(sorted(Counter(node.op for node in nodes).items())),
        metadata={
            "signatures": ", ".join(sorted(graph.signature_def)),
            "tensorflow": graph.meta_info_def.tensorflow_version,
        },
    )


def _specs(tensors: Any) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=name,
            dtype=np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype).name,
            shape=tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(tensors.items())
        if not name.startswith("__saved_model")
    )
