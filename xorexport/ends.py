"""Where an artifact takes or returns other numbers than the model, integers above all: from one to the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xorexport.dtypes import numpy_dtype
from xorexport.errors import UsageError
from xorexport.spec import Quantization, TensorSpec


def to_artifact(arrays: Mapping[str, np.ndarray], specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """The model's inputs as an artifact takes them.

    Args:
        arrays: by canonical name, of the model's dtypes.
        specs: the artifact's inputs.

    Returns:
        Arrays of the specs' dtypes. What is beyond an integer's range becomes the nearest integer that there is;
        floats of another width are rounded to it.

    Raises:
        UsageError: a number that an integer shall stand for is NaN.
    """
    return {spec.name: _taken(arrays[spec.name], spec) for spec in specs}


def from_artifact(arrays: Mapping[str, np.ndarray], specs: Sequence[TensorSpec]) -> dict[str, np.ndarray]:
    """An artifact's outputs as numbers: float32 where they are quantised, as they are where not.

    Args:
        arrays: by canonical name, of the specs' dtypes.
        specs: the artifact's outputs.
    """
    return {
        spec.name: _dequantized(arrays[spec.name], spec.quantization) if spec.quantization else arrays[spec.name]
        for spec in specs
    }


def _taken(array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """One input; a file may take float32 in place of the model's float64."""
    if spec.quantization:
        return _quantized(array, spec, spec.quantization)
    both = array.dtype.kind == numpy_dtype(spec.dtype).kind == "f"
    with np.errstate(over="ignore"):
        converted: np.ndarray = array.astype(spec.dtype, copy=False) if both else array
    return converted


def _quantized(array: np.ndarray, spec: TensorSpec, quantization: Quantization) -> np.ndarray:
    """`round(number / scale) + zero_point`, halves to even, in float64."""
    if np.isnan(array).any():
        raise UsageError(
            f"input '{spec.name}'",
            expected=f"numbers that {spec.dtype} can stand for",
            found="NaN",
            remedy="choose a float32 artifact, or replace them",
        )
    limits = np.iinfo(spec.dtype)
    integers = np.rint(array.astype(np.float64) / quantization.scale) + quantization.zero_point
    clipped: np.ndarray = np.clip(integers, limits.min, limits.max)
    return clipped.astype(spec.dtype)


def _dequantized(array: np.ndarray, quantization: Quantization) -> np.ndarray:
    """`scale * (integer - zero_point)`, the difference as an exact integer."""
    numbers: np.ndarray = quantization.scale * (array.astype(np.int64) - quantization.zero_point)
    return numbers.astype(np.float32)
