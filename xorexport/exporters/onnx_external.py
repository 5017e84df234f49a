"""Weights in a file of their own beside the ONNX model, which itself may not be larger than 2 GB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

ALIGNMENT = 4096
"""Where weights begin in the file: ONNX Runtime maps whole pages into memory."""


def place_externally(weights: Sequence[Any], location: str) -> list[list[onnx.StringStringEntryProto]]:
    """Where each weight's data will be, as ONNX says it: location, offset and length.

    Args:
        weights: TensorFlow variables or tensors.
        location: the file's name, relative to the model's.
    """
    places, offset = [], 0
    for weight in weights:
        length = weight.dtype.size * weight.shape.num_elements()
        entries = {"location": location, "offset": str(offset), "length": str(length)}
        places.append([onnx.StringStringEntryProto(key=key, value=value) for key, value in entries.items()])
        offset += -(-length // ALIGNMENT) * ALIGNMENT
    return places


def write_externally(weights: Sequence[Any], path: Path) -> None:
    """Write the file that `place_externally` describes: little-endian numbers, one weight after the other."""
    with path.open("wb") as stream:
        for weight in weights:
            array = np.ascontiguousarray(weight.numpy())
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            stream.write(memoryview(array.view(np.uint8).ravel()))  # type: ignore[arg-type]
            stream.write(bytes(-stream.tell() % ALIGNMENT))
