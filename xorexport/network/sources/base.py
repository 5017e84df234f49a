"""What every source of models shares: errors, and the check of what was loaded."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras

from xorexport.errors import ModelError, UnsafeModelError, brief

CODE = {
    "Lambda": "a Lambda layer, whose Python code",
    "__lambda__": "a lambda function, whose Python code",
    "TFSMLayer": "a TFSMLayer, whose SavedModel elsewhere on the disk",
}
"""What runs as soon as a file is loaded, by class name in its config."""
CONFIG = re.compile(r" using config=.*?Exception encountered:", re.DOTALL)
"""What Keras prints of a layer before it says what is wrong with it: too much for one line."""
LONGEST = 300
"""Characters of somebody else's message."""
UNKNOWN = re.compile(r"(?:Could not locate \w+|Unknown [\w ]+:) '([^']+)'")
"""How Keras says that it knows no such class or function: in its own format, and in HDF5."""

INIT = re.compile(r"(\w+)\.__init__\(\) ((?:got an unexpected|missing) [^\n]*)")
"""How Python says that a class cannot be made with the arguments in its config."""


class UnknownClassError(ModelError):
    """A model file with classes or functions of the user's own, which were not imported."""


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


def check_code(config: Any, subject: str, unsafe: bool) -> None:
    """Refuse code in a saved config, unless it may run.

    Raises:
        UnsafeModelError: it names what holds the code.
    """
    code = sorted({CODE[name] for name in class_names(config) if name in CODE})
    if code and not unsafe:
        raise UnsafeModelError(
            subject,
            expected="a model without code in its file",
            found=f"{code[0]} would run as soon as the file is loaded",
            remedy="give --unsafe if you trust where the file comes from",
        )


def class_names(config: Any) -> Iterator[str]:
    """Every `class_name` in a saved config, nested ones included."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        for value in config.values():
            yield from class_names(value)
    elif isinstance(config, list):
        for value in config:
            yield from class_names(value)


def not_loaded(subject: str, error: Exception, remedy: str) -> ModelError:
    """The error for what Keras raised while it loaded a model.

    Args:
        remedy: where it is something else than a class that Keras does not know.
    """
    unknown = list(dict.fromkeys(UNKNOWN.findall(str(error))))
    if unknown:
        return UnknownClassError(
            subject,
            expected="classes and functions that Keras knows",
            found=", ".join(f"'{name}'" for name in unknown),
            remedy="give --import MODULE for the Python module that defines them, or package.module:function",
        )
    if refused := INIT.findall(str(error)):
        class_name, reason = refused[-1]
        return ModelError(
            subject,
            expected="classes that can be made again from their config",
            found=f"'{class_name}', whose __init__() {reason}",
            remedy="let it take **kwargs for super().__init__(), and get_config return every other argument",
        )
    # First without the config, which may be longer than the rest, and then cut.
    found = CONFIG.sub(":", brief(error, sys.maxsize))[:LONGEST]
    return ModelError(subject, expected="a model that Keras can load", found=found, remedy=remedy)


@contextmanager
def built_once() -> Iterator[None]:
    """Let a Sequential be built when all of its layers are there.

    Keras builds it again after each layer that it reads, which for 400 layers takes a minute; it builds it at the end
    all the same, from the shape in the file.
    """
    add = keras.Sequential.add
    with mock.patch.object(keras.Sequential, "add", lambda self, layer, rebuild=False: add(self, layer, rebuild)):
        yield
