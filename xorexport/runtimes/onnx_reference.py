"""onnx's ReferenceEvaluator: NumPy kernels that share no code with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
from onnx.reference import ReferenceEvaluator

from xorexport.errors import EngineUnavailableError, brief
from xorexport.onnx_order import bodies
from xorexport.readers.onnx import graph_inputs, tensor_spec
from xorexport.runtimes.base import Runtime, Session
from xorexport.runtimes.onnx_reference_ops import NEW_OPS
from xorexport.spec import Artifact, Signature

OWN_ERRORS = (NotImplementedError, TypeError, RuntimeError)
"""What the evaluator raises where it lacks an op, or one for these types; the other engines judge the file."""


QUANTIZED = ("QuantizeLinear", "DequantizeLinear")
QUANTIZED_OPSET = 19


class OnnxReference(Runtime):
    """The evaluator as onnx ships it."""

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        model = onnx.load(root / artifact.path)
        interface = model.graph
        if any(node.op_type in QUANTIZED for node in model.graph.node):
            # Below this opset the evaluator does not have them; what they compute is the same.
            model = onnx.version_converter.convert_version(model, max(QUANTIZED_OPSET, model.opset_import[0].version))
        name_unused(model.graph)
        try:
            evaluator = ReferenceEvaluator(model, new_ops=NEW_OPS)
        except OWN_ERRORS as error:
            raise _lacks(artifact, error) from error
        return OnnxReferenceSession(artifact, interface, evaluator)


class OnnxReferenceSession(Session):
    """A model in the evaluator."""

    def __init__(self, artifact: Artifact, graph: onnx.GraphProto, evaluator: Any) -> None:
        super().__init__(artifact)
        self._graph = graph
        self._evaluator = evaluator

    def interface(self) -> Signature:
        """Names, dtypes and shapes as they stand in the file."""
        return Signature(
            inputs=tuple(tensor_spec(value) for value in graph_inputs(self._graph)),
            outputs=tuple(tensor_spec(value) for value in self._graph.output),
        )

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            with np.errstate(all="ignore"):
                results = self._evaluator.run(None, dict(inputs))
        except OWN_ERRORS as error:
            raise _lacks(self._artifact, error) from error
        return dict(zip(self._evaluator.output_names, map(np.asarray, results), strict=True))


def name_unused(graph: onnx.GraphProto) -> None:
    """Name outputs that have none: the evaluator keeps them under no name, and takes them for inputs left out."""
    for node in graph.node:
        node.output[:] = [name or f"{node.output[0]} unused {number}" for number, name in enumerate(node.output)]
        for body in bodies(node):
            name_unused(body)


def _lacks(artifact: Artifact, error: Exception) -> EngineUnavailableError:
    return EngineUnavailableError(
        artifact.path,
        expected="ops that onnx's reference evaluator implements",
        found=brief(error),
        remedy="judge by the other engines",
    )
