"""Ops that TFLite's built-in set lacks, and what is done about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xorexport.tracing.equivalents import EQUIVALENTS
from xorexport.tracing.equivalents.attributes import constant
from xorexport.tracing.substitution import Substitute

LACKING = (
    "Abs",
    "Acos",
    "Acosh",
    "Asin",
    "Asinh",
    "Atan",
    "Atanh",
    "AvgPool3D",
    "BatchToSpaceND",
    "BitwiseAnd",
    "BitwiseOr",
    "ComplexAbs",
    "Conj",
    "Conv2DBackpropInput",
    "Cosh",
    "Cross",
    "Cumprod",
    "DenseBincount",
    "Equal",
    "Erf",
    "Erfc",
    "Erfinv",
    "Expm1",
    "ExtractImagePatches",
    "FFT",
    "FFT2D",
    "HSVToRGB",
    "IFFT",
    "IFFT2D",
    "Imag",
    "ImageProjectiveTransformV3",
    "InTopKV2",
    "Invert",
    "IRFFT",
    "IsInf",
    "LeftShift",
    "Log1p",
    "LookupTableFindV2",
    "LowerBound",
    "MatrixDiagPartV3",
    "MaxPool3D",
    "Ndtri",
    "Real",
    "ResizeArea",
    "ResizeBicubic",
    "RGBToHSV",
    "Roll",
    "ScaleAndTranslate",
    "Sign",
    "Sinh",
    "SpaceToBatchND",
    "Tan",
    "UpperBound",
)
"""Op types that are made of others; see `tracing.equivalents`."""


def _odd_lengths(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """TFLite's own transform takes lengths alone that are powers of two."""
    length = constant(inputs[1])
    size = 0 if length is None else int(np.ravel(length)[0])
    return None if size & (size - 1) == 0 else EQUIVALENTS["RFFT"](inputs, attributes)


SUBSTITUTES: dict[str, Substitute] = {**{op_type: EQUIVALENTS[op_type] for op_type in LACKING}, "RFFT": _odd_lengths}
"""What is put in an op's place, by its type."""
