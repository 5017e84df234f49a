"""A `.keras` file, as `model.save('name.keras')` writes it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

from xorexport.errors import ModelError
from xorexport.network.sources.base import built_once, check_code, check_model, not_loaded


def load(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a `.keras` file, without what only training needs.

    Raises:
        ModelError: it is missing, cut off or not a Keras file.
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
    return check_model(model, str(path))


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
