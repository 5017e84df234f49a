"""One trace of the model, which every format is made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf
from keras import tree
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from xorexport.errors import ModelError, XorexportError, brief
from xorexport.network.signature import call_structure, input_specs, output_specs
from xorexport.spec import Signature

SCOPE_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
INNER_SCOPE_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]+$")
"""What TensorFlow accepts as a scope, and inside of one."""


@dataclass(frozen=True)
class Traced:
    """A model traced once.

    Attributes:
        function: a `tf.function` with a fixed input signature; it returns a dict by canonical output name.
        concrete: its one concrete function.
    """

    model: keras.Model
    signature: Signature
    function: Any
    concrete: Any

    @cached_property
    def frozen(self) -> Any:
        """The concrete function with every variable as a constant, inputs and outputs in canonical order.

        Constants, because a TFLite converter that is handed a module which does not track the variables writes
        a file that converts without an error and predicts NaN.
        """
        return convert_variables_to_constants_v2(self.concrete, lower_control_flow=False, aggressive_inlining=True)

    def variables(self) -> list[Any]:
        """The TensorFlow variables that the graph reads, in the model's order, which is the same every time."""
        captured = {id(handle) for handle in self.concrete.graph.external_captures}
        return [variable.value for variable in self.model.variables if id(variable.value.handle) in captured]

    def input_tensors(self) -> list[Any]:
        """The frozen graph's inputs, in the signature's order."""
        by_name = {tensor.op.name: tensor for tensor in self.frozen.inputs}
        return [by_name[spec.name] for spec in self.signature.inputs]

    def output_tensors(self) -> list[Any]:
        """The frozen graph's outputs, in the signature's order: a dict comes back sorted by its keys."""
        ordered = sorted(spec.name for spec in self.signature.outputs)
        by_name = dict(zip(ordered, self.frozen.outputs, strict=True))
        return [by_name[spec.name] for spec in self.signature.outputs]


def trace(model: keras.Model) -> Traced:
    """Trace `model` for inference, with its own dtypes and a dynamic batch where the model has one.

    Raises:
        ModelError: the model was never built, or cannot be called in a graph.
    """
    inputs = input_specs(model)
    _check_layer_names(model)
    names: list[str] = []
    outputs: list[Any] = []

    def call(*tensors: Any) -> dict[str, Any]:
        structure = model(call_structure(model, tensors), training=False)
        specs = output_specs(model, structure)
        outputs[:] = specs
        names[:] = [spec.name for spec in specs]
        return dict(zip(names, tree.flatten(structure), strict=True))

    function = tf.function(
        call,
        autograph=False,
        input_signature=[tf.TensorSpec(spec.shape, spec.dtype, name=spec.name) for spec in inputs],
    )
    try:
        concrete = function.get_concrete_function()
    except XorexportError:
        raise
    except Exception as error:
        raise ModelError(
            f"model '{model.name}'",
            expected="a model that TensorFlow can trace into a graph",
            found=brief(error),
            remedy="call it once on a batch of tf.zeros in a tf.function to see the layer that fails",
        ) from error
    return Traced(model, Signature(inputs=inputs, outputs=tuple(outputs)), function, concrete)


def _check_layer_names(model: keras.Model) -> None:
    """TensorFlow makes scopes of the layers' names, and says nothing clear where it cannot."""
    for layer in model._flatten_layers():
        scope = SCOPE_NAME if layer is model else INNER_SCOPE_NAME
        if not isinstance(layer, keras.layers.InputLayer) and not scope.match(layer.name):
            raise ModelError(
                f"model '{model.name}'",
                expected="names of ASCII letters, digits and . _ - for the model and its layers",
                found=f"'{layer.name}'",
                remedy="rename it",
            )
