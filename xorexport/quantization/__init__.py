"""Makes a smaller file of an exported float32 one, one file a format, with the tools that the formats' makers ship.

A quantiser takes a file and returns a file. It does not measure what that costs: `budget` does, on predictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from xorexport.errors import ExportError, brief
from xorexport.spec import Count, Precision, Struct

STATIC = (Precision.INT8, Precision.INT16X8)
"""The precisions that fix the range of every activation when the file is made, and so need samples."""
Sample = Mapping[str, np.ndarray]
"""One batch by canonical input name, of the model's dtypes, with the batch's dimension."""


class Share(Struct, frozen=True):
    """How much of a float32 file is stored in something smaller.

    Attributes:
        tensors: constant float32 tensors in the float file.
        values: the numbers in them, four bytes each.
        converted_tensors: constants that are quantised integers or halves in the other file. A quantiser may
            store one constant in two ways, so there can be more of them than `tensors`.
        converted_values: the numbers in them.
        size_before: of the float file in bytes.
        size_after: of the other file in bytes.
    """

    tensors: Count
    values: Count
    converted_tensors: Count
    converted_values: Count
    size_before: Count
    size_after: Count

    def remark(self) -> str:
        """Why quantising was pointless, in plain words, or empty where it was not."""
        remarks = []
        if not self.converted_values:
            remarks.append(f"nothing was quantised: none of {self.tensors} weight tensors is of a kind that can be")
        elif 2 * self.converted_values < self.values:
            remarks.append(f"only {self.converted_values:,} of {self.values:,} weights were quantised")
        if self.size_after >= self.size_before:
            relation = "larger than" if self.size_after > self.size_before else "as large as"
            remarks.append(f"{self.size_after:,} bytes are {relation} float32's {self.size_before:,}")
        return "; ".join(remarks)


def check_precision(subject: str, precision: str, supported: tuple[Precision, ...]) -> Precision:
    """The precision as the type that the manifest has.

    Raises:
        ExportError: the format cannot be quantised to it.
    """
    if precision not in supported:
        raise ExportError(
            subject,
            expected=f"one of {', '.join(supported)}",
            found=precision,
            remedy="choose one of these with --precision",
        )
    return Precision(precision)


def required_samples(
    subject: str, precision: Precision, calibration: Iterable[Sample] | None
) -> list[dict[str, np.ndarray]]:
    """The samples that a precision is calibrated with; none for those that need none.

    Raises:
        ExportError: there are no samples where they are needed, or they hold values that are not finite.
    """
    if precision not in STATIC:
        return []
    samples = [dict(sample) for sample in calibration or ()]
    if not samples:
        raise ExportError(
            subject,
            expected="samples to measure the range of every activation on",
            found="none",
            remedy="give some with --samples, or choose int8-dynamic or float16, which need none",
        )
    for position, sample in enumerate(samples):
        for name, array in sample.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ExportError(
                    subject,
                    expected="finite numbers in the samples",
                    found=f"others in sample {position}, input '{name}'",
                    remedy="leave that sample out: a range cannot be measured on it",
                )
    return samples


def failed(subject: str, error: Exception) -> ExportError:
    """The error for whatever the format's quantiser raised."""
    return ExportError(
        subject,
        expected="a model that the quantiser can handle",
        found=brief(error),
        remedy="leave this precision out, or replace the layer that it names",
    )
