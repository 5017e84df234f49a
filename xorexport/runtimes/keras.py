"""Keras itself, on the `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from xorexport.errors import EngineUnavailableError, UnsafeModelError
from xorexport.network.interface import Interface, interface_of
from xorexport.network.loading import UnknownClassError, load_model
from xorexport.network.signature import predict
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature


class Keras(Runtime):
    """`keras.models.load_model` and `predict_on_batch`, which is `predict` without its pipeline of data."""

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        try:
            model = load_model(root / artifact.path, unsafe, self.imports)
        except (UnsafeModelError, UnknownClassError) as error:
            raise EngineUnavailableError(
                artifact.path, expected=error.expected, found=error.found, remedy=error.remedy
            ) from error
        return KerasSession(artifact, model)


class KerasSession(Session):
    """A loaded Keras model."""

    def __init__(self, artifact: Artifact, model: keras.Model) -> None:
        super().__init__(artifact)
        self._model = model
        self._interface = _interface(model, artifact.signature)

    def interface(self) -> Signature:
        """The inputs of the model that was loaded; its outputs are checked by running it."""
        return Signature(inputs=self._interface.inputs, outputs=self._signature.outputs)

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return predict(self._model, self._interface, self._signature, inputs)


def _interface(model: keras.Model, signature: Signature) -> Interface:
    """How the loaded model is called.

    A subclassed model's file has neither names nor dtypes of its inputs, so the manifest's count. Where Keras recorded
    them, the manifest's sizes count if either leaves a dimension open: a user may have fixed it for the export, and a
    Sequential without an Input records the batch of its first call, which it does not insist on.
    """
    if not getattr(model, "inputs", None):
        return interface_of(model, signature.inputs)
    own = interface_of(model)
    compatible = [spec.name for spec in own.inputs] == [spec.name for spec in signature.inputs] and all(
        spec.dtype == wanted.dtype
        and len(spec.shape) == len(wanted.shape)
        and all(None in sizes or len(set(sizes)) == 1 for sizes in zip(spec.shape[1:], wanted.shape[1:], strict=True))
        for spec, wanted in zip(own.inputs, signature.inputs, strict=True)
    )
    return replace(own, inputs=signature.inputs) if compatible else own
