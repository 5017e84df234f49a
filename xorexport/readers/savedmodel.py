"""Reads a SavedModel's protocol buffer, without loading the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from xorexport.dtypes import name_of
from xorexport.errors import ModelError
from xorexport.readers.base import Contents, Ends, unreadable
from xorexport.spec import SIGNATURE_KEY, Signature, TensorSpec


def graph_of(path: Path) -> Any:
    """The graph of a SavedModel, as its protocol buffer has it: a `MetaGraphDef`.

    Raises:
        ModelError: it is not a whole SavedModel.
    """
    message = saved_model_pb2.SavedModel()
    try:
        message.ParseFromString((path / "saved_model.pb").read_bytes())
        return message.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        raise unreadable(path, "SavedModel", error) from error


def default_signature(path: Path, names: Collection[str]) -> str:
    """The signature that consumers call where they name none: TensorFlow's default, or the only one.

    Args:
        names: of all that the SavedModel has.

    Raises:
        ModelError: there is none, or one of several would have to be chosen.
    """
    own = sorted(name for name in names if not name.startswith("__saved_model"))
    if SIGNATURE_KEY in own or len(own) == 1:
        return SIGNATURE_KEY if SIGNATURE_KEY in own else own[0]
    raise ModelError(
        str(path),
        expected=f"a SavedModel with a signature '{SIGNATURE_KEY}', or with one alone",
        found=", ".join(own) or "one without signatures",
        remedy=f"save it again with signatures={{'{SIGNATURE_KEY}': the function to export}}",
    )


def ends(path: Path, unsafe: bool, imports: Sequence[str]) -> Ends:
    """What a SavedModel's default signature takes and returns, sorted by name.

    Raises:
        ModelError: it is not a whole SavedModel, or has no default signature.
    """
    signatures = graph_of(path).signature_def
    key = default_signature(path, signatures)
    found = {
        name: Signature(inputs=_specs(signature.inputs), outputs=_specs(signature.outputs))
        for name, signature in signatures.items()
        if not name.startswith("__saved_model")
    }
    # Keras writes its one function under two names.
    others = sorted(name for name, signature in found.items() if signature != found[key])
    return Ends(
        signature=found[key],
        details={"signature": key},
        notes=tuple(f"signature '{name}' was not run: '{key}' is the default" for name in others),
    )


def read(path: Path) -> Contents:
    """Default signature, ops and metadata of a SavedModel.

    Raises:
        ModelError: it is not a whole SavedModel.
    """
    graph = graph_of(path)
    try:
        signature = graph.signature_def[default_signature(path, graph.signature_def)]
    except ModelError:
        signature = meta_graph_pb2.SignatureDef()  # none that can be shown
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
            dtype=name_of(tf.as_dtype(info.dtype).as_numpy_dtype),
            shape=tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim),
        )
        for name, info in sorted(tensors.items())
        if not name.startswith("__saved_model")
    )
