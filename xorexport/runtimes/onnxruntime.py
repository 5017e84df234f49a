"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as OpNotImplemented

from xorexport.errors import EngineUnavailableError, brief
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature, TensorSpec

ELEMENT_TYPES = {"float": "float32", "double": "float64"}
"""ONNX Runtime's names of element types, where NumPy's differ."""
ERRORS_ONLY = 3


class OnnxRuntime(Runtime):
    """The CPU provider on one thread.

    Args:
        optimize: whether the graph is optimised when it is loaded, as it is by default.
    """

    def __init__(self, optimize: bool) -> None:
        levels = onnxruntime.GraphOptimizationLevel
        self._level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = self._level
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        try:
            engine = onnxruntime.InferenceSession(
                str(root / artifact.path), options, providers=["CPUExecutionProvider"]
            )
        except OpNotImplemented as error:
            raise EngineUnavailableError(
                artifact.path,
                expected="ops that ONNX Runtime implements",
                found=brief(error),
                remedy="export with a lower --opset, or judge by the other engines",
            ) from error
        return OnnxRuntimeSession(artifact, engine)


class OnnxRuntimeSession(Session):
    """An inference session."""

    def __init__(self, artifact: Artifact, engine: Any) -> None:
        super().__init__(artifact)
        self._engine = engine
        self._names = [node.name for node in engine.get_outputs()]

    def interface(self) -> Signature:
        """Names, dtypes and shapes as ONNX Runtime reports them."""
        return Signature(
            inputs=tuple(_spec(node) for node in self._engine.get_inputs()),
            outputs=tuple(_spec(node) for node in self._engine.get_outputs()),
        )

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._engine.run(self._names, dict(inputs)), strict=True))

    def close(self) -> None:
        """Drop the session, which frees its memory."""
        self._engine = None


def _spec(node: Any) -> TensorSpec:
    element = node.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(
        name=node.name,
        dtype=ELEMENT_TYPES.get(element, element),
        shape=tuple(size if isinstance(size, int) else None for size in node.shape),
    )
