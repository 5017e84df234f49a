"""Predictions as lines of text, as a JSON document, or as NumPy's arrays."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xorexport.dtypes import name_of
from xorexport.errors import UsageError
from xorexport.prediction import Prediction, Predictions

WHOLE = 10
"""Outputs of up to this many values a row are shown whole."""
SHOWN = 6
"""How many values are shown of larger ones."""


def row_lines(prediction: Prediction) -> Iterator[str]:
    """A line for every output of the only row, all values of it, for example `y = 0.981  (loyal)`."""
    for name, values in prediction.outputs.items():
        label = f"  ({prediction.labels[name]})" if name in prediction.labels else ""
        yield f"{name} = {_text(values)}{label}"


def lines(predictions: Predictions) -> Iterator[str]:
    """A line for every row and output, for example `row 0: y = 0.981  (loyal)`.

    An output that has not one row for each of the inputs' is one line, with its shape.
    """
    for row in range(predictions.rows):
        called = predictions.names[row] if predictions.names else f"row {row}"
        for name, array in predictions.outputs.items():
            if _by_row(array, predictions):
                labels = predictions.labels.get(name)
                label = f"  ({labels[row]})" if labels and labels[row] else ""
                yield f"{called}: {name} = {_values(array[row])}{label}"
    for name, array in predictions.outputs.items():
        if not _by_row(array, predictions):
            yield f"all rows: {name} = {_values(array)}" + (f" {list(array.shape)}" if array.size <= WHOLE else "")


def document(predictions: Predictions) -> dict[str, Any]:
    """All of it as JSON: outputs are nested lists of their true shape, labels a list with one for each row."""
    return {
        "engine": predictions.engine,
        "artifact": predictions.artifact,
        "rows": predictions.rows,
        "names": predictions.names,
        "outputs": {name: array.tolist() for name, array in predictions.outputs.items()},
        "labels": predictions.labels,
        "notes": predictions.notes,
    }


def check_target(path: Path, bundle: Path) -> None:
    """Refuse a path that predictions cannot be written to, before they are made.

    Raises:
        UsageError: it does not end in `.npz`, exists, or is in the bundle, which is sealed.
    """
    found = None
    if path.suffix != ".npz":
        found = f"{path}"
    elif path.exists():
        found = f"{path}, which exists"
    elif path.resolve().is_relative_to(bundle.resolve()):
        found = f"{path}, which is in the bundle"
    if found:
        raise UsageError("--output", expected="a new .npz file", found=found, remedy="choose another path")


def write(predictions: Predictions, path: Path) -> None:
    """Write the outputs by name into a new `.npz` file, as `numpy.savez` does, but under any name.

    Raises:
        UsageError: it exists by now, or cannot be written; nothing is left of it then.
    """
    try:
        with path.open("xb") as stream:
            try:
                _write_arrays(predictions.outputs, stream)
            except BaseException:
                path.unlink()
                raise
    except OSError as error:
        raise UsageError(
            "--output",
            expected="a new file that can be written",
            found=f"{path}: {error.strerror or error}",
            remedy="choose another path",
        ) from error


def written(predictions: Predictions, path: Path) -> str:
    """What went into the file, for example `wrote out.npz: y float32[4, 1]`."""
    arrays = predictions.outputs.items()
    return f"wrote {path}: " + ", ".join(f"{name} {name_of(array.dtype)}{list(array.shape)}" for name, array in arrays)


def _write_arrays(arrays: dict[str, np.ndarray], stream: Any) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, _plain(array), allow_pickle=False)


def _plain(array: np.ndarray) -> np.ndarray:
    """Strings as NumPy's own text, since objects could be any code."""
    return array.astype(str) if array.dtype.kind == "O" else array


def _by_row(array: np.ndarray, predictions: Predictions) -> bool:
    return array.ndim > 0 and len(array) == predictions.rows


def _values(array: np.ndarray) -> str:
    """Numbers in six digits; of many the first, and the shape."""
    flat = array.ravel().tolist()
    return _text(flat) if len(flat) <= WHOLE else f"{_text(flat[:SHOWN])}, ... {list(array.shape)}"


def _text(values: Sequence[float | int | bool | str]) -> str:
    return ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
