"""Ops that tf2onnx lacks or gets wrong, and what is done about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xorexport.tracing.equivalents import EQUIVALENTS, resizing
from xorexport.tracing.substitution import Substitute

LACKING = (
    "BroadcastArgs",
    "Bucketize",
    "ComplexAbs",
    "Conj",
    "Cross",
    "Cumprod",
    "DenseBincount",
    "Erfc",
    "Erfinv",
    "Expm1",
    "ExtractImagePatches",
    "FFT",
    "FFT2D",
    "FloorDiv",
    "HSVToRGB",
    "IFFT",
    "IFFT2D",
    "Imag",
    "ImageProjectiveTransformV3",
    "InTopKV2",
    "IRFFT",
    "Log1p",
    "LookupTableFindV2",
    "LowerBound",
    "MatrixDiagPartV3",
    "Ndtri",
    "OneHot",
    "Real",
    "ResizeArea",
    "ResizeBicubic",
    "RFFT",
    "RGBToHSV",
    "ScaleAndTranslate",
    "UpperBound",
    "XlaDynamicUpdateSlice",
    "Xlogy",
)
"""Op types that are made of others; see `tracing.equivalents`."""


def _where_rounded(substitute: Substitute) -> Substitute:
    """Only where ONNX would make another size: tf2onnx writes sizes as ratios, and their product is rounded down."""

    def replace(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        sizes = resizing.sizes(inputs)
        wrong = sizes is not None and any(_rounded_down(old, new) != {new} for old, new in sizes)
        return substitute(inputs, attributes) if wrong else None

    return replace


def _rounded_down(old: int, new: int) -> set[int]:
    """The sizes that ONNX Runtime, in float32, and onnx' shape inference, in float64, make of the ratio."""
    ratio = np.float32(new / old)
    return {int(np.floor(ratio * np.float32(old))), int(np.floor(float(ratio) * old))}


SUBSTITUTES: dict[str, Substitute] = {
    **{op_type: EQUIVALENTS[op_type] for op_type in LACKING},
    "ResizeBilinear": _where_rounded(EQUIVALENTS["ResizeBilinear"]),
    # tf2onnx writes a mode for it that ONNX has no more.
    "ResizeNearestNeighbor": EQUIVALENTS["ResizeNearestNeighbor"],
}
"""What is put in an op's place, by its type."""
