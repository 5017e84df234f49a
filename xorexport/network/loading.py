"""Gets a Keras model from what a user names: a `.keras` file, or a function that returns a model."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from xorexport.errors import ModelError, UnsafeModelError, UsageError, brief

CODE = {"Lambda": "a Lambda layer", "__lambda__": "a lambda function"}
"""What holds Python code in a saved config, by class name; the code runs as soon as the file is loaded."""


def load_model(source: str, unsafe: bool = False) -> keras.Model:
    """The model that `source` names.

    Args:
        source: a path that ends in `.keras`, or `package.module:function`.
        unsafe: whether code inside the file may run.

    Raises:
        UsageError: `source` is neither.
        ModelError: there is no such model, or it cannot be loaded.
    """
    if source.endswith(".keras"):
        return load_keras_file(Path(source), unsafe)
    if ":" in source and not Path(source).exists():
        return call_function(source)
    raise UsageError(
        f"model '{source}'",
        expected="a .keras file or package.module:function",
        found="neither",
        remedy="save the model with model.save('name.keras') and name that file",
    )


def model_name(source: str) -> str:
    """The name that the bundle's files get: the file's or the function's."""
    return source.rpartition(":")[2] if not source.endswith(".keras") else Path(source).stem


def load_keras_file(path: Path, unsafe: bool = False) -> keras.Model:
    """Load a `.keras` file.

    Raises:
        ModelError: it is missing, cut off or not a Keras file.
        UnsafeModelError: it holds code, and `unsafe` is not given.
    """
    config = _read_config(path)
    code = sorted({CODE[name] for name in _class_names(config) if name in CODE})
    if code and not unsafe:
        raise UnsafeModelError(
            str(path),
            expected="a model without code in its file",
            found=f"{code[0]}, whose Python code would run as soon as the file is loaded",
            remedy="give --unsafe if you trust where the file comes from",
        )
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=not unsafe)
    except Exception as error:
        raise ModelError(
            str(path),
            expected="a model that Keras can load",
            found=brief(error),
            remedy="if it has custom classes, give package.module:function; else save it with this version of Keras",
        ) from error
    return check_model(model, str(path))


def call_function(source: str) -> keras.Model:
    """Import `package.module:function`, from the current folder as well, and call it.

    Raises:
        UsageError: there is no such function.
        ModelError: it fails, or returns no Keras model.
    """
    module_name, _, attribute = source.partition(":")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (Exception, SystemExit) as error:
        # The user's module runs here, and may raise anything.
        raise UsageError(
            f"model '{source}'",
            expected="package.module:function that can be imported from here",
            found=brief(error),
            remedy="check the name, and run the command in the folder that holds the package",
        ) from error
    try:
        model = function() if callable(function) and not isinstance(function, keras.Model) else function
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"model '{source}'",
            expected="a function that returns a model",
            found=brief(error),
            remedy="call it in Python to see where it fails",
        ) from error
    return check_model(model, f"model '{source}'")


def check_model(model: Any, subject: str) -> keras.Model:
    """Refuse what is no Keras model, and a model that was never built.

    Raises:
        ModelError: it is not a model, or its weights do not exist yet.
    """
    if not isinstance(model, keras.Model):
        raise ModelError(
            subject,
            expected="a keras.Model",
            found=type(model).__name__,
            remedy="return the model itself",
        )
    if not model.built:
        raise ModelError(
            subject,
            expected="a model that was built, so that its weights exist",
            found="one that was never built",
            remedy="give it a keras.Input, call it once, or call model.build(input_shape) before saving",
        )
    return model


def _read_config(path: Path) -> Any:
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


def _class_names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        for value in config.values():
            yield from _class_names(value)
    elif isinstance(config, list):
        for value in config:
            yield from _class_names(value)
