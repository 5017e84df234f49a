"""onnx's ReferenceEvaluator: NumPy kernels that share no code with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from xorexport.errors import EngineUnavailableError, brief
from xorexport.readers.onnx import tensor_spec
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature

OWN_ERRORS = (NotImplementedError, TypeError, RuntimeError)
"""What the evaluator raises where it lacks an op, or one for these types; the other engines judge the file."""


class OnnxReference(Runtime):
    """The evaluator as onnx ships it."""

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        model = onnx.load(root / artifact.path)
        try:
            evaluator = ReferenceEvaluator(model)
        except OWN_ERRORS as error:
            raise _lacks(artifact, error) from error
        return OnnxReferenceSession(artifact, model, evaluator)


class OnnxReferenceSession(Session):
    """A model in the evaluator."""

    def __init__(self, artifact: Artifact, model: onnx.ModelProto, evaluator: Any) -> None:
        super().__init__(artifact)
        self._graph = model.graph
        self._evaluator = evaluator

    def interface(self) -> Signature:
        """Names, dtypes and shapes as they stand in the file."""
        return Signature(
            inputs=tuple(tensor_spec(value) for value in self._graph.input),
            outputs=tuple(tensor_spec(value) for value in self._graph.output),
        )

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            with np.errstate(all="ignore"):
                results = self._evaluator.run(None, dict(inputs))
        except OWN_ERRORS as error:
            raise _lacks(self._artifact, error) from error
        return dict(zip(self._evaluator.output_names, map(np.asarray, results), strict=True))


def _lacks(artifact: Artifact, error: Exception) -> EngineUnavailableError:
    return EngineUnavailableError(
        artifact.path,
        expected="ops that onnx's reference evaluator implements",
        found=brief(error),
        remedy="judge by the other engines",
    )
