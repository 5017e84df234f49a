"""What a bundle or a single artifact holds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from xorexport.bundle import Bundle, check_consistent
from xorexport.errors import EngineUnavailableError, UsageError
from xorexport.readers.base import Contents
from xorexport.registry import FORMATS, load
from xorexport.spec import Manifest, Struct

SAVEDMODEL_FILE = "saved_model.pb"


class Inspection(Struct, frozen=True):
    """The contents of one or more artifacts.

    Attributes:
        manifest: where a bundle was inspected.
        unread: why an artifact's contents are not here, by path.
    """

    contents: tuple[Contents, ...]
    manifest: Manifest | None = None
    unread: dict[str, str] = msgspec.field(default_factory=dict)


def inspect(path: Path) -> Inspection:
    """Read a bundle's folder, a SavedModel's folder or a single file.

    Raises:
        UsageError: it is none of these.
        BundleError: the bundle is not whole.
        ModelError: the single file is not whole.
    """
    if path.is_dir() and not (path / SAVEDMODEL_FILE).is_file():
        return _inspect_bundle(Bundle.read(path))
    return Inspection(contents=(read(_format_of(path), path),))


def read(format_name: str, path: Path) -> Contents:
    """The contents of one artifact."""
    contents: Contents = load(FORMATS[format_name].reader, f"format {format_name}")(path)
    return contents


def _inspect_bundle(bundle: Bundle) -> Inspection:
    check_consistent(bundle)
    contents, unread = [], {}
    for artifact in bundle.manifest.artifacts:
        try:
            contents.append(read(artifact.format, bundle.root / artifact.path))
        except EngineUnavailableError as error:
            unread[artifact.path] = str(error)
    return Inspection(contents=tuple(contents), manifest=bundle.manifest, unread=unread)


def _format_of(path: Path) -> str:
    if path.is_dir():
        return "savedmodel"
    name = path.suffix.removeprefix(".")
    if name not in FORMATS or not path.exists():
        raise UsageError(
            str(path),
            expected=f"a bundle's folder, or a file or folder of format {', '.join(FORMATS)}",
            found=f"'{path.suffix}'" if path.exists() else "no such file",
            remedy="name what `xorexport export` wrote",
        )
    return name
