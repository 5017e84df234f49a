"""Gets a Keras model from what a user names: a file, a SavedModel's folder, or a function that returns a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from xorexport.network.sources.base import UnknownClassError, check_model
from xorexport.network.sources.custom import classes_known, classes_of
from xorexport.network.sources.function import call_function
from xorexport.network.sources.kinds import kind_of, writable

__all__ = [
    "UnknownClassError",
    "call_function",
    "check_model",
    "classes_known",
    "classes_of",
    "load_model",
    "model_name",
    "writable",
]


def load_model(source: str | Path, unsafe: bool = False, imports: Sequence[str] = ()) -> keras.Model:
    """The model that `source` names.

    Args:
        source: a path of one of the kinds in `sources.kinds`, or `package.module:function`.
        unsafe: whether code inside the file may run.
        imports: modules that define the classes and functions that the file names.

    Raises:
        UsageError: `source` is neither, or a module cannot be imported.
        ModelError: there is no such model, or it cannot be loaded.
    """
    with classes_of(imports):
        kind = kind_of(str(source))
        return kind.load(Path(source), unsafe) if kind else call_function(str(source))


def model_name(source: str) -> str:
    """The name that the bundle's files get: the file's, the folder's or the function's."""
    kind = kind_of(source)
    return kind.name(Path(source)) if kind else source.rpartition(":")[2]
