"""Runs an op of TensorFlow's, and what is put in its place, on the same arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from xorexport.tracing.equivalents import EQUIVALENTS
from xorexport.tracing.substitution import substituted


@dataclass(frozen=True)
class Case:
    """One way to use an op.

    Attributes:
        function: of tensors; it has the op in it.
        arrays: what it is called with.
        units: how far each number may be off, in units in its own last place; none where `scaled` says it.
        scaled: how far all may be off, in units in the last place of the largest: sums cancel out.
        shapes: of the inputs in the graph, where some of their sizes shall not be known.
    """

    name: str
    function: Callable[..., Any]
    arrays: Sequence[np.ndarray]
    units: int | None = 0
    scaled: float | None = None
    shapes: Sequence[Any] | None = None

    def check(self, op_type, *, gone=True):
        """The equivalent computes what TensorFlow does, and nothing is left of the op."""
        seen = []

        def substitute(inputs, attributes):
            seen.append(op_type)
            return EQUIVALENTS[op_type](inputs, attributes)

        graph = frozen_with({op_type: substitute}, self.function, *self.arrays, shapes=self.shapes)
        assert seen, f"there is no {op_type} to be replaced"
        assert op_type not in graph.op_types or not gone, f"{op_type} is still there"
        expected = [np.asarray(y) for y in tf.nest.flatten(self.function(*map(tf.constant, self.arrays)))]
        scale = max((np.abs(y[np.isfinite(y)]).max(initial=0) for y in expected if y.dtype.kind == "f"), default=0)
        for one, other in zip(expected, graph.run(*self.arrays), strict=True):
            assert (other.shape, other.dtype) == (one.shape, one.dtype)
            assert one.size
            if one.dtype.kind != "f":
                np.testing.assert_array_equal(other, one)
            elif self.scaled is None:
                assert units(one, other).max() <= self.units, worst(one, other, self.arrays)
            else:
                np.testing.assert_allclose(other, one, rtol=0, atol=self.scaled * float(np.spacing(np.float32(scale))))


def each(cases):
    """The parameters `op_type` and `case` for pytest, of a dict of lists."""
    return pytest.mark.parametrize(
        ("op_type", "case"),
        [(op_type, case) for op_type, of_op in cases.items() for case in of_op],
        ids=[f"{op_type}-{case.name}" for op_type, of_op in cases.items() for case in of_op],
    )


@dataclass(frozen=True)
class Graph:
    """What the outputs of a function depend on, as converters see it: without variables and without control inputs."""

    definition: Any
    inputs: list[str]
    outputs: list[str]

    @property
    def nodes(self):
        """Every node, and those that the results of loops, branches and functions depend on."""
        found, inner = list(self.definition.node), []
        for function in self.definition.library.function:
            inner.extend(needed_by([read.split(":")[0] for read in function.ret.values()], function.node_def))
        return [*found, *inner]

    @property
    def op_types(self):
        """Of all nodes."""
        return {node.op for node in self.nodes}

    def run(self, *arrays):
        """Compute op by op: Grappler would put a `Log1p` back in place of `log(1 + x)`."""
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        config.graph_options.optimizer_options.opt_level = -1
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph, config=config) as session:
            tf.import_graph_def(self.definition, name="")
            return session.run(self.outputs, dict(zip(self.inputs, arrays, strict=True)))


def frozen_with(table, function, *arrays, shapes=None):
    """A function of arrays as a graph, traced with a table of substitutes in force."""
    shapes = shapes or [np.shape(array) for array in arrays]
    signature = [tf.TensorSpec(shape, np.asarray(array).dtype) for shape, array in zip(shapes, arrays, strict=True)]
    traced = tf.function(function, autograph=False, input_signature=signature)
    with substituted(table):
        concrete = traced.get_concrete_function()
    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)
    definition = frozen.graph.as_graph_def()
    needed = {node.name for node in needed_by([tensor.op.name for tensor in frozen.outputs], definition.node)}
    # Behind the function's own inputs come the tables that it captured.
    inputs = [tensor.name for tensor in frozen.inputs[: len(arrays)]]
    needed.update(name.split(":")[0] for name in inputs)
    for node in list(definition.node):
        if node.name in needed:
            node.input[:] = [read for read in node.input if not read.startswith("^")]
        else:
            definition.node.remove(node)
    return Graph(definition, inputs, [tensor.name for tensor in frozen.outputs])


def needed_by(names, nodes):
    """The nodes that some of them read, and those that these read, and so on; control inputs are no reading."""
    by_name, waiting, needed = {node.name: node for node in nodes}, list(names), {}
    while waiting:
        name = waiting.pop()
        # What is no node is an argument of a function.
        if name in by_name and name not in needed:
            needed[name] = by_name[name]
            waiting.extend(read.split(":")[0] for read in by_name[name].input if not read.startswith("^"))
    return list(needed.values())


def units(expected, found):
    """How far apart float32 numbers are, in units in the last place. NaN and infinity have to be the same."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_array_equal(np.where(np.isinf(found), found, 0), np.where(np.isinf(expected), expected, 0))
    return np.where(np.isfinite(expected), np.abs(_ordered(expected) - _ordered(found)), 0)


def _ordered(array):
    assert array.dtype == np.float32
    bits = array.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def worst(expected, found, arrays):
    """Where the two are furthest apart, for a message."""
    place = np.unravel_index(units(expected, found).argmax(), expected.shape)
    at = [array[place] if np.shape(array) == expected.shape else "?" for array in arrays]
    return f"at {at}: {found[place]!r} is no {expected[place]!r}"
