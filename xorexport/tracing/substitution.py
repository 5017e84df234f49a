"""Puts other ops in an op's place while a graph is traced, loops and branches included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework import op_callbacks

Substitute = Callable[[Sequence[Any], Mapping[str, Any]], Any]
"""Takes an op's input tensors and attributes; returns its output or a list of them, or `None` to leave the op alone."""


Rewrite = Callable[[str, Sequence[Any], Mapping[str, Any], Sequence[Any]], Sequence[Any] | None]
"""Takes an op's type, inputs, attributes and outputs; returns other outputs, or `None` to leave the op alone."""


@contextmanager
def substituted(table: Mapping[str, Substitute]) -> Iterator[None]:
    """Build the op types in `table` of other ops meanwhile. The op itself stays behind without readers."""

    def replace(
        op_type: str, inputs: Sequence[Any], attributes: Mapping[str, Any], outputs: Sequence[Any]
    ) -> Sequence[Any] | None:
        made = table[op_type](inputs, attributes) if op_type in table else None
        if made is None:
            return None
        return list(made) if isinstance(made, (list, tuple)) else [made]

    with rewritten(replace):
        yield


@contextmanager
def rewritten(rewrite: Rewrite) -> Iterator[None]:
    """Let `rewrite` have its say about each op that is added to a graph meanwhile.

    TensorFlow calls back after each op, and takes what the callback returns for the op's outputs. Ops that the callback
    itself adds are not told to it.
    """

    def call_back(
        op_type: str,
        inputs: Sequence[Any],
        attributes: Sequence[Any],
        outputs: Sequence[Any],
        op_name: str | None = None,
        graph: Any = None,
    ) -> list[Any] | None:
        if graph is None:
            return None
        pairs = dict(zip(attributes[::2], attributes[1::2], strict=True))
        results = rewrite(op_type, inputs, pairs, outputs)
        if results is None:
            return None
        for result, output in zip(results, outputs, strict=True):
            result.set_shape(output.shape)
        return list(results)

    op_callbacks.add_op_callback(call_back)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(call_back)
