"""What is done to a model for one format alone: each plan is a trace of its own, so a cure never touches the rest."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import keras
import tensorflow as tf
from keras.src import backend

from xorexport.network.policy import OTHER_FLOATS
from xorexport.network.scopes import safe_scopes
from xorexport.network.sources import saved_model
from xorexport.spec import TensorSpec
from xorexport.tracing.equivalents.integers import sign_bit
from xorexport.tracing.equivalents.loops import plain_rnn
from xorexport.tracing.replaying import Replay
from xorexport.tracing.replaying.signs import of_bits
from xorexport.tracing.substitution import Substitute, substituted


@dataclass(frozen=True)
class Plan:
    """How to trace a model.

    Attributes:
        stand_ins: functions of Keras' backend that are replaced, by name in `STAND_INS`; and what they left behind in a
            SavedModel, likewise.
        float32: whether layers compute in float32, whatever their policy says.
        inline: whether functions that Keras compiles with XLA become a part of the graph.
        substitutes: what makes ops in other ops, by op type.
        batch: the size of the batch, where the format can only hold a fixed one.
        sizes: a shape for each input by name, which fixes every dimension but the batch, likewise.
        notes: what of this a user should know.
    """

    stand_ins: tuple[str, ...] = ()
    float32: bool = False
    inline: bool = False
    substitutes: Mapping[str, Substitute] = field(default_factory=dict)
    batch: int | None = None
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def for_ops(self, op_types: Container[str]) -> Plan:
        """The plan with the stand-ins for functions whose ops no converter knows what to do with."""
        used = {"signbit": "Bitcast", "next": "AssignVariableOp"}
        return replace(self, stand_ins=tuple(name for name, op_type in used.items() if op_type in op_types))

    def noted(self, note: str, **changes: Any) -> Plan:
        """The same plan with changes, and a note that says what they are."""
        return replace(self, notes=(*self.notes, note), **changes)

    def fix(self, spec: TensorSpec) -> TensorSpec:
        """An input with its dynamic dimensions as the plan has them."""
        sizes = self.sizes.get(spec.name, spec.shape)
        rest = (own if size is None else size for size, own in zip(spec.shape[1:], sizes[1:], strict=True))
        batch = self.batch if spec.shape and spec.shape[0] is None else next(iter(spec.shape), None)
        shape = (batch, *rest) if spec.shape else ()
        dtype = "float32" if self.float32 and spec.dtype == "float64" else spec.dtype
        return TensorSpec(name=spec.name, dtype=dtype, shape=shape, keras_name=spec.keras_name)

    @contextmanager
    def applied(self, model: keras.Model) -> Iterator[None]:
        """Everything that has to be in force while the model is traced; all of it is undone afterwards."""
        with ExitStack() as stack:
            stack.enter_context(safe_scopes(model))
            for name in self.stand_ins:
                module, function = STAND_INS[name]
                stack.enter_context(mock.patch.object(module, name, function))
            if self.float32:
                stack.enter_context(_float32_layers(model))
            # What is compiled with XLA is a call still, where nothing in it has to be replaced.
            replay = Replay(self.float32, "rnn" in self.stand_ins, self != PLAIN, effects="next" not in self.stand_ins)
            stack.enter_context(mock.patch.object(saved_model, "run", replay))
            if self.inline:
                stack.enter_context(mock.patch.object(tf, "function", _inlined))
            if substitutes := self._all_substitutes():
                stack.enter_context(substituted(substitutes))
            yield

    def _all_substitutes(self) -> dict[str, Substitute]:
        """Those that the plan names, and those that its other settings ask for."""
        table = dict(self.substitutes)
        if self.float32:
            table["Cast"] = _in_float32
        if "signbit" in self.stand_ins:
            table["BitwiseAnd"] = of_bits(table.get("BitwiseAnd"))
        return table


PLAIN = Plan()

STAND_INS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "rnn": (backend, plain_rnn),
    "signbit": (backend.numpy, sign_bit),
    # Recurrent layers with dropout draw a seed when they predict as well, and do nothing with it.
    "next": (keras.random.SeedGenerator, lambda self, ordered=True: self.state.value),
}
"""Functions of Keras' backend by name: where they are, and what computes the same in ops that more formats have."""


def _inlined(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """In place of `tf.function`: the function itself, which is a part of the graph that is being made."""
    return function if function is not None else lambda inner: inner


def _in_float32(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """In place of a cast to another float dtype, one to float32."""
    if tf.as_dtype(attributes["DstT"].type).name not in OTHER_FLOATS:
        return None
    return tf.cast(inputs[0], tf.float32)


@contextmanager
def _float32_layers(model: keras.Model) -> Iterator[None]:
    """Let every layer compute in float32 meanwhile. Its variables are read as float32 then, whatever they are."""
    policies = {layer: layer._dtype_policy for layer in model._flatten_layers()}
    for layer in policies:
        if layer.compute_dtype in OTHER_FLOATS:
            layer._dtype_policy = _reading(layer.variable_dtype)
    try:
        yield
    finally:
        for layer, policy in policies.items():
            layer._dtype_policy = policy


def _reading(variable_dtype: str) -> keras.DTypePolicy:
    """A policy that computes in float32 on variables of another dtype. Keras casts them only where the two differ."""
    policy = keras.DTypePolicy("float32")
    policy._variable_dtype = variable_dtype
    return policy
