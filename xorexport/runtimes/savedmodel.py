"""TensorFlow, on the SavedModel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.dtypes import name_of, texts
from xorexport.errors import EngineUnavailableError, MismatchError, UnsafeModelError
from xorexport.readers import savedmodel_safety
from xorexport.readers.savedmodel_path import plain_path
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import SIGNATURE_KEY, Artifact, Signature, TensorSpec


class SavedModel(Runtime):
    """`tf.saved_model.load` and the signature that the manifest names."""

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        try:
            savedmodel_safety.check(root / artifact.path, unsafe)
        except UnsafeModelError as error:
            raise EngineUnavailableError(
                artifact.path, expected=error.expected, found=error.found, remedy=error.remedy
            ) from error
        with plain_path(root / artifact.path) as path:
            loaded = tf.saved_model.load(str(path))
        key = artifact.details.get("signature", SIGNATURE_KEY)
        if key not in loaded.signatures:
            raise MismatchError(
                artifact.path,
                expected=f"a signature '{key}'",
                found=", ".join(loaded.signatures) or "no signature",
                remedy="export the bundle again",
            )
        return SavedModelSession(artifact, loaded, loaded.signatures[key])


class SavedModelSession(Session):
    """A signature of a loaded SavedModel."""

    def __init__(self, artifact: Artifact, loaded: Any, function: Any) -> None:
        super().__init__(artifact)
        self._loaded = loaded  # a signature holds its variables only weakly
        self._function = function

    def interface(self) -> Signature:
        """The signature's inputs and outputs; a SavedModel has names alone and no order of its own."""
        inputs = {name: _spec(name, spec) for name, spec in self._function.structured_input_signature[1].items()}
        outputs = {name: _spec(name, spec) for name, spec in self._function.structured_outputs.items()}
        return Signature(
            inputs=_in_order(inputs, self._signature.inputs),
            outputs=_in_order(outputs, self._signature.outputs),
        )

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = self._function(**{name: tf.constant(array) for name, array in inputs.items()})
        return {name: texts(tensor.numpy()) for name, tensor in results.items()}


def _spec(name: str, spec: Any) -> TensorSpec:
    return TensorSpec(name=name, dtype=name_of(spec.dtype.as_numpy_dtype), shape=tuple(spec.shape))


def _in_order(found: Mapping[str, TensorSpec], expected: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
    """What was found in the manifest's order, and what the manifest does not know behind it."""
    names = [spec.name for spec in expected if spec.name in found]
    return tuple(found[name] for name in (*names, *(name for name in found if name not in names)))
