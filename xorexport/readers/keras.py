"""Reads a `.keras` file, which is a zip archive, without Keras."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from xorexport.readers.base import Contents, unreadable
from xorexport.spec import TensorSpec


def read(path: Path) -> Contents:
    """Inputs, layers and metadata of a `.keras` file. Its outputs are known only to Keras.

    Raises:
        ModelError: it is not a whole `.keras` file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json"))
        return _contents(path, config, metadata)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise unreadable(path, ".keras", error) from error


def _contents(path: Path, config: dict[str, Any], metadata: dict[str, Any]) -> Contents:
    layers = config["config"].get("layers", [])
    return Contents(
        format="keras",
        path=str(path),
        size=path.stat().st_size,
        inputs=tuple(_input(layer["config"]) for layer in layers if layer.get("class_name") == "InputLayer"),
        outputs=(),
        ops=dict(sorted(Counter(str(layer.get("class_name")) for layer in layers).items())),
        metadata={"class": config["class_name"], "keras": metadata["keras_version"]},
    )


def _input(config: dict[str, Any]) -> TensorSpec:
    return TensorSpec(name=config["name"], dtype=config["dtype"], shape=tuple(config["batch_shape"]))
