"""The `.keras` file: the reference itself, with the same bytes whenever it is written."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.tracing.trace import Traced

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can hold."""


class KerasExporter(Exporter):
    """Saves with Keras, then takes out what varies from run to run."""

    suffix = ".keras"

    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        with untrained(traced.model):
            traced.model.save(path)
        path.write_bytes(repeatable(path.read_bytes()))
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


def repeatable(archive: bytes) -> bytes:
    """A `.keras` archive with its date, its zip times and its object addresses replaced by constants.

    Keras numbers shared objects with Python's `id()`; any distinct numbers mean the same to it.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(result, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "metadata.json":
                data = _encode({**json.loads(data), "date_saved": "1980-01-01@00:00:00"})
            elif entry.filename == "config.json":
                data = _encode(_renumbered(json.loads(data), {}))
            target.writestr(zipfile.ZipInfo(entry.filename, EPOCH), data, compress_type=entry.compress_type)
    return result.getvalue()


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
