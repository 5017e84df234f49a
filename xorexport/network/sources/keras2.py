"""What Keras 2 wrote into its files, and Keras 3 reads otherwise or not at all."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import keras

from xorexport.errors import ModelError
from xorexport.network.sources.base import class_names

VERSIONS = ("1.", "2.")
"""How `keras_version` begins in such files; those of the package tf_keras among them."""
REMEDY = "load it with the package tf_keras (TF_USE_LEGACY_KERAS=1), call model.export('folder') and give that folder"
WITHOUT_MEANING = {
    "time_major": (False,),
    "groups": (1,),
    "rng_type": ("stateful", "legacy_stateful"),
    "noise_shape": (None,),
    "softmax_robust_masking": (False,),
}
"""Arguments of layers that Keras 3 has no more, with the values at which they changed nothing."""
FOR_TRAINING = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")
"""Arguments that separable convolutions had no use for; they change no prediction anywhere."""
GONE = (
    "TFOpLambda",
    "SlicingOpLambda",
    "TensorFlowOpLayer",
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    "ThresholdedReLU",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "DenseFeatures",
    "SyncBatchNormalization",
    "CuDNNGRU",
    "CuDNNLSTM",
)
"""Classes that Keras 3 has no more; the first six stand for operators between layers, such as `a + b`."""
OTHER_VALUES = {"hard_sigmoid": "max(0, min(1, 0.2x + 0.5)) in Keras 2 and max(0, min(1, x/6 + 0.5)) in Keras 3"}
"""Activations that compute something else now."""


def translated(config: Any, subject: str) -> Any:
    """A model's configuration as Keras 3 reads it; what it gives no other meaning to is as it was.

    Args:
        config: the file's, as JSON; it is not changed.

    Raises:
        ModelError: Keras 3 would load it and predict something else, or lacks a class.
    """
    for name in class_names(config):
        if name in GONE and keras.saving.get_registered_object(name) is None:
            raise ModelError(subject, expected="layers that Keras 3 has", found=f"'{name}' of Keras 2", remedy=REMEDY)
    for name in _activations(config):
        if name in OTHER_VALUES:
            raise ModelError(
                subject,
                expected="activations that Keras 3 computes as Keras 2 did",
                found=f"'{name}', which is {OTHER_VALUES[name]}",
                remedy=REMEDY,
            )
    return _translated(config)


def _translated(config: Any) -> Any:
    if isinstance(config, list):
        return [_translated(value) for value in config]
    if not isinstance(config, dict):
        return config
    result = {key: _translated(value) for key, value in config.items()}
    if isinstance(result.get("class_name"), str) and isinstance(result.get("config"), dict):
        result["config"] = _without_old_arguments(result["class_name"], result["config"])
    return result


def _without_old_arguments(class_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    kind = getattr(keras.layers, class_name, None)
    if not isinstance(kind, type):
        return arguments
    known = inspect.signature(kind).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    return {
        name: value
        for name, value in arguments.items()
        if name in known or not (_means_nothing(name, value) or (name == "trainable" and not takes_any))
    }


def _means_nothing(name: str, value: Any) -> bool:
    return name in FOR_TRAINING or value in WITHOUT_MEANING.get(name, ())


def _activations(config: Any) -> Iterator[str]:
    """Names of all activations, also of those inside recurrent layers."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key.endswith("activation") and isinstance(value, str):
                yield value
            yield from _activations(value)
    elif isinstance(config, list):
        for value in config:
            yield from _activations(value)
