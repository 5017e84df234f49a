"""Reads a reference for a single file: its inputs, and what should come out, by name in one NPZ file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xorexport.errors import UsageError
from xorexport.inputs.arrays import BROKEN
from xorexport.inputs.base import listed, unreadable
from xorexport.inputs.values import cast, fit
from xorexport.readers.base import Ends
from xorexport.spec import TensorSpec


@dataclass(frozen=True)
class Golden:
    """A reference.

    Attributes:
        inputs: by the file's names, each of its spec's dtype and of shape (rows, ...).
        outputs: likewise; floats stay floats where the file returns integers in their place.
    """

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]

    @property
    def rows(self) -> int:
        """Number of rows, the same for all inputs."""
        return len(next(iter(self.inputs.values())))

    def sides(self) -> dict[str, dict[str, np.ndarray]]:
        """Both, by what they are called in a manifest."""
        return {"inputs": self.inputs, "outputs": self.outputs}


def read_golden(path: Path, ends: Ends) -> Golden:
    """Read a reference.

    Arrays are called as the file's inputs and outputs, by either of the names that these may have; `input:NAME` and
    `output:NAME` say which is meant where an input and an output share a name. All have to be there, and nothing else.

    Raises:
        UsageError: it is no NPZ file, names are missing or unknown, or an array does not fit.
    """
    arrays = _read(path)
    found = _matched(arrays, ends, path)
    inputs = {spec.name: _input(arrays[found["input", spec.name]], spec, str(path)) for spec in ends.signature.inputs}
    outputs = {
        spec.name: _output(arrays[found["output", spec.name]], spec, str(path)) for spec in ends.signature.outputs
    }
    _check_rows(inputs, path)
    return Golden(inputs, outputs)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise unreadable(
            path, "an .npz file with inputs and outputs for --golden", "a folder" if path.is_dir() else "no such file"
        )
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("something else, or a file that is cut off")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except BROKEN as error:
        raise unreadable(path, "an .npz file with arrays of numbers, as numpy.savez writes it", str(error)) from error


def _matched(arrays: Mapping[str, np.ndarray], ends: Ends, path: Path) -> dict[tuple[str, str], str]:
    """Which array is which input or output: its name in the NPZ file, by side and the file's name."""
    specs = {"input": ends.signature.inputs, "output": ends.signature.outputs}
    found = {}
    for side, of in specs.items():
        for spec in of:
            names = _names(spec, ends)
            there = [name for name in (*(f"{side}:{name}" for name in names), *names) if name in arrays]
            if len(there) != 1:
                raise _wrong_names(arrays, ends, path)
            found[side, spec.name] = there[0]
    # Nothing is left over, and no array is both an input and an output.
    if sorted(found.values()) != sorted(arrays):
        raise _wrong_names(arrays, ends, path)
    return found


def _names(spec: TensorSpec, ends: Ends) -> list[str]:
    return list(dict.fromkeys((spec.name, ends.names.get(spec.name, spec.name))))


def _wrong_names(arrays: Mapping[str, np.ndarray], ends: Ends, path: Path) -> UsageError:
    inputs, outputs = (
        listed([ends.names.get(spec.name, spec.name) for spec in specs])
        for specs in (ends.signature.inputs, ends.signature.outputs)
    )
    return UsageError(
        str(path),
        expected=f"an array for each input ({inputs}) and each output ({outputs})",
        found=listed(sorted(arrays)),
        remedy="name the arrays after them, as input:NAME and output:NAME where both have one name",
    )


def _input(array: np.ndarray, spec: TensorSpec, subject: str) -> np.ndarray:
    """Rows as the file takes them; floats for a quantised input stay floats, and are quantised when it is run."""
    if spec.quantization is not None and array.dtype.kind == "f":
        spec = TensorSpec(name=spec.name, dtype="float32", shape=spec.shape)
    if not spec.shape and array.ndim:
        spec = TensorSpec(name=spec.name, dtype=spec.dtype, shape=(None,) * array.ndim)
    return fit(array, spec, subject)


def _output(array: np.ndarray, spec: TensorSpec, subject: str) -> np.ndarray:
    """What should come out, in the dtype in which it is compared."""
    subject = f"{subject}, output '{spec.name}'"
    floats = spec.quantization is not None and array.dtype.kind == "f"
    # How many rows come out is seen when the file is run, in batches of whatever size.
    if spec.shape and (array.ndim != len(spec.shape) or not _fits(array.shape[1:], spec.shape[1:])):
        raise UsageError(
            subject,
            expected=spec.describe(),
            found=f"the shape {list(array.shape)}",
            remedy="record what the model returns for all rows, one after another along the first axis",
        )
    if array.size == 0:
        raise UsageError(subject, expected="values", found="none", remedy="record some rows")
    return cast(array, "float32" if floats else spec.dtype, subject)


def _fits(sizes: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return all(size in (None, actual) for size, actual in zip(wanted, sizes, strict=True))


def _check_rows(inputs: Mapping[str, np.ndarray], path: Path) -> None:
    rows = {name: len(array) for name, array in inputs.items()}
    if len(set(rows.values())) != 1:
        raise UsageError(
            str(path),
            expected="equally many rows for every input",
            found=listed([f"{count} for '{name}'" for name, count in rows.items()]),
            remedy="give every input a value for every row",
        )
