"""A Python function that returns a model: `package.module:function`."""

from __future__ import annotations

from pathlib import Path

import keras

from xorexport.errors import ModelError, brief
from xorexport.importing import import_attribute
from xorexport.network.sources.base import check_model


def is_function(source: str) -> bool:
    """Whether a source looks like `package.module:function`, and is no file."""
    return ":" in source and not Path(source).exists()


def call_function(source: str) -> keras.Model:
    """Import `package.module:function`, from the current folder as well, and call it.

    Raises:
        UsageError: there is no such function.
        ModelError: it fails, or returns no Keras model.
    """
    function = import_attribute(source, f"model '{source}'")
    try:
        model = function() if callable(function) and not isinstance(function, keras.Model) else function
    except (Exception, SystemExit) as error:
        # The user's function runs here, and may raise anything.
        raise ModelError(
            f"model '{source}'",
            expected="a function that returns a model",
            found=brief(error),
            remedy="call it in Python to see where it fails",
        ) from error
    return check_model(model, f"model '{source}'")
