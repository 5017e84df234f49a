"""A `.keras` file, as `model.save('name.keras')` writes it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras

from xorexport.errors import ModelError
from xorexport.network.sources.base import built_once, check_code, check_model, not_loaded

WEIGHTS = "model.weights.h5"
"""Where the archive has them."""
UNREAD = "optimizer/"
"""Of these, what only training needs: the model is loaded without."""


def load(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a `.keras` file, without what only training needs.

    Raises:
        ModelError: it is missing, cut off or not a Keras file, or weights of it are not loaded.
        UnknownClassError: it has classes that were not imported.
        UnsafeModelError: it holds code, and `unsafe` is not given.
    """
    config = _config(path)
    if isinstance(config, dict):
        config.pop("compile_config", None)  # which Keras does not read without compiling
    check_code(config, str(path), unsafe)
    try:
        with built_once():
            model = keras.models.load_model(path, compile=False, safe_mode=not unsafe)
    except Exception as error:
        raise not_loaded(
            str(path),
            error,
            "if it has custom classes, give --import or package.module:function; "
            "else save it with this version of Keras",
        ) from error
    _check_weights(check_model(model, str(path)), path)
    return model


def _config(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError, EOFError, OSError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise ModelError(
            str(path),
            expected="a model file as model.save('name.keras') writes it",
            found="no such file" if missing else f"a file that is cut off or something else ({error})",
            remedy="check the path, or save the model again",
        ) from error


def _check_weights(model: keras.Model, path: Path) -> None:
    """Refuse a model with layers that Keras could not build: it leaves their weights out, and makes random ones later.

    Raises:
        ModelError: it names such a layer.
    """
    unbuilt = [layer.name for layer in model._flatten_layers() if not layer.built]
    if not unbuilt:
        return
    saved: list[str] = []
    with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as stream, h5py.File(stream) as file:
        file.visititems(lambda name, item: saved.append(name) if isinstance(item, h5py.Dataset) else None)
    lost = sum(not name.startswith(UNREAD) for name in saved) - len(model.variables)
    # Without any lost, the layer was never called.
    if lost > 0:
        raise ModelError(
            str(path),
            expected="a file whose weights Keras can load",
            found=f"layer '{unbuilt[0]}', which Keras does not build, so that {lost} weights have no place",
            remedy="give the model's class a build() with a shape for each argument of call, and save it again",
        )
