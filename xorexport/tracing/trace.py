"""One trace of the model, which every format is made from; a format that needs a cure gets a trace of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import msgspec
import tensorflow as tf
from keras import tree

from xorexport.errors import ModelError, XorexportError, brief
from xorexport.network.interface import HALF, Interface, interface_of
from xorexport.network.signature import call, output_layers, output_specs
from xorexport.spec import Signature, TensorSpec
from xorexport.tracing.freezing import Frozen, frozen
from xorexport.tracing.plans import PLAIN, Plan


@dataclass(frozen=True)
class Traced:
    """A model traced once.

    Attributes:
        function: a `tf.function` with a fixed input signature; it returns a dict by canonical output name.
        concrete: its one concrete function.
        plan: what was done to the model meanwhile.
    """

    model: keras.Model
    interface: Interface
    signature: Signature
    function: Any
    concrete: Any
    plan: Plan = field(default_factory=Plan)

    def frozen(self) -> Frozen:
        """The graph with every variable as a constant, inputs and outputs in canonical order."""
        inputs = {tensor.op.name: tensor.name for tensor in self.concrete.inputs}
        # A dict comes back sorted by its keys.
        ordered = sorted(spec.name for spec in self.signature.outputs)
        outputs = {name: tensor.name for name, tensor in zip(ordered, self.concrete.outputs, strict=True)}
        return frozen(
            self.concrete,
            [inputs[spec.name] for spec in self.signature.inputs],
            [outputs[spec.name] for spec in self.signature.outputs],
        )

    @cached_property
    def op_types(self) -> Counter[str]:
        """How many ops of each type the graph has, functions included."""
        return Counter(node.op for node in self.nodes())

    @cached_property
    def dtypes(self) -> set[str]:
        """The dtypes that casts in the graph lead to, those of layers' policies and of `keras.ops.cast` among them."""
        return {tf.as_dtype(node.attr["DstT"].type).name for node in self.nodes() if node.op == "Cast"}

    def nodes(self) -> Iterator[Any]:
        """Every node of the graph and its functions, as TensorFlow traced them."""
        graph = self.concrete.graph.as_graph_def()
        yield from graph.node
        for function in graph.library.function:
            yield from function.node_def

    def retraced(self, plan: Plan) -> Traced:
        """The model traced by another plan; this very trace where the plan changes nothing."""
        return self if plan == self.plan else trace(self.model, self.interface, plan)

    def variables(self) -> list[Any]:
        """The TensorFlow variables that the graph reads, in the model's order, which is the same every time."""
        captured = {id(handle) for handle in self.concrete.graph.external_captures}
        return [variable.value for variable in self.model.variables if id(variable.value.handle) in captured]


def trace(model: keras.Model, interface: Interface | None = None, plan: Plan = PLAIN) -> Traced:
    """Trace `model` for inference, with its own dtypes and a dynamic batch where the model has one.

    Half-precision ends become float32, which every consumer has; what lies between them is the plan's business.

    Raises:
        ModelError: the model was never built, or cannot be called in a graph.
    """
    interface = interface or interface_of(model)
    inputs = tuple(plan.fix(spec) for spec in interface.inputs)
    layers = output_layers(model)
    outputs: list[Any] = []

    def run(*tensors: Any) -> dict[str, Any]:
        structure = call(model, interface, tensors)
        outputs[:] = output_specs(interface, layers, structure)
        _refuse_complex(model, layers, outputs)
        # Through identities: an output may be an input, or another output.
        flat = [tf.identity(_plain(tensor)) for tensor in tree.flatten(structure)]
        return {spec.name: tensor for spec, tensor in zip(outputs, flat, strict=True)}

    function = tf.function(
        run,
        autograph=False,
        input_signature=[tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in inputs],
    )
    try:
        with plan.applied(model):
            concrete = function.get_concrete_function()
    except XorexportError:
        raise
    except Exception as error:
        raise ModelError(
            f"model '{model.name}'",
            expected="a model that TensorFlow can trace into a graph",
            found=brief(error),
            remedy=_remedy(interface),
        ) from error
    return Traced(model, interface, Signature(inputs=inputs, outputs=tuple(outputs)), function, concrete, plan)


def _refuse_complex(model: keras.Model, layers: Sequence[str], outputs: Sequence[TensorSpec]) -> None:
    for number, spec in enumerate(outputs):
        if spec.dtype.startswith("complex"):
            maker = f" of layer '{layers[number]}'" if number < len(layers) else ""
            raise ModelError(
                f"model '{model.name}', output '{spec.name}'{maker}",
                expected="real numbers, since no format but SavedModel can hold complex ones",
                found=spec.dtype,
                remedy="return keras.ops.real and keras.ops.imag of it as two outputs",
            )


def _remedy(interface: Interface) -> str:
    """What may help a model that cannot be traced: fixed sizes, where it has dynamic ones."""
    if not any(None in spec.shape for spec in interface.inputs):
        return "call it once on a batch of tf.zeros in a tf.function to see the layer that fails"
    fixed = [
        msgspec.structs.replace(spec, shape=interface.example.get(spec.name, tuple(size or 1 for size in spec.shape)))
        for spec in interface.inputs
    ]
    options = " ".join(f"--signature '{spec.describe()}'" for spec in fixed)
    return f"if a layer needs to know the sizes, fix them, for example with {options}"


def _plain(tensor: Any) -> Any:
    tensor = tf.convert_to_tensor(tensor)
    return tf.cast(tensor, tf.float32) if tensor.dtype.name in HALF else tensor
