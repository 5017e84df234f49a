"""Ops that TFLite's built-in set lacks, and what is done about them."""

from __future__ import annotations

LACKING = (
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
    "Cumprod",
    "DenseBincount",
    "Erf",
    "Erfinv",
    "ExtractImagePatches",
    "FFT",
    "FFT2D",
    "IFFT",
    "IFFT2D",
    "Imag",
    "ImageProjectiveTransformV3",
    "IRFFT",
    "LeftShift",
    "LookupTableFindV2",
    "MaxPool3D",
    "Ndtri",
    "Real",
    "ResizeBicubic",
    "RGBToHSV",
    "ScaleAndTranslate",
    "Sinh",
    "SpaceToBatchND",
    "Xlogy",
)
"""Op types that are made of others; see `tracing.equivalents`."""

LINEAR_ALGEBRA = "work the matrix out before the model, and give it as an input or a weight"
NEAREST: dict[str, str] = {
    "StringToHashBucketFast": "hash before the model, and let it begin with the bucket's number",
    **dict.fromkeys(("Cholesky", "MatrixDeterminant", "MatrixInverse", "MatrixSolve", "Svd", "Qr"), LINEAR_ALGEBRA),
    "LookupTableFindV2": "look strings up before the model, and let it begin with their numbers",
}
"""What works instead, by the op type that does not."""
