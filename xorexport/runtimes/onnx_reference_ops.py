"""Ops that onnx's reference evaluator gets wrong, as the ONNX specification has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_loop import Loop as LoopOfEvaluator


class Loop(LoopOfEvaluator):
    """Scan outputs are stacked along a new first axis; the evaluator joins them along the first that they have."""

    op_domain = ""

    def _run(
        self,
        M: np.ndarray | None,
        cond: np.ndarray | None,
        *initial: np.ndarray,
        context: dict[str, Any] | None = None,
        body: Any = None,
        attributes: Any = None,
        bindings: Any = None,
    ) -> tuple[np.ndarray, ...]:
        names = self.body.input_names  # type: ignore[attr-defined]
        carried, scans = list(initial), [[] for _ in range(self.K)]  # type: list[np.ndarray], list[list[np.ndarray]]
        going, round_number = cond is None or bool(cond), 0
        while going and (M is None or round_number < M):
            given = dict(zip(names, (np.array(round_number, np.int64), np.array(True), *carried), strict=True))
            scope = {**(context or {}), **given}
            outputs = self._run_body(scope, attributes=attributes, bindings=bindings)  # type: ignore[attr-defined]
            going, carried = bool(outputs[0]), list(outputs[1 : 1 + self.N])
            for kept, output in zip(scans, outputs[1 + self.N :], strict=True):
                kept.append(output)
            round_number += 1
        declared = self.body.output_types[1 + self.N :]  # type: ignore[attr-defined]
        stacked = (np.stack(kept) if kept else _of_no_round(of) for kept, of in zip(scans, declared, strict=True))
        return (*carried, *stacked)


def _of_no_round(declared: onnx.TypeProto) -> np.ndarray:
    """The scan output of a loop that was never gone through: dtype and shape as its body declares them."""
    tensor = declared.tensor_type
    sizes = (dimension.dim_value for dimension in tensor.shape.dim)
    return np.empty((0, *sizes), onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))


class OneHot(OpRun):
    """The depth may be a tensor of one element; the evaluator takes a scalar alone."""

    op_domain = ""

    def _run(self, indices: np.ndarray, depth: np.ndarray, values: np.ndarray, axis: int = -1) -> tuple[np.ndarray]:
        size = int(np.ravel(depth)[0])
        wrapped = np.where(indices < 0, indices + size, indices)
        hot = np.expand_dims(wrapped, -1) == np.arange(size)
        return (np.moveaxis(np.where(hot, values[1], values[0]).astype(values.dtype), -1, axis),)


NEW_OPS: list[type[OpRun]] = [Loop, OneHot]
