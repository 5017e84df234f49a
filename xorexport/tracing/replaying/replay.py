"""Walks through a traced function and does the same again, calls, loops and branches included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import func_graph
from tensorflow.python.ops import control_flow_v2_func_graphs, handle_data_util, while_v2
from tensorflow.python.ops.control_flow_util_v2 import unique_fn_name

from xorexport.tracing.replaying.lists import LISTS, Reserved, plain
from xorexport.tracing.replaying.ops import CALLS, again, shaped, single

LOOPS = ("StatelessWhile", "While")
BRANCHES = ("StatelessIf", "If", "StatelessCase", "Case")
OLD_LOOPS = frozenset({"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"})
"""Loops and branches of TensorFlow 1, which go round in circles."""


def all_ops(graph: Any) -> Iterator[Any]:
    """The ops of a graph, and of all functions that it calls."""
    graphs, seen = [graph], set()
    while graphs:
        for op in graphs.pop().get_operations():
            yield op
            new = [name for name in _functions(op) if name not in seen]
            seen.update(new)
            graphs += [op.graph._get_function(name).graph for name in new]


def _functions(op: Any) -> list[str]:
    """The names of the functions that an op calls."""
    if op.type in CALLS:
        return [op.get_attr("f").name]
    if op.type in LOOPS:
        return [op.get_attr("cond").name, op.get_attr("body").name]
    if op.type in ("Case", "StatelessCase"):
        return [branch.name for branch in op.get_attr("branches")]
    return [op.get_attr("then_branch").name, op.get_attr("else_branch").name] if op.type in BRANCHES else []


@dataclass(frozen=True)
class Replay:
    """How to do it again.

    Attributes:
        float32: whether float32 takes the place of other floats.
        plain: whether plain tensors take the place of tensor lists.
        inline: whether functions that are compiled with XLA become a part of the graph as well.
        effects: whether ops stay that nothing is computed from, such as those that set variables.
    """

    float32: bool = False
    plain: bool = False
    inline: bool = True
    effects: bool = True

    def __call__(self, function: Any, inputs: Mapping[str, Any]) -> Any:
        """What a concrete function returns, from its inputs by name; by a call of it where it cannot be done again."""
        ops = list(all_ops(function.graph))
        if any(op.type in OLD_LOOPS for op in ops):
            return function(**inputs)
        return replace(self, plain=self.plain and all(map(plain, ops)))._all(function, inputs)

    def _all(self, function: Any, inputs: Mapping[str, Any]) -> Any:
        # A SavedModel's own names, or arguments of Python made of them.
        keywords = function._arg_keywords or ()
        names = keywords if set(keywords) == set(inputs) else function.function_type.parameters
        tensors = [*(inputs[name] for name in names), *function.captured_inputs]
        if self.float32:
            tensors = [single(tensor) for tensor in tensors]
        outside = tf.compat.v1.get_default_graph()
        for variable in function.graph.variables:
            outside.watch_variable(variable)
        outputs = self._run(function.graph, tensors, function.graph.outputs)
        shaped(outputs, tf.nest.flatten(function.structured_outputs, expand_composites=True))
        return tf.nest.pack_sequence_as(function.structured_outputs, outputs, expand_composites=True)

    def _run(self, graph: Any, inputs: Sequence[Any], outputs: Sequence[Any], scope: str = "") -> list[Any]:
        """Do a graph's ops again.

        Args:
            outputs: tensors of the graph, which what they are now is returned of.
            scope: what goes before the names of its ops.
        """
        values = {own.name: tensor for own, tensor in zip(graph.inputs, inputs, strict=True)}
        # Names are whole, whatever is being traced around them.
        with tf.compat.v1.get_default_graph().name_scope(None):
            for op in self._needed(graph, outputs):
                made = self._again(op, [values[tensor.name] for tensor in op.inputs], scope)
                values.update(zip((tensor.name for tensor in op.outputs), made, strict=True))
        return [values[tensor.name] for tensor in outputs]

    def _needed(self, graph: Any, outputs: Sequence[Any]) -> list[Any]:
        """The ops that some tensors are made of, in order; and those that have effects, where these count."""
        given = {tensor.op.name for tensor in graph.inputs}
        waiting, needed = [tensor.op for tensor in outputs], set()
        if self.effects:
            waiting += graph.control_outputs
        while waiting:
            op = waiting.pop()
            if op.name not in given and op.name not in needed:
                needed.add(op.name)
                waiting += [tensor.op for tensor in op.inputs]
                waiting += op.control_inputs if self.effects else []
        return [op for op in graph.get_operations() if op.name in needed and op.type != "NoOp"]

    def _again(self, op: Any, inputs: list[Any], scope: str) -> list[Any]:
        if self.plain and op.type in LISTS:
            with tf.name_scope(f"{scope}{op.name}/"):
                return [LISTS[op.type](inputs)]
        if op.type == "Identity" and isinstance(inputs[0], Reserved):
            return inputs
        if op.type in CALLS and (self.inline or "_XlaMustCompile" not in op.node_def.attr):
            return self._call(op, inputs, scope)
        if op.type in LOOPS:
            return self._loop(op, inputs, scope)
        if op.type in BRANCHES:
            return self._branch(op, inputs, scope)
        return again(op, inputs, scope + op.name, self.float32)

    def _call(self, op: Any, inputs: Sequence[Any], scope: str) -> list[Any]:
        (inner,) = self._inner(op)
        place, _, _ = op.name.rpartition("/")
        return self._run(inner, inputs, inner.outputs, f"{scope}{place}/" if place else scope)

    def _branch(self, op: Any, inputs: Sequence[Any], scope: str) -> list[Any]:
        chosen, *arguments = inputs
        branches = [lambda inner=inner: self._run(inner, arguments, inner.outputs, scope) for inner in self._inner(op)]
        if op.type.endswith("Case"):
            made = tf.switch_case(chosen, branches, name=scope + op.name)
        else:
            made = tf.cond(chosen, *branches, name=scope + op.name)
        outputs = tf.nest.flatten(made) if op.outputs else []
        shaped(outputs, op.outputs)
        return outputs

    def _loop(self, op: Any, inputs: list[Any], scope: str) -> list[Any]:
        condition, body = self._inner(op)
        inputs = self._with_elements(body, inputs, scope)
        shapes = [tensor.shape for tensor in inputs]
        while True:
            body_graph = self._body(body, inputs, shapes, scope)
            # What is another size in each round is not known.
            after = [
                shape.most_specific_compatible_shape(output.shape)
                for shape, output in zip(shapes, body_graph.outputs, strict=True)
            ]
            if after == shapes:
                break
            shapes = after
        condition_graph = self._function(condition, condition.outputs, inputs, shapes, scope)
        return list(
            while_v2._build_while_op(
                inputs,
                condition_graph,
                body_graph,
                output_shapes=shapes,
                parallel_iterations=op.get_attr("parallel_iterations"),
                name=scope + op.name,
                num_original_outputs=len(inputs),
            )
        )

    def _with_elements(self, body: Any, inputs: list[Any], scope: str) -> list[Any]:
        """A loop's inputs, in which lists that it is the first to write in have the sizes that it writes.

        Its first round is done once beside it, for these sizes; nothing else is used of it.
        """
        places = [place for place, value in enumerate(inputs) if isinstance(value, Reserved)]
        if not places:
            return inputs
        made = replace(self, effects=False)._run(body, inputs, [body.outputs[place] for place in places], scope)
        zeros = dict(zip(places, map(tf.zeros_like, made), strict=True))
        return [zeros.get(place, value) for place, value in enumerate(inputs)]

    def _body(self, body: Any, inputs: Sequence[Any], shapes: Sequence[Any], scope: str) -> Any:
        """A loop's body, in which what never changes is handed on as it is: freezing looks for it there."""
        changing = [own.name != out.name for own, out in zip(body.inputs, body.outputs, strict=True)]
        wanted = [out for out, changes in zip(body.outputs, changing, strict=True) if changes]
        graph = self._function(body, wanted, inputs, shapes, scope)
        made = iter(graph.outputs)
        graph.outputs = [next(made) if changes else own for own, changes in zip(graph.inputs, changing, strict=True)]
        return graph

    def _function(
        self, inner: Any, outputs: Sequence[Any], inputs: Sequence[Any], shapes: Sequence[Any], scope: str
    ) -> Any:
        """A graph of its own, as loops have them, with inputs of given shapes."""

        def run(*arguments: Any) -> list[Any]:
            for tensor, argument in zip(inputs, arguments, strict=True):
                handle_data_util.copy_handle_data(tensor, argument)
            return self._run(inner, arguments, outputs, scope)

        outside = tf.compat.v1.get_default_graph()
        name = unique_fn_name(scope, inner.name)
        return func_graph.func_graph_from_py_func(
            name,
            run,
            [],
            {},
            signature=[tf.TensorSpec(shape, own.dtype) for shape, own in zip(shapes, inputs, strict=True)],
            func_graph=control_flow_v2_func_graphs.WhileBodyFuncGraph(name, collections=outside._collections),
            add_control_dependencies=outside._add_control_dependencies,
        )

    def _inner(self, op: Any) -> list[Any]:
        return [op.graph._get_function(name).graph for name in _functions(op)]
