"""The user's own classes and functions, from Python modules that the user names: no --unsafe is needed for those."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import keras
from keras.src.backend.common import global_state

from xorexport.importing import import_module

KINDS = (
    keras.Layer,
    keras.Loss,
    keras.Metric,
    keras.Initializer,
    keras.Regularizer,
    keras.constraints.Constraint,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.DTypePolicy,
)
"""Of classes, what a saved model may be made of."""
KERAS = ("keras", "tensorflow")
"""Packages whose classes Keras finds by itself."""


@contextmanager
def classes_of(modules: Sequence[str]) -> Iterator[None]:
    """Import modules, and let Keras find what they define meanwhile, whether or not it is registered with Keras.

    Raises:
        UsageError: a module cannot be imported.
    """
    objects: dict[str, Any] = {}
    for name in modules:
        objects |= own(import_module(name))
    with _known(objects):
        yield


def own(module: ModuleType) -> dict[str, Any]:
    """What a module offers to saved models, by the names that Keras saves.

    Classes that it imports from elsewhere but Keras count, for a package may collect them; functions have to be its
    own, since helpers of other libraries would hide functions of Keras.
    """
    package = _package(module.__name__)
    return {
        thing.__name__: thing
        for thing in vars(module).values()
        if (isinstance(thing, type) and issubclass(thing, KINDS) and _package(thing.__module__) not in KERAS)
        or (inspect.isfunction(thing) and _package(thing.__module__) == package)
    }


def classes_known(model: keras.Model) -> Any:
    """A context in which the model's file can be loaded, whatever classes of the user's own its layers have."""
    classes = {type(layer) for layer in model._flatten_layers()}
    known = {kind.__name__: kind for kind in classes if _package(kind.__module__) not in KERAS}
    return _known(known)


def _known(objects: dict[str, Any]) -> Any:
    """A scope in which Keras knows these objects as well: its own scopes hide those that they are in."""
    outer = global_state.get_global_attribute("custom_objects_scope_dict", {})
    return keras.saving.custom_object_scope({**outer, **objects})


def _package(module: str) -> str:
    return module.partition(".")[0]
