"""A whole model in HDF5, as `model.save('name.h5')` of Keras 2 and of Keras 3 writes it."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import h5py
import keras

from xorexport.errors import ModelError, brief
from xorexport.network.sources import keras2
from xorexport.network.sources.base import check_code, check_model, not_loaded

CONFIG = "model_config"
"""The attribute with the model's configuration; files with weights alone have none."""


def load(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a `.h5` file, without what only training needs.

    Raises:
        ModelError: it is missing, cut off, no HDF5 file, holds weights alone, or layers that Keras 3 lacks.
        UnknownClassError: it has classes that were not imported.
        UnsafeModelError: it holds code, and `unsafe` is not given.
    """
    config, version = _read(path)
    check_code(config, str(path), unsafe)
    changed = keras2.translated(config, str(path)) if version.startswith(keras2.VERSIONS) else config
    try:
        with tempfile.TemporaryDirectory() as folder:
            source = path if changed == config else _rewritten(path, changed, Path(folder))
            model = keras.models.load_model(str(source), compile=False, safe_mode=not unsafe)
    except Exception as error:
        raise not_loaded(str(path), error, _remedy(version)) from error
    return check_model(model, str(path))


def _read(path: Path) -> tuple[Any, str]:
    """The model's configuration, and the version of Keras that wrote it."""
    try:
        with h5py.File(path, "r") as file:
            if CONFIG not in file.attrs:
                raise _weights_alone(path, list(file.attrs) + list(file))
            return json.loads(_text(file.attrs[CONFIG])), _text(file.attrs.get("keras_version", ""))
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise ModelError(
            str(path),
            expected="a whole model as model.save('name.h5') writes it",
            found="no such file" if missing else f"a file that is cut off or something else ({brief(error)})",
            remedy="check the path, or save the model again",
        ) from error


def _weights_alone(path: Path, names: list[str]) -> ModelError:
    weights = {"layer_names", "layers", "vars", "_layer_checkpoint_dependencies"}.intersection(names)
    return ModelError(
        str(path),
        expected="a whole model as model.save('name.h5') writes it",
        found="weights alone" if weights else "an HDF5 file without a model's configuration",
        remedy="build the model in Python, call model.load_weights with this file, and give package.module:function",
    )


def _rewritten(path: Path, config: Any, folder: Path) -> Path:
    """A copy of the file with another configuration."""
    copy = folder / "model.h5"
    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        file.attrs[CONFIG] = json.dumps(config)
    return copy


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _remedy(version: str) -> str:
    if version.startswith(keras2.VERSIONS):
        return f"{keras2.REMEDY}; custom classes need --import"
    return "if it has custom classes, give --import or package.module:function; else save it as .keras"
