"""LiteRT, formerly the TFLite interpreter, from ai-edge-litert."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from xorexport.errors import EngineUnavailableError, MismatchError, brief
from xorexport.quiet import quiet
from xorexport.runtimes.base import Runtime, Session
from xorexport.spec import Artifact, Signature, TensorSpec

LACKS_OP = re.compile(r"custom op|Select TensorFlow op|Regular TensorFlow ops|builtin opcode", re.IGNORECASE)
"""How LiteRT says that it lacks an op; everything else is wrong with the file."""


class LiteRT(Runtime):
    """The interpreter on one thread.

    Args:
        xnnpack: whether float operators run on the XNNPACK delegate, as they do by default, or on the
            built-in kernels.
    """

    def __init__(self, xnnpack: bool) -> None:
        self._resolver = OpResolverType.BUILTIN if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

    def _open(self, artifact: Artifact, root: Path, unsafe: bool) -> Session:
        with quiet():
            interpreter = Interpreter(
                model_path=str(root / artifact.path), num_threads=1, experimental_op_resolver_type=self._resolver
            )
        check_signature(artifact, interpreter)
        return LiteRTSession(artifact, interpreter)


def check_signature(artifact: Artifact, interpreter: Any) -> None:
    """Hold the file's signature, which readers by name use, against its lists, which readers by position use.

    Raises:
        MismatchError: there is no such signature, or it leads elsewhere.
    """
    key = artifact.details.get("signature")
    listed = (*interpreter.get_input_details(), *interpreter.get_output_details())
    expected = {detail["name"]: int(detail["index"]) for detail in listed}
    names = {spec.name for spec in (*artifact.signature.inputs, *artifact.signature.outputs)}
    if key is None or set(expected) != names:
        return  # the lists themselves are wrong, which is another check's to say
    found: dict[str, int] = {}
    if key in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(key)
        for details in (runner.get_input_details(), runner.get_output_details()):
            found |= {name: int(detail["index"]) for name, detail in details.items()}
    if found != expected:
        raise MismatchError(
            f"{artifact.path}, signature '{key}'",
            expected=f"tensors {expected}, as in the file's lists",
            found=str(found or "no such signature"),
            remedy="export the bundle again; readers by name would get other tensors than readers by position",
        )


class LiteRTSession(Session):
    """Addresses tensors by position, as C and Java programs do, and resizes for every new batch."""

    def __init__(self, artifact: Artifact, interpreter: Any) -> None:
        super().__init__(artifact)
        self._interpreter = interpreter
        self._inputs = interpreter.get_input_details()
        self._outputs = interpreter.get_output_details()
        self._shapes: list[tuple[int, ...]] = []

    def interface(self) -> Signature:
        """Names, dtypes and shapes of the subgraph's input and output lists."""
        return Signature(inputs=_specs(self._inputs), outputs=_specs(self._outputs))

    def _run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        shapes = [array.shape for array in inputs.values()]
        if shapes != self._shapes:
            self._allocate(shapes)
        for detail, array in zip(self._inputs, inputs.values(), strict=True):
            self._interpreter.set_tensor(detail["index"], array)
        self._interpreter.invoke()
        return {detail["name"]: self._interpreter.get_tensor(detail["index"]) for detail in self._outputs}

    def _allocate(self, shapes: list[tuple[int, ...]]) -> None:
        """Make room for inputs of these shapes; only now does LiteRT look at the ops."""
        self._shapes = []
        for detail, shape in zip(self._inputs, shapes, strict=True):
            self._interpreter.resize_tensor_input(detail["index"], shape, strict=False)
        try:
            with quiet():
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            if not LACKS_OP.search(str(error)):
                raise
            raise EngineUnavailableError(
                self._artifact.path,
                expected="ops that LiteRT's built-in kernels have",
                found=brief(error),
                remedy="export the model again with built-in ops only",
            ) from error
        self._shapes = shapes

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
