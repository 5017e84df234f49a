"""A Python function that returns a model: `package.module:function`."""

from __future__ import annotations

import importlib
from pathlib import Path

import keras

from xorexport.errors import ModelError, UsageError, brief
from xorexport.network.sources.base import check_model
from xorexport.network.sources.custom import find_in_current_folder


def is_function(source: str) -> bool:
    """Whether a source looks like `package.module:function`, and is no file."""
    return ":" in source and not Path(source).exists()


def call_function(source: str) -> keras.Model:
    """Import `package.module:function`, from the current folder as well, and call it.

    Raises:
        UsageError: there is no such function.
        ModelError: it fails, or returns no Keras model.
    """
    module_name, _, attribute = source.partition(":")
    find_in_current_folder()
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
