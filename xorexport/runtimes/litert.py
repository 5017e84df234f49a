"""LiteRT, formerly the TFLite interpreter, from ai-edge-litert."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from xorexport.errors import EngineUnavailableError
from xorexport.quiet import quiet
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature, TensorSpec


class LiteRT(Runtime):
    """The interpreter on one thread.

    Args:
        xnnpack: whether float operators run on the XNNPACK delegate, as they do by default, or on the
            built-in kernels.
    """

    def __init__(self, xnnpack: bool) -> None:
        self._resolver = OpResolverType.BUILTIN if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

    def open(self, artifact: Artifact, root: Path, *, unsafe: bool = False) -> Session:
        """Load a `.tflite` file with built-in ops."""
        try:
            with quiet():
                interpreter = Interpreter(
                    model_path=str(root / artifact.path),
                    num_threads=1,
                    experimental_op_resolver_type=self._resolver,
                )
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise EngineUnavailableError(
                artifact.path,
                expected="ops that LiteRT's built-in kernels have",
                found=" ".join(str(error).split())[:300],
                remedy="export the model again with built-in ops only",
            ) from error
        session = LiteRTSession(artifact, interpreter)
        session.check_interface()
        return session


class LiteRTSession(Session):
    """Addresses tensors by position, as C and Java programs do, and resizes for every new batch."""

    def __init__(self, artifact: Artifact, interpreter: Any) -> None:
        super().__init__(artifact)
        self._interpreter = interpreter
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()

    def interface(self) -> Signature:
        """Names, dtypes and shapes of the subgraph's input and output lists."""
        return Signature(inputs=_specs(self._inputs), outputs=_specs(self._outputs))

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        arrays = list(inputs.values())
        current = [tuple(detail["shape"]) for detail in self._interpreter.get_input_details()]
        if current != [array.shape for array in arrays]:
            for detail, array in zip(self._inputs, arrays, strict=True):
                self._interpreter.resize_tensor_input(detail["index"], array.shape, strict=False)
            with quiet():
                self._interpreter.allocate_tensors()
        for detail, array in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(detail["index"], array)
        self._interpreter.invoke()
        return {detail["name"]: self._interpreter.get_tensor(detail["index"]) for detail in self._outputs}

    def close(self) -> None:
        """Drop the interpreter, which frees its memory."""
        self._interpreter = None


def _specs(details: list[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=detail["name"],
            dtype=np.dtype(detail["dtype"]).name,
            shape=tuple(None if size < 0 else int(size) for size in detail["shape_signature"]),
        )
        for detail in details
    )
