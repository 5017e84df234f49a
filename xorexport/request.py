"""What a user asks of an export."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xorexport.errors import UsageError, check_seed
from xorexport.network.architecture import Architecture
from xorexport.network.training import TrainingSettings
from xorexport.registry import FORMATS, check_names
from xorexport.spec import Precision, TensorSpec, Tolerance

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        model: a `.keras` file, `package.module:function`, a model, or `None` for the default network.
        formats: names from the registry, or none for all.
        architecture: of the default network.
        training: of the default network.
        precisions: of the formats that have several; the others are in the model's own.
        samples: inputs of the user's own, to check on and to calibrate with: whatever `inputs.reading` reads, or arrays
            by name, each of shape (rows, ...).
        integer_ends: whether full-integer artifacts take and return integers.
        max_error: the largest absolute error that a quantised artifact may make, or `None` for any.
        max_flips: the largest number of decisions that may flip, or `None` for any.
        inputs: the model's inputs, where Keras does not know them or shall not decide.
        opset: the ONNX opset, or `None` for the highest that converter and runtime share.
        tolerance: of float32 artifacts, or `None` for one that suits the model's arithmetic.
        seed: of the inputs that the model is checked on.
        description: of the model, for its files.
        labels: names of the classes, by number.
        preprocessing: what has to be done to raw data before it is an input, for the manifest.
        postprocessing: what has to be done to an output before it is an answer, likewise.
        keep_going: whether a bundle is published without the formats that cannot be written, or do not match.
        unsafe: whether code inside a model's file may run.
        imports: modules of the user's that define the classes and functions which a model's file names.
    """

    model: str | keras.Model | None = None
    formats: tuple[str, ...] = ()
    architecture: Architecture = field(default_factory=Architecture)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    precisions: tuple[Precision, ...] = (Precision.FLOAT32,)
    samples: str | Path | Mapping[str, np.ndarray] | None = None
    integer_ends: bool = False
    max_error: float | None = None
    max_flips: int | None = None
    inputs: tuple[TensorSpec, ...] = ()
    opset: int | None = None
    tolerance: Tolerance | None = None
    seed: int = 0
    description: str = ""
    labels: tuple[str, ...] = ()
    preprocessing: str = ""
    postprocessing: str = ""
    keep_going: bool = False
    unsafe: bool = False
    imports: tuple[str, ...] = ()

    def precisions_of(self, supported: Sequence[Precision]) -> list[Precision]:
        """Those that a format is to be quantised to."""
        return [precision for precision in dict.fromkeys(map(Precision, self.precisions)) if precision in supported]

    def check(self) -> None:
        """Refuse what no model could be exported with.

        Raises:
            UsageError: it names the option.
        """
        check_names("--format", self.formats, FORMATS)
        check_names("--precision", self.precisions, tuple(Precision))
        check_seed("--samples-seed", self.seed)
        self._check_quantising()
        for name in ("rtol", "atol") if self.tolerance is not None else ():
            value = getattr(self.tolerance, name)
            if not 0 <= value < math.inf:
                raise UsageError(f"--{name}", expected="0 or more", found=f"{value}", remedy="1e-5 is the default")

    def check_labels(self, outputs: Sequence[TensorSpec]) -> None:
        """Refuse labels that are the classes of no output.

        Raises:
            UsageError: it names the outputs.
        """
        if self.labels and not any(spec.chooses_among(len(self.labels)) for spec in outputs):
            raise UsageError(
                "--labels",
                expected=f"a name for each class of an output: {', '.join(spec.describe() for spec in outputs)}",
                found=f"{len(self.labels)}: {', '.join(self.labels)}",
                remedy="name the classes by number, from 0: as many as the last dimension, or two for a single number",
            )

    def _check_quantising(self) -> None:
        """Refuse limits that cannot be meant, and options that would have no effect."""
        for option, limit in (("--max-error", self.max_error), ("--max-flips", self.max_flips)):
            if limit is not None and not 0 <= limit < math.inf:
                raise UsageError(option, expected="0 or more", found=str(limit), remedy="leave it out for no limit")
        quantised = set(self.precisions) - {Precision.FLOAT32}
        integer = quantised & {Precision.INT8, Precision.INT16X8}
        for option, given, needed, which in (
            ("--max-error", self.max_error is not None, quantised, "other than float32"),
            ("--max-flips", self.max_flips is not None, quantised, "other than float32"),
            ("--integer-ends", self.integer_ends, integer, "int8 or int16x8"),
        ):
            if given and not needed:
                raise UsageError(
                    option,
                    expected=f"it together with a --precision {which}",
                    found=", ".join(self.precisions),
                    remedy="add the precision, or leave the option out",
                )
        if integer and self.samples is None and self.model is not None and not self.keep_going:
            raise UsageError(
                f"--precision {sorted(integer)[0]}",
                expected="samples to measure the range of every activation on",
                found="none",
                remedy="give some with --samples, or choose int8-dynamic or float16, which need none",
            )
