"""NumPy's files: `.npz` with an array for every input, `.npy` with the array of the one that there is."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xorexport.errors import UsageError
from xorexport.inputs.base import Inputs, by_name, described, listed, unreadable
from xorexport.inputs.values import assemble
from xorexport.spec import TensorSpec

UNNAMED = "arr_0"
"""What NumPy calls an array that was saved without a name."""

BROKEN = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
"""What NumPy raises on files that are cut off, changed or something else."""


def from_arrays(arrays: Mapping[str, np.ndarray], specs: Sequence[TensorSpec], subject: str) -> Inputs:
    """Arrays by canonical name or Keras name, as inputs.

    Raises:
        UsageError: a name is missing or unknown, or an array does not fit its input.
    """
    names = by_name(arrays, specs, subject)
    return Inputs(assemble({name: arrays[given] for name, given in names.items()}, specs, subject))


def read_npz(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read arrays by canonical name or Keras name, or one unnamed array for the only input.

    Nothing in the file can run: arrays of Python objects are refused.

    Raises:
        UsageError: it is no such file, a name is missing or unknown, or an array does not fit its input.
    """
    if not zipfile.is_zipfile(path):
        raise unreadable(path, "an .npz file as numpy.savez writes it", "something else, or a file that is cut off")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except BROKEN as error:
        raise unreadable(path, "an .npz file with arrays of numbers", _reason(error)) from error
    if len(specs) == 1 and list(arrays) == [UNNAMED]:
        arrays = {specs[0].name: arrays[UNNAMED]}
    return from_arrays(arrays, specs, str(path))


def read_npy(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read the rows of the only input.

    Raises:
        UsageError: it is no such file, the model has several inputs, or the array does not fit.
    """
    check_single(path, specs)
    try:
        with path.open("rb") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except BROKEN as error:
        raise unreadable(path, "an .npy file with an array of numbers", _reason(error)) from error
    return Inputs(assemble({specs[0].name: array}, specs, str(path)))


def check_single(path: Path | str, specs: Sequence[TensorSpec]) -> None:
    """Refuse data without names where they are needed.

    Raises:
        UsageError: the model has several inputs.
    """
    if len(specs) != 1:
        raise UsageError(
            str(path),
            expected=f"an array for each of {listed([spec.name for spec in specs])}",
            found="one array without a name",
            remedy=f"give {described(specs)} by name, for example in an .npz file",
        )


def _reason(error: Exception) -> str:
    return "arrays of Python objects" if "allow_pickle" in str(error) else str(error) or type(error).__name__
