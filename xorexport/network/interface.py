"""How a Keras model is called: its inputs in its own order, and the structure that they are packed in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import tree

from xorexport.dtypes import numpy_dtype
from xorexport.errors import ModelError, UsageError
from xorexport.network.names import canonical_names, original
from xorexport.spec import BATCH, TensorSpec

HALF = ("float16", "bfloat16")
"""Dtypes that few consumers have; a model's ends are float32 instead, which holds every one of their values."""
LARGEST_SIZE = 1 << 24
"""Of a dimension that somebody names: beyond it is a slip of the finger, and more than fits into memory."""
SHAPE = re.compile(r"^\s*(?P<name>\S.*?)\s+(?P<dtype>[a-z]+\d*)\s*\[(?P<shape>[^\]]*)\]\s*$")


@dataclass(frozen=True)
class Interface:
    """How a model is called.

    Attributes:
        inputs: what it is called with, flat.
        structure: lists, tuples and dicts whose leaves are positions in `inputs`; one for each argument of `call`.
        example: a shape that each input may have, by canonical name, where that is known.
    """

    inputs: tuple[TensorSpec, ...]
    structure: dict[str | None, Any]
    example: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def arguments(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments for the model, from a flat list of tensors."""
        packed = {
            name: tree.map_structure(lambda position: tensors[position], structure)
            for name, structure in self.structure.items()
        }
        first, *others = packed.items()
        return (first[1],), {str(name): value for name, value in others}

    @property
    def alone(self) -> bool:
        """Whether the model takes one argument, as `predict` wants it."""
        return len(self.structure) == 1


def interface_of(model: keras.Model, given: Sequence[TensorSpec] = ()) -> Interface:
    """The interface of a built model.

    Args:
        given: what the user says of the inputs: for a model with recorded inputs, other dtypes or dimensions, by
            canonical name; for any other model, all of its inputs in order, with the names that they shall have.

    Raises:
        ModelError: the model was never built, or nothing is known about its inputs.
        UsageError: what the user says does not fit the model.
    """
    if getattr(model, "inputs", None):
        return _recorded(model, given)
    given = _named(given)
    shapes = getattr(model, "_build_shapes_dict", None)
    if not shapes:
        if given:
            return Interface(tuple(given), {None: _one_or_list(len(given))})
        raise ModelError(
            f"model '{model.name}'",
            expected="a model whose inputs are known: with a keras.Input, or called once before it was saved",
            found="one that was never called" if model.built else "one that was never built",
            remedy="call it once on example data, or name its inputs with --signature 'x float32[batch, 4]'",
        )
    return _called(model, shapes, given)


def input_specs(model: keras.Model) -> tuple[TensorSpec, ...]:
    """The inputs of a built model, flat and in its own order.

    Raises:
        ModelError: nothing is known about them.
    """
    return interface_of(model).inputs


def call_structure(model: keras.Model, tensors: Sequence[Any]) -> Any:
    """The one argument that a model is called with, from a flat list; a subclassed model gets the list as it is."""
    if functional(model) is None:
        return tensors[0] if len(tensors) == 1 else list(tensors)
    (argument,), _ = interface_of(model).arguments(tensors)
    return argument


def functional(model: keras.Model) -> Any | None:
    """The graph of layers behind a model: itself, a Sequential's inner one, or none for a subclassed model."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if hasattr(model, "output_names") else None


def parse_spec(text: str) -> TensorSpec:
    """Read `x float32[batch, 4]`, the way in which specs are printed; `batch`, `None` and `?` are dynamic.

    Raises:
        UsageError: it is something else.
    """
    match = SHAPE.match(text)
    try:
        if match is None:
            raise ValueError
        numpy_dtype(match["dtype"])
        sizes = [size.strip() for size in match["shape"].split(",") if size.strip()]
        shape = tuple(None if size in (BATCH, "None", "?") else int(size) for size in sizes)
        if any(size is not None and not 1 <= size <= LARGEST_SIZE for size in shape):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise UsageError(
            "--signature",
            expected="a name, a dtype and a shape such as 'x float32[batch, 4]'",
            found=f"'{text}'",
            remedy="write one for each input; `xorexport inspect` prints them in this form",
        ) from error
    return TensorSpec(name=match["name"], dtype=match["dtype"], shape=shape)


def _named(given: Sequence[TensorSpec]) -> list[TensorSpec]:
    """The user's names as every format can hold them, with the ones that were given beside them.

    Raises:
        UsageError: two of them are the same.
    """
    names = [spec.name for spec in given]
    if len(set(names)) != len(names):
        raise UsageError("--signature", expected="another name for each input", found=", ".join(names), remedy="rename")
    return [
        TensorSpec(name=name, dtype=spec.dtype, shape=spec.shape, keras_name=original(spec.name, name))
        for name, spec in zip(canonical_names(names, "input"), given, strict=True)
    ]


def _recorded(model: keras.Model, given: Sequence[TensorSpec]) -> Interface:
    """Of a Functional or Sequential model."""
    names = [tensor.name for tensor in model.inputs]
    specs = [
        TensorSpec(
            name=name,
            dtype=_plain(keras.backend.standardize_dtype(tensor.dtype)),
            shape=tuple(tensor.shape),
            keras_name=original(keras_name, name),
        )
        for name, keras_name, tensor in zip(canonical_names(names, "input"), names, model.inputs, strict=True)
    ]
    for spec in given:
        position = next((at for at, own in enumerate(specs) if spec.name in (own.name, own.keras_name)), None)
        if position is None or len(spec.shape) != len(specs[position].shape):
            raise UsageError(
                "--signature",
                expected=f"one of {', '.join(known.describe() for known in specs)} with other sizes or another dtype",
                found=spec.describe(),
                remedy="keep the model's names and numbers of dimensions",
            )
        known = specs[position]
        specs[position] = TensorSpec(name=known.name, dtype=spec.dtype, shape=spec.shape, keras_name=known.keras_name)
    structure = functional(model).input  # type: ignore[union-attr]
    flat = tree.flatten(structure)
    positions = {id(tensor): position for position, tensor in enumerate(model.inputs)}
    order = [positions[id(tensor)] for tensor in flat]
    return Interface(tuple(specs), {None: tree.pack_sequence_as(structure, order)})


def _called(model: keras.Model, shapes: Mapping[str, Any], given: Sequence[TensorSpec]) -> Interface:
    """Of a subclassed model: Keras keeps the shapes that it was first called with, but neither names nor dtypes."""
    parameters = list(inspect.signature(model.call).parameters)
    structure: dict[str | None, Any] = {}
    specs: list[TensorSpec] = []
    names: list[str] = []
    for number, (key, of_argument) in enumerate(shapes.items()):
        argument = parameters[0] if number == 0 and parameters else key.removesuffix("_shape")
        leaves = list(_leaves(of_argument, (argument,)))
        structure[argument] = _number(of_argument, iter(range(len(specs), len(specs) + len(leaves))))
        for path, shape in leaves:
            keys = [step for step in path[1:] if isinstance(step, str)]
            names.append("_".join(keys or [argument]))
            specs.append(TensorSpec(name="", dtype=_plain(model.input_dtype), shape=(None, *shape[1:])))
    if given:
        # Keras records the first argument alone where the model has no `build` of its own.
        others = [name for name in parameters if name not in (*structure, "training", "mask")]
        for name, position in zip(others, range(len(specs), len(given)), strict=False):
            structure[name] = position
            specs.append(given[position])
    if given and len(given) != len(specs):
        raise UsageError(
            "--signature",
            expected=f"{len(specs)} inputs, which the model was called with",
            found=f"{len(given)}: {', '.join(spec.describe() for spec in given)}",
            remedy="give one for each input, in the order of the call",
        )
    if given:
        return Interface(tuple(given), structure)
    canonical = canonical_names(names, "input")
    named = tuple(
        TensorSpec(name=name, dtype=spec.dtype, shape=spec.shape, keras_name=original(keras_name, name))
        for name, keras_name, spec in zip(canonical, names, specs, strict=True)
    )
    return Interface(named, structure)


def _leaves(shapes: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Sequence[int | None]]]:
    if isinstance(shapes, Mapping):
        for key, value in shapes.items():
            yield from _leaves(value, (*path, str(key)))
    elif _is_shape(shapes):
        yield path, tuple(shapes)
    else:
        for index, value in enumerate(shapes):
            yield from _leaves(value, (*path, index))


def _number(shapes: Any, positions: Iterator[int]) -> Any:
    """The same structure with positions in place of shapes."""
    if isinstance(shapes, Mapping):
        return {key: _number(value, positions) for key, value in shapes.items()}
    if _is_shape(shapes):
        return next(positions)
    return [_number(value, positions) for value in shapes]


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(size is None or isinstance(size, int) for size in value)


def _one_or_list(count: int) -> Any:
    return 0 if count == 1 else list(range(count))


def _plain(dtype: str) -> str:
    return "float32" if dtype in HALF else dtype
