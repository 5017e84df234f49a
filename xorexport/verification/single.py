"""Verifies one file that is in no bundle, against a reference that the user gives as an NPZ file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xorexport.bundle import MANIFEST, MANIFEST_VERSION, Bundle
from xorexport.dtypes import known, name_of
from xorexport.errors import ModelError, UsageError
from xorexport.readers.base import Ends
from xorexport.registry import FORMATS, check_names, load
from xorexport.results import ParityReport
from xorexport.runtimes.base import OPEN_SHAPES
from xorexport.spec import (
    Artifact,
    FileDigest,
    GoldenSet,
    Manifest,
    ModelInfo,
    Precision,
    Signature,
    TensorData,
    TensorSpec,
    Tolerance,
)
from xorexport.verification.golden import Golden, read_golden
from xorexport.verification.verify import Progress, Selection, verify

SUFFIXES = {".h5": "keras", ".hdf5": "keras"}
"""Of files whose format is not called as they end."""
SAVEDMODEL_FILE = "saved_model.pb"
DEFAULT = Tolerance(rtol=1e-5, atol=1e-5)


def verify_file(
    path: Path,
    golden: Path,
    selection: Selection | None = None,
    tolerance: Tolerance = DEFAULT,
    progress: Progress | None = None,
) -> ParityReport:
    """Run a file on every engine of its format, and hold what it predicts against a reference.

    Args:
        path: a `.tflite`, `.onnx`, `.keras` or `.h5` file, or a SavedModel's folder.
        golden: an NPZ file with an array for every input and output: see `golden.read_golden`.
        selection: its formats say what the file is, where its name does not.

    Raises:
        UsageError: there is no such file, or the reference does not fit it.
        ModelError: the file is not whole.
        EngineUnavailableError: what reads files of its format is not installed.
    """
    selection = selection or Selection()
    _check_tolerance(tolerance)
    format_name = format_of(path, selection.formats)
    ends = _ends(format_name, path, selection)
    bundle = _bundle(path, format_name, ends, read_golden(golden, ends), tolerance)
    return verify(bundle, selection, progress=progress)


def _check_tolerance(tolerance: Tolerance) -> None:
    for name in ("rtol", "atol"):
        value = getattr(tolerance, name)
        if not 0 <= value < math.inf:
            raise UsageError(f"--{name}", expected="0 or more", found=f"{value}", remedy="1e-5 is the default")


def format_of(path: Path, formats: Sequence[str] = ()) -> str:
    """The format of a single file: what the user says, or what its name says.

    Raises:
        UsageError: there is no such file, it is a bundle, or of no known format.
    """
    check_names("--format", formats, FORMATS)
    bundle = (path / MANIFEST).is_file()
    if path.is_dir() and (path / SAVEDMODEL_FILE).is_file() and not bundle:
        found = "savedmodel"
    elif formats and path.is_file():
        found = formats[0]
    else:
        found = SUFFIXES.get(path.suffix.lower(), path.suffix.lower().removeprefix("."))
    if not path.exists() or found not in FORMATS or bundle or {found} != {found, *formats}:
        raise UsageError(
            str(path),
            expected=f"one file or folder of format {', '.join(formats or FORMATS)} to hold against --golden",
            found=_found(path, bundle),
            remedy="leave --golden out for a bundle, which has golden data of its own"
            if bundle
            else "check the path, or say with --format what the file is",
        )
    return found


def check_no_single_file(path: Path) -> None:
    """Refuse what can be verified with a reference alone.

    Raises:
        UsageError: it is a file or folder of a known format, and no bundle.
    """
    suffix = path.suffix.lower()
    model = path.is_file() and (suffix in SUFFIXES or suffix.removeprefix(".") in FORMATS)
    if model or ((path / SAVEDMODEL_FILE).is_file() and not (path / MANIFEST).is_file()):
        raise UsageError(
            str(path),
            expected=f"a bundle: a folder with a {MANIFEST}",
            found="a model alone",
            remedy="give what it should predict with --golden golden.npz, or name the bundle that it is in",
        )


def _found(path: Path, bundle: bool) -> str:
    if bundle:
        return "a bundle"
    if not path.exists():
        return "no such file"
    if (path / SAVEDMODEL_FILE).is_file():
        return "a SavedModel"
    return "another folder" if path.is_dir() else f"a file that ends in '{path.suffix}'"


def _ends(format_name: str, path: Path, selection: Selection) -> Ends:
    entry = FORMATS[format_name].ends
    if entry is None:
        raise UsageError(
            str(path),
            expected="a format whose files say what they take and return",
            found=format_name,
            remedy="verify it in a bundle",
        )
    ends: Ends = load(entry, f"format {format_name}")(path, selection.unsafe, selection.imports)
    specs = (*ends.signature.inputs, *ends.signature.outputs)
    names = [spec.name for spec in specs]
    for spec in specs:
        if not known(spec.dtype):
            raise ModelError(
                f"{path}, '{spec.name}'",
                expected="inputs and outputs of numbers, truth values or strings",
                found=spec.dtype,
                remedy="split them into such dtypes, for example real and imaginary parts",
            )
        if not spec.name or names.count(spec.name) > 1:
            raise ModelError(
                str(path),
                expected="inputs and outputs of different names",
                found=f"{names.count(spec.name)} called '{spec.name}'",
                remedy="convert the model again with names",
            )
    return ends


@dataclass(frozen=True)
class _Loaded(Bundle):
    """A bundle of one file, whose golden data is in memory.

    Attributes:
        arrays: by `TensorData.file`.
    """

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)

    def golden_arrays(self, tensors: Mapping[str, TensorData]) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: self.arrays[str(data.file)] for name, data in tensors.items()}


def _bundle(path: Path, format_name: str, ends: Ends, golden: Golden, tolerance: Tolerance) -> _Loaded:
    """The file and its reference, as a bundle without digests."""
    model, artifact = _signatures(ends.signature, golden)
    arrays = {f"golden/{side}/{name}": array for side, of in golden.sides().items() for name, array in of.items()}
    tensors = {
        side: {
            name: TensorData(dtype=name_of(array.dtype), shape=array.shape, file=f"golden/{side}/{name}")
            for name, array in of.items()
        }
        for side, of in golden.sides().items()
    }
    manifest = Manifest(
        seal="",
        manifest_version=MANIFEST_VERSION,
        model=ModelInfo(name=path.stem, description="", parameters=0, weights_sha256=""),
        signature=model,
        artifacts=(
            Artifact(
                format=format_name,
                precision=Precision.FLOAT32,
                path=path.name,
                size=0,
                files=(FileDigest(path=path.name, sha256="", size=0),),
                signature=artifact,
                details={**ends.details, OPEN_SHAPES: ""},
                notes=ends.notes,
            ),
        ),
        golden=(
            GoldenSet(
                name="golden",
                description="given by the user",
                batch_sizes=_batch_sizes(artifact, golden),
                inputs=tensors["inputs"],
                outputs=tensors["outputs"],
            ),
        ),
        tolerances={Precision.FLOAT32: tolerance},
        versions={},
        settings={},
        files=tuple(FileDigest(path=name, sha256="", size=0) for name in arrays),
    )
    return _Loaded(path.parent, manifest, arrays)


def _signatures(signature: Signature, golden: Golden) -> tuple[Signature, Signature]:
    """The model's signature and the file's. They differ in quantised tensors whose reference is in floats."""
    sides = []
    for specs, arrays in ((signature.inputs, golden.inputs), (signature.outputs, golden.outputs)):
        of_model, of_file = [], []
        for spec in specs:
            array = arrays[spec.name]
            # A file may not say how many dimensions there are; the reference does.
            shape = spec.shape or (None,) * array.ndim
            floats = spec.quantization is not None and array.dtype.kind == "f"
            of_model.append(TensorSpec(name=spec.name, dtype=name_of(array.dtype), shape=shape))
            of_file.append(
                TensorSpec(
                    name=spec.name, dtype=spec.dtype, shape=shape, quantization=spec.quantization if floats else None
                )
            )
        sides.append((tuple(of_model), tuple(of_file)))
    (model_inputs, file_inputs), (model_outputs, file_outputs) = sides
    return Signature(inputs=model_inputs, outputs=model_outputs), Signature(inputs=file_inputs, outputs=file_outputs)


def _batch_sizes(signature: Signature, golden: Golden) -> tuple[int, ...]:
    """All rows at once; and one by one, where every input and output has a dynamic batch."""
    specs = (*signature.inputs, *signature.outputs)
    dynamic = all(spec.shape and spec.shape[0] is None for spec in specs)
    return tuple(dict.fromkeys((1, golden.rows))) if dynamic else (golden.rows,)
