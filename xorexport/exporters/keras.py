"""The `.keras` file: the reference itself, with the same bytes whenever it is written."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from xorexport.errors import ExportError
from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.tracing.trace import Traced

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""
PIECE = 1 << 20
UNSAID = re.compile(r"Object (\w+) was created by passing\s+non-serializable")
"""How Keras says that a class of the user's own has no `get_config`, and needs one."""


class KerasExporter(Exporter):
    """Saves with Keras, then takes out what varies from run to run."""

    suffix = ".keras"
    strings = True

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        saved = path.with_name(f"{path.stem}.saved.keras")
        try:
            with untrained(traced.model):
                traced.model.save(saved)
            make_repeatable(saved, path)
        except NotImplementedError as error:
            if not (unsaid := UNSAID.search(str(error))):
                raise
            raise ExportError(
                f"keras export of '{path.stem}'",
                expected="classes that say how they can be made again",
                found=f"'{unsaid[1]}', which takes arguments and has no get_config",
                remedy="let its get_config return them, or name the other formats with --format",
            ) from error
        finally:
            saved.unlink(missing_ok=True)
        return {}


@contextmanager
def untrained(model: keras.Model) -> Iterator[None]:
    """Take what only training needs off a model meanwhile.

    An optimiser's state is twice the size of the weights, and a loss of the user's own could not be loaded again.
    """
    compiled, optimizer = model.compiled, getattr(model, "optimizer", None)
    model.compiled, model.optimizer = False, None
    try:
        yield
    finally:
        model.compiled, model.optimizer = compiled, optimizer


def make_repeatable(saved: Path, path: Path) -> None:
    """Copy a `.keras` archive with its date, its zip times and its object addresses replaced by constants.

    Keras numbers shared objects with Python's `id()`; any distinct numbers mean the same to it. Weights are copied
    piece by piece, since there may be more of them than fits into memory twice.
    """
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            copy = zipfile.ZipInfo(entry.filename, EPOCH)
            copy.compress_type, copy.file_size = entry.compress_type, entry.file_size
            if entry.filename == "metadata.json":
                target.writestr(copy, _encode({**json.loads(source.read(entry)), "date_saved": "1980-01-01@00:00:00"}))
            elif entry.filename == "config.json":
                target.writestr(copy, _encode(_renumbered(json.loads(source.read(entry)), {})))
            else:
                with source.open(entry) as reading, target.open(copy, "w") as writing:
                    shutil.copyfileobj(reading, writing, PIECE)


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(entry, len(numbers) + 1)
            if key == "shared_object_id"
            else _renumbered(entry, numbers)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_renumbered(entry, numbers) for entry in value]
    return value
