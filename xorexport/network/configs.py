"""Compares what layers are made from: their configs, and the arguments of their calls.

Layers' names are left out: they do not change what a network computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

SHOWN_CHARACTERS = 80
"""How much of a value a message shows."""
UNNAMED = ("name", "build_config", "shared_object_id")
"""Entries of a layer's config that say nothing about what it computes."""


class _Absent:
    def __str__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True)
class Constant:
    """An array among the arguments of a call, compared bit for bit."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes

    def __str__(self) -> str:
        values = np.frombuffer(self.data, self.dtype).reshape(self.shape)
        return f"{self.dtype}{list(self.shape)} {np.array2string(values, threshold=8)}"


@dataclass(frozen=True)
class Difference:
    """The first difference between two values.

    Attributes:
        field: the way to it, for example `kernel_initializer.seed`.
        first: the value in the first model, or `ABSENT`.
        second: the value in the second model, or `ABSENT`.
    """

    field: str
    first: Any
    second: Any

    def __str__(self) -> str:
        return f"{self.field} is {show(self.first)} in the first model, {show(self.second)} in the second"


def config_of(operation: Any) -> dict[str, Any] | None:
    """A layer's config, ready for comparing, or None where the layer cannot give one.

    Inner layers' names are left out, and inner models stand as a placeholder: their graphs are compared instead.
    """
    try:
        config = operation.get_config()
    except Exception:
        # A custom layer's `get_config` can fail in any way; the caller says that it was not compared.
        return None
    inner = operation._flatten_layers() if isinstance(operation, keras.layers.Layer) else [operation]
    layer_classes = {type(layer).__name__ for layer in inner}
    return {key: normalise(value, layer_classes) for key, value in config.items() if key not in UNNAMED}


def normalise(value: Any, layer_classes: set[str] | frozenset[str] = frozenset()) -> Any:
    """Make equal values equal: tuples and lists, arrays, and Keras' way of writing objects down.

    Args:
        value: from a config or from the arguments of a call.
        layer_classes: names of the classes whose `name` in a config is a layer's name.
    """
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return _normalise_object(value, layer_classes)
        return {key: normalise(entry, layer_classes) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [normalise(entry, layer_classes) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
        array = np.asarray(value)
        return Constant(array.dtype.name, array.shape, array.tobytes())
    return value


def first_difference(first: Any, second: Any, field: str = "") -> Difference | None:
    """The first difference between two normalised values, going through them in the first one's order."""
    if isinstance(first, dict) and isinstance(second, dict):
        for key in [*first, *(key for key in second if key not in first)]:
            path = f"{field}.{key}" if field else str(key)
            found = first_difference(first.get(key, ABSENT), second.get(key, ABSENT), path)
            if found is not None:
                return found
        return None
    if _is_nested(first) and _is_nested(second) and len(first) == len(second):
        pairs = enumerate(zip(first, second, strict=True), 1)
        differences = (first_difference(one, other, f"{field}[{n}]") for n, (one, other) in pairs)
        return next((found for found in differences if found is not None), None)
    return None if _same(first, second) else Difference(field, first, second)


def show(value: Any) -> str:
    """A value as messages have it: short, and in one line."""
    text = f"({', '.join(map(show, value))})" if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def _normalise_object(value: dict[str, Any], layer_classes: set[str] | frozenset[str]) -> Any:
    name, config = value["class_name"], value["config"]
    if name == "DTypePolicy":
        return config["name"]
    if name in ("Functional", "Sequential"):
        return "a model"
    module = value.get("module") or ""
    described: dict[str, Any] = {"class_name": name if module.startswith("keras") else f"{module}.{name}".strip(".")}
    if not isinstance(config, dict):
        return {**described, "config": config}
    hidden = UNNAMED if name in layer_classes else ()
    entries = {key: normalise(entry, layer_classes) for key, entry in config.items() if key not in hidden}
    return {**described, **entries}


def _is_nested(value: Any) -> bool:
    """A list of more than plain values; a list of plain values, as a kernel size, is shown as a whole."""
    return isinstance(value, list) and any(not isinstance(entry, int | float | str | None) for entry in value)


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    # To Python True is 1; in a config it is not.
    if isinstance(first, bool) is not isinstance(second, bool):
        return False
    if isinstance(first, float) and isinstance(second, float) and first != first:
        return second != second
    return bool(first == second)
