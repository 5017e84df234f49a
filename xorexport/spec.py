"""The core types: frozen values, which the manifest is made of.

They are `msgspec` structs, so reading a manifest checks every field's type, and the JSON Schema that ships with
the package is made from the very same definitions.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Literal

import msgspec

BATCH = "batch"
"""The symbol of the dynamic first dimension in every format that has symbols."""


SIGNATURE_KEY = "serving_default"
"""The name of the one signature in SavedModel and TFLite files: TensorFlow's own default."""

RelativePath = Annotated[str, msgspec.Meta(pattern=r"^(?![/\\])(?![A-Za-z]:)(?!(.*[/\\])?\.\.([/\\]|$))[^\x00]+$")]
"""A path below the bundle's folder, with forward slashes; never one that leads out of it."""
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]
BatchSize = Annotated[int, msgspec.Meta(ge=1)]


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A frozen record that refuses fields it does not know."""


class Precision(StrEnum):
    """The number format that an artifact's weights and arithmetic are in."""

    FLOAT32 = "float32"
    """The model's own arithmetic: its policy, where that is another (`ModelInfo.policy`)."""
    FLOAT16 = "float16"
    """Weights in half precision."""
    INT8_DYNAMIC = "int8-dynamic"
    """Weights in int8; each run scales its own activations."""
    INT8 = "int8"
    """Weights and activations in int8, scaled by calibration."""
    INT16X8 = "int16x8"
    """Weights in int8, activations in int16, scaled by calibration."""


class Decision(StrEnum):
    """How an output is turned into a class, where its last layer says so."""

    THRESHOLD = "threshold"
    """One sigmoid: the class is 1 above 0.5."""
    ARGMAX = "argmax"
    """A softmax: the class is the index of the largest value on the last axis."""


class Quantization(Struct, frozen=True):
    """How integers stand for numbers: `number = scale * (integer - zero_point)`."""

    scale: Annotated[float, msgspec.Meta(gt=0)]
    zero_point: int


class TensorSpec(Struct, frozen=True, omit_defaults=True):
    """One input or output.

    Attributes:
        name: the canonical name, the same in every format: a C identifier.
        dtype: a NumPy dtype name, for example `float32`, or `string`.
        shape: the dimensions; `None` is a dynamic one, and a dynamic first one is the batch.
        keras_name: the name in the Keras model, where it is not an identifier.
        quantization: of the integers that an artifact takes or returns in place of the model's floats.
    """

    name: str
    dtype: str
    shape: tuple[Count | None, ...]
    keras_name: str | None = None
    quantization: Quantization | None = None

    def row_size(self) -> int:
        """Number of elements of one row: the product of the fixed dimensions after the first."""
        return math.prod(dimension or 1 for dimension in self.shape[1:])

    def chooses_among(self, classes: int) -> bool:
        """Whether a row of it can choose one of so many classes: by a number for each, or by one number for two."""
        one_number = all(size == 1 for size in self.shape[1:])
        return (classes == 2 and one_number) or (classes > 1 < len(self.shape) and self.shape[-1] == classes)

    def describe(self) -> str:
        """For example `x float32[batch, 2]`."""
        dims = [str(d) if d is not None else (BATCH if i == 0 else "?") for i, d in enumerate(self.shape)]
        return f"{self.name} {self.dtype}[{', '.join(dims)}]"


