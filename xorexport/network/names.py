"""Canonical names: C identifiers, distinct, the same in every format and in every process.

Characters that no format shares become underscores; what that makes equal gets a number. The mapping is reversible,
since the name in Keras is kept beside the canonical one (`TensorSpec.keras_name`).
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from typing import Any

from keras.src.utils.naming import to_snake_case

GENERATED_INPUT = re.compile(r"^(keras_tensor|input_layer)(_\d+)?$")
"""Names that Keras makes up for an input without one: before a model is saved, and after it is loaded."""


def canonical_names(names: Iterable[str], generated: str, taken: Iterable[str] = ()) -> list[str]:
    """Turn names of a Keras model into distinct C identifiers, in order.

    Args:
        names: as Keras has them.
        taken: identifiers that are in use already: an ONNX file has one namespace for inputs and outputs.
        generated: what a name becomes that Keras made up itself; `keras_tensor_6` counts the process' tensors,
            so it would not be the same twice.
    """
    used, result = set(taken), []
    for name in names:
        base = generated if GENERATED_INPUT.match(name) else identifier(name)
        candidate, count = base, 0
        while candidate in used:
            count += 1
            candidate = f"{base}_{count}"
        used.add(candidate)
        result.append(candidate)
    return result


def identifier(name: str) -> str:
    """An identifier that begins with a letter and is no word of Python: SavedModel makes arguments of them."""
    base = re.sub(r"\W", "_", name, flags=re.ASCII)
    base = base if base[:1].isalpha() else f"n{base}"
    return f"{base}_" if keyword.iskeyword(base) or base == "self" else base


def layer_name(layer: Any) -> str:
    """A layer's name, without the number where Keras made it up: it counts the layers of the whole process."""
    class_name = to_snake_case(type(layer).__name__)
    return class_name if re.fullmatch(rf"{class_name}_\d+", layer.name) else str(layer.name)


def original(name: str, canonical: str) -> str | None:
    """The name to keep beside a canonical one: none where they are equal, or where Keras made it up."""
    return None if name == canonical or GENERATED_INPUT.match(name) else name
