"""Names of layers that TensorFlow can make scopes of, for as long as a graph is made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

UNSAFE = re.compile(r"[^A-Za-z0-9_.:/-]")
LEADING = re.compile(r"^[^A-Za-z0-9.]")


@contextmanager
def safe_scopes(model: keras.Model) -> Iterator[None]:
    """Rename layers meanwhile whose names TensorFlow refuses as scopes: with spaces, brackets or unicode in them.

    Keras itself can neither call nor `predict` with such a model, once a graph has to be made of it.
    """
    with _renamed(model._flatten_layers(), "name"):
        yield


@contextmanager
def safe_variables(variables: Iterable[Any]) -> Iterator[None]:
    """The same for TensorFlow variables, of whose names saving makes scopes."""
    with _renamed(variables, "_handle_name"):
        yield


@contextmanager
def _renamed(things: Iterable[Any], attribute: str) -> Iterator[None]:
    before = []
    for thing in things:
        name = getattr(thing, attribute)
        safe = UNSAFE.sub("_", name)
        safe = f"n{safe}" if LEADING.match(safe) else safe
        if safe != name:
            before.append((thing, name))
            setattr(thing, attribute, safe)
    try:
        yield
    finally:
        for thing, name in before:
            setattr(thing, attribute, name)
