"""THE list of formats and of engines: one entry each.

Entries are strings, so that listing them imports nothing. A new format or engine is one file and one entry here;
nothing else chooses by name.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from xorexport.errors import EngineUnavailableError, UsageError

TENSORFLOW_HINT = "pip install 'xorexport[tensorflow]'"
BASE_HINT = "pip install xorexport"


@dataclass(frozen=True)
class Entry:
    """Where something is, and what it takes.

    Attributes:
        target: `module:attribute`.
        requires: the module that has to be installed.
        hint: the command that installs it.
        options: keyword arguments for the attribute.
        prepare: `module:function` to call before the target is imported.
    """

    target: str
    requires: str
    hint: str
    options: Mapping[str, Any] = field(default_factory=dict)
    prepare: str | None = None


@dataclass(frozen=True)
class Format:
    """A file format: what writes it, and what reads its contents without running it.

    Attributes:
        ends: reads what a file of this format takes and returns that somebody else made (`readers.base.Ends`), from
            its path, whether code in it may run, and the user's modules.
    """

    exporter: Entry
    reader: Entry
    ends: Entry | None = None


@dataclass(frozen=True)
class Engine:
    """An engine in one configuration, for one format.

    Attributes:
        family: engines of one family share kernels, so they are one witness.
        reference: whether it shows what a format means, and is no engine to deploy.
    """

    format: str
    family: str
    runtime: Entry
    reference: bool = False


def _keras(target: str) -> Entry:
    return Entry(target, "tensorflow", TENSORFLOW_HINT, prepare="xorexport.tensorflow_start:start")


def _tensorflow(target: str) -> Entry:
    return Entry(target, "tensorflow", TENSORFLOW_HINT, prepare="xorexport.tensorflow_start:start_tensorflow")


def _base(target: str, requires: str, **options: Any) -> Entry:
    return Entry(target, requires, BASE_HINT, options)


FORMATS: dict[str, Format] = {
    "keras": Format(
        _keras("xorexport.exporters.keras:KerasExporter"),
        _base("xorexport.readers.keras:read", "zipfile"),
        _keras("xorexport.tracing.ends:ends"),
    ),
    "savedmodel": Format(
        _keras("xorexport.exporters.savedmodel:SavedModelExporter"),
        _tensorflow("xorexport.readers.savedmodel:read"),
        _tensorflow("xorexport.readers.savedmodel:ends"),
    ),
    "tflite": Format(
        _keras("xorexport.exporters.tflite:TFLiteExporter"),
        _base("xorexport.readers.tflite:read", "ai_edge_litert"),
        _base("xorexport.readers.tflite:ends", "ai_edge_litert"),
    ),
    "onnx": Format(
        _keras("xorexport.exporters.onnx:OnnxExporter"),
        _base("xorexport.readers.onnx:read", "onnx"),
        _base("xorexport.readers.onnx:ends", "onnx"),
    ),
}

ENGINES: dict[str, Engine] = {
    "keras": Engine("keras", "tensorflow", _keras("xorexport.runtimes.keras:Keras")),
    "savedmodel": Engine("savedmodel", "tensorflow", _tensorflow("xorexport.runtimes.savedmodel:SavedModel")),
    "litert-xnnpack": Engine(
        "tflite",
        "xnnpack",
        _base("xorexport.runtimes.litert:LiteRT", "ai_edge_litert", xnnpack=True),
    ),
    "litert-builtin": Engine(
        "tflite",
        "litert",
        _base("xorexport.runtimes.litert:LiteRT", "ai_edge_litert", xnnpack=False),
    ),
    "onnxruntime": Engine(
        "onnx",
        "onnxruntime",
        _base("xorexport.runtimes.onnxruntime:OnnxRuntime", "onnxruntime", optimize=True),
    ),
    "onnxruntime-plain": Engine(
        "onnx",
        "onnxruntime",
        _base("xorexport.runtimes.onnxruntime:OnnxRuntime", "onnxruntime", optimize=False),
    ),
    "onnx-reference": Engine(
        "onnx", "onnx", _base("xorexport.runtimes.onnx_reference:OnnxReference", "onnx"), reference=True
    ),
}


def load(entry: Entry, subject: str) -> Any:
    """Import what an entry names and, where it is a class, make one.

    Raises:
        EngineUnavailableError: what it requires is not installed, or cannot be imported.
    """
    reason = None
    if importlib.util.find_spec(entry.requires) is None:
        reason = "it is not installed"
    else:
        try:
            if entry.prepare:
                _resolve(entry.prepare)()
            target = _resolve(entry.target)
        except ImportError as error:
            reason = f"it cannot be imported: {error}"
        else:
            return target(**entry.options) if isinstance(target, type) else target
    raise EngineUnavailableError(subject, expected=f"the module {entry.requires}", found=reason, remedy=entry.hint)


def _resolve(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def check_names(option: str, names: Collection[str], known: Collection[str]) -> None:
    """Refuse names that are not registered.

    Raises:
        UsageError: it names the nearest one that is.
    """
    for name in names:
        if name not in known:
            import difflib  # here, since it takes as long to import as all else in this module

            close = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                option,
                expected=f"one of {', '.join(known)}",
                found=f"'{name}'",
                remedy=f"did you mean '{close[0]}'?" if close else "choose one of these",
            )
