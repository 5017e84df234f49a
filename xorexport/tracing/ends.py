"""What a Keras file takes and returns, whose outputs are known only to Keras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xorexport.network.loading import load_model
from xorexport.readers.base import Ends
from xorexport.tracing.trace import trace


def ends(path: Path, unsafe: bool, imports: Sequence[str]) -> Ends:
    """What a `.keras` or `.h5` file takes and returns, by the names that an export of it would have.

    Raises:
        ModelError: it cannot be loaded.
    """
    signature = trace(load_model(path, unsafe, imports)).signature
    specs = (*signature.inputs, *signature.outputs)
    return Ends(signature=signature, names={spec.name: spec.keras_name for spec in specs if spec.keras_name})
