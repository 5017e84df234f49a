"""Ops that tf2onnx writes wrongly though ONNX has them: written here instead, in tf2onnx' own terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from onnx import TensorProto
from tf2onnx.onnx_opset.controlflow import Select

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


def select(graph: Any, node: Any, name: str, arguments: Sequence[Any]) -> None:
    """A `Where` for floats. tf2onnx adds up both sides, each times 0 or 1, where NaN and infinities come through."""
    if graph.get_dtype(node.output[0]) in FLOATS:
        node.set_attr("handles_nan", True)
    Select.version_9(graph, node)


def floor_mod(graph: Any, node: Any, name: str, arguments: Sequence[Any]) -> None:
    """`Mod`, which has the divisor's sign for integers; of floats it has the dividend's, and is put right.

    tf2onnx subtracts multiples, with integers as often as their quotient rounded towards zero says, and with floats as
    often as their quotient says that was rounded up to a whole number.
    """
    if graph.get_dtype(node.input[0]) not in FLOATS:
        node.type = "Mod"
        return
    x, divisor = node.input
    shapes, dtypes, outputs = node.output_shapes, node.output_dtypes, node.output
    graph.remove_node(node.name)

    def make(op_type: str, *inputs: str, **options: Any) -> str:
        return str(graph.make_node(op_type, list(inputs), op_name_scope=name, **options).output[0])

    rest = make("Mod", x, divisor, attr={"fmod": 1})
    signs = make("Mul", make("Sign", rest), make("Sign", divisor))
    zero = make("Sub", divisor, divisor)
    other = make("Less", signs, zero)
    graph.make_node(
        "Where", [other, make("Add", rest, divisor), rest], name=name, outputs=outputs, shapes=shapes, dtypes=dtypes
    )


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {
    "FloorMod": (floor_mod, []),
    "Select": (select, []),
    "SelectV2": (select, []),
}
"""As `process_tf_graph` takes them, by TensorFlow's op types."""
