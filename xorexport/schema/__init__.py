"""The manifest's JSON Schema, made from the types that read it. `python -m xorexport.schema` writes it anew."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import msgspec

from xorexport.spec import Manifest

PATH = Path(__file__).with_name("manifest.schema.json")


def render() -> bytes:
    """The schema as indented JSON, JSON Schema draft 2020-12."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(Manifest),
    }
    for definition in schema["$defs"].values():
        # Python takes the indentation out of docstrings from 3.13 on.
        definition["description"] = inspect.cleandoc(definition["description"])
    return msgspec.json.format(msgspec.json.encode(schema), indent=2) + b"\n"