class Signature(Struct, frozen=True):
    """Inputs and outputs in the model's own order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Tolerance(Struct, frozen=True):
    """`|actual - expected| <= atol + rtol * |expected|`, element by element."""

    rtol: Annotated[float, msgspec.Meta(ge=0)]
    atol: Annotated[float, msgspec.Meta(ge=0)]


class FileDigest(Struct, frozen=True):
    """A file of the bundle.

    Attributes:
        path: relative to the bundle's folder.
        size: in bytes.
    """

    path: RelativePath
    sha256: Sha256
    size: Count


NonNegative = Annotated[float, msgspec.Meta(ge=0)]


class Budget(Struct, frozen=True):
    """How far one output of a quantised artifact is from the model's own, on samples it was not calibrated with.

    Attributes:
        output: its canonical name.
        rows: number of samples.
        max_abs: largest absolute error; `None` where it has no bound, since a value is lost.
        mean_abs: mean absolute error, likewise.
        snr_db: signal-to-noise ratio in decibels; `None` where there is no noise, no signal, or a value is lost.
        lost: number of values that are not finite on one side alone, or infinite with the other sign.
        flips: rows whose decision differs; `None` where the output makes none.
        limit: the largest absolute error that another engine or machine may show; `None` where a value is lost.
    """

    output: str
    rows: Count
    max_abs: NonNegative | None
    mean_abs: NonNegative | None
    snr_db: float | None
    lost: Count = 0
    flips: Count | None = None
    limit: NonNegative | None = None


class Artifact(Struct, frozen=True):
    """The model in one format and one precision.

    Attributes:
        format: a name from the registry's formats.
        path: the file or folder, relative to the bundle's folder.
        size: bytes of all files together.
        files: every file of it.
        signature: what a consumer finds in the file itself: the model's, but for dimensions that the format can
            hold only fixed, and the dtypes of quantised ends.
        details: facts of the format, for example the ONNX opset.
        notes: what was done to the model for this format alone, in plain words.
        budget: of a quantised artifact, an entry for each output; in place of its precision's tolerance.
    """

    format: str
    precision: Precision
    path: RelativePath
    size: Count
    files: tuple[FileDigest, ...]
    signature: Signature
    details: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    budget: tuple[Budget, ...] = ()


class Refusal(Struct, frozen=True):
    """A format, or one precision of it, that the model was not written in.

    Attributes:
        reason: the layer, the op and the nearest thing that works, in one line.
    """

    format: str
    precision: Precision
    reason: str


class TensorData(Struct, frozen=True, omit_defaults=True):
    """A recorded tensor: row-major values, inline or in a raw little-endian file.

    Attributes:
        values: where there are few, or strings.
        file: a raw little-endian file of `shape` elements of `dtype`, where there are many.
    """

    dtype: str
    shape: tuple[Count, ...]
    values: tuple[float | int | bool | str, ...] | None = None
    file: RelativePath | None = None


class GoldenSet(Struct, frozen=True):
    """Inputs, and what the Keras model's `predict` returned for them.

    Attributes:
        name: for example `segments`.
        description: where the inputs come from.
        batch_sizes: the sizes of the batches to run the rows in; each divides the number of rows or is larger.
        row_names: a name for each row, or empty.
        inputs: by canonical name.
        outputs: by canonical name.
    """

    name: str
    description: str
    batch_sizes: tuple[BatchSize, ...]
    inputs: dict[str, TensorData]
    outputs: dict[str, TensorData]
    row_names: tuple[str, ...] = ()


class ModelInfo(Struct, frozen=True):
    """What the model says of itself.

    Attributes:
        weights_sha256: over dtype, shape and little-endian bytes of every weight, in Keras' order.
        labels: names of the classes that a decision chooses from, by class number, or empty.
        decisions: by output name, where the output's last layer makes one.
        policy: the dtypes that the layers compute in, where they are not all float32.
        preprocessing: what has to be done to raw data before it is an input.
        postprocessing: what has to be done to an output before it is an answer.
    """

    name: str
    description: str
    parameters: Count
    weights_sha256: Sha256
    labels: tuple[str, ...] = ()
    decisions: dict[str, Decision] = {}
    policy: str = ""
    preprocessing: str = ""
    postprocessing: str = ""


class Manifest(Struct, frozen=True):
    """The contract between the side that makes a bundle and everyone who reads it.

    Attributes:
        seal: SHA-256 of the manifest's own bytes with these 64 digits replaced by zeros.
        manifest_version: the version of this layout; docs/manifest.md has its history.
        tolerances: by precision.
        output_tolerances: of outputs of float32 artifacts that need another, by canonical name.
        versions: of the packages that made the bundle.
        settings: what it takes to make it again: seed, architecture, loss, opset.
        files: the files that belong to no artifact: golden data and the report.
        refused: what could not be written, where the rest was wanted all the same.
    """

    seal: Sha256
    manifest_version: Literal[1, 2]
    model: ModelInfo
    signature: Signature
    artifacts: tuple[Artifact, ...]
    golden: tuple[GoldenSet, ...]
    tolerances: dict[Precision, Tolerance]
    versions: dict[str, str]
    settings: dict[str, str | int | float | list[int]]
    files: tuple[FileDigest, ...] = ()
    refused: tuple[Refusal, ...] = ()
    output_tolerances: dict[str, Tolerance] = {}
