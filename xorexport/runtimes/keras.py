"""Keras itself, on the `.keras` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from keras import tree

from xorexport.errors import EngineUnavailableError, UnsafeModelError
from xorexport.network.loading import load_keras_file
from xorexport.network.signature import call_structure, input_specs
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature


class Keras(Runtime):
    """`keras.models.load_model` and `predict_on_batch`, which is `predict` without its pipeline of data."""

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        try:
            model = load_keras_file(root / artifact.path, unsafe)
        except UnsafeModelError as error:
            raise EngineUnavailableError(
                artifact.path, expected=error.expected, found=error.found, remedy=error.remedy
            ) from error
        return KerasSession(artifact, model)


class KerasSession(Session):
    """A loaded Keras model."""

    def __init__(self, artifact: Artifact, model: keras.Model) -> None:
        super().__init__(artifact)
        self._model = model

    def interface(self) -> Signature:
        """The inputs of the model that was loaded; its outputs are checked by running it."""
        return Signature(inputs=input_specs(self._model), outputs=self._signature.outputs)

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        structure = call_structure(self._model, [inputs[spec.name] for spec in self._signature.inputs])
        results = tree.flatten(self._model.predict_on_batch(structure))
        return {spec.name: np.asarray(array) for spec, array in zip(self._signature.outputs, results, strict=True)}
