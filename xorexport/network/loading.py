"""Gets a Keras model from what a user names: a file, a SavedModel's folder, or a function that returns a model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import keras

from xorexport.errors import XorexportError
from xorexport.network.sources.base import UnknownClassError, check_model
from xorexport.network.sources.custom import classes_known, classes_of
from xorexport.network.sources.function import call_function
from xorexport.network.sources.kinds import kind_of, writable

__all__ = [
    "UnknownClassError",
    "about",
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
        if kind is None:
            return call_function(str(source))
        # Keras remarks on how the model was built, which whoever only loads it cannot change.
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return kind.load(Path(source), unsafe)


def model_name(source: str) -> str:
    """The name that the bundle's files get: the file's, the folder's or the function's."""
    kind = kind_of(source)
    return kind.name(Path(source)) if kind else source.rpartition(":")[2]


@contextmanager
def about(model: keras.Model, source: str | Path | keras.Model | None) -> Iterator[None]:
    """Let errors name what the user named, and not what Keras calls the model: most are called 'functional'."""
    try:
        yield
    except XorexportError as error:
        if isinstance(source, (str, Path)):
            error.subject = error.subject.replace(f"model '{model.name}'", f"model '{source}'")
        raise
