"""Puts other ops in an op's place while a graph is traced, loops and branches included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework import op_callbacks

Substitute = Callable[[Sequence[Any], Mapping[str, Any]], Any]
"""Takes an op's input tensors and attributes; returns its output or a list of them, or `None` to leave the op alone."""


@contextmanager
def substituted(table: Mapping[str, Substitute]) -> Iterator[None]:
    """Build the op types in `table` of other ops meanwhile.

    TensorFlow calls back after each op that it adds to a graph, and takes what the callback returns for the op's
    outputs. The op itself stays behind without readers, and freezing removes it.
    """

    def replace(
        op_type: str,
        inputs: Sequence[Any],
        attributes: Sequence[Any],
        outputs: Sequence[Any],
        op_name: str | None = None,
        graph: Any = None,
    ) -> list[Any] | None:
        if op_type not in table or graph is None:
            return None
        made = table[op_type](inputs, dict(zip(attributes[::2], attributes[1::2], strict=True)))
        if made is None:
            return None
        results = list(made) if isinstance(made, (list, tuple)) else [made]
        for result, output in zip(results, outputs, strict=True):
            result.set_shape(output.shape)
        return results

    op_callbacks.add_op_callback(replace)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(replace)
