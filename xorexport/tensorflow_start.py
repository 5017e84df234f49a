"""Starts TensorFlow quietly and on the right backend, once, before anything imports it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os

from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.quiet import quiet

BACKEND = "tensorflow"


def start() -> None:
    """Import TensorFlow and Keras without their start-up notices.

    Raises:
        UsageError: `KERAS_BACKEND` asks for another backend.
        EngineUnavailableError: TensorFlow is not installed.
    """
    check_backend()
    start_tensorflow()
    with quiet():
        keras = importlib.import_module("keras")
    # A settings file may say otherwise, and losses and metrics would then compute in another type than the layers.
    keras.config.set_floatx("float32")


def check_backend() -> None:
    """Have Keras use TensorFlow, whatever its own settings file says.

    Raises:
        UsageError: `KERAS_BACKEND` asks for another backend.
    """
    wanted = os.environ.get("KERAS_BACKEND") or BACKEND
    os.environ["KERAS_BACKEND"] = wanted
    if wanted != BACKEND:
        raise UsageError(
            "environment variable KERAS_BACKEND",
            expected=f"'{BACKEND}' or unset, since every format is made from TensorFlow's graph",
            found=f"'{wanted}'",
            remedy=f"run `unset KERAS_BACKEND`, or put KERAS_BACKEND={BACKEND} before the command",
        )


def start_tensorflow() -> None:
    """Import TensorFlow without its start-up notices; Keras and its backend do not matter to it.

    Raises:
        EngineUnavailableError: TensorFlow is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise EngineUnavailableError(
            "TensorFlow",
            expected="an environment with TensorFlow",
            found="one without it",
            remedy="pip install 'xorexport[tensorflow]'",
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        importlib.import_module("tensorflow")
    for name in ("tensorflow", "absl", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
