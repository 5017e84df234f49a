"""THE list of what models are loaded from: one entry each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras

from xorexport.errors import ModelError, UsageError
from xorexport.network.sources import function, hdf5, keras_file, saved_model
from xorexport.spec import Precision, Refusal


@dataclass(frozen=True)
class Kind:
    """A kind of file or folder.

    Attributes:
        load: takes the path and whether code in the file may run.
        name: the name that a bundle's files get, from the path.
        unwritable: formats that such a model cannot be written in, with the reason.
    """

    load: Callable[[Path, bool], keras.Model]
    name: Callable[[Path], str] = lambda path: path.stem
    unwritable: Mapping[str, str] = field(default_factory=dict)


HDF5 = Kind(hdf5.load)
FILES: dict[str, Kind] = {".keras": Kind(keras_file.load), ".h5": HDF5, ".hdf5": HDF5}
"""By suffix."""
FOLDER = Kind(saved_model.load, saved_model.name_of, {"keras": saved_model.NO_KERAS_FILE})
"""What a folder without one of these suffixes is."""
RESULTS = (".tflite", ".onnx")
"""What is made of a model, and cannot be turned into one again."""


def kind_of(source: str) -> Kind | None:
    """The kind of file or folder that a source is, or `None` for `package.module:function`.

    Raises:
        UsageError: it is neither.
        ModelError: it is a folder of something else.
    """
    path = Path(source)
    if path.suffix.lower() in FILES:
        return FILES[path.suffix.lower()]
    if source and path.is_dir():
        return _folder(path)
    if function.is_function(source):
        return None
    made = path.suffix.lower() in RESULTS
    raise UsageError(
        f"model '{source}'",
        expected=f"a {', '.join(FILES)} file, a SavedModel's folder or package.module:function",
        found=f"a {path.suffix} file" if made else "neither",
        remedy=f"check it with xorexport verify {source} --golden golden.npz"
        if made
        else "save the model with model.save('name.keras') and name that file",
    )


def writable(
    source: str | Path | keras.Model | None, wanted: Sequence[str], formats: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Refusal, ...]]:
    """The formats to write a model in: those that are wanted, or else all that it can be written in.

    Args:
        source: as a user names it, a model, or `None` for the default network.
        formats: all that there are.

    Returns:
        The formats, and those that are left out, each with the reason.

    Raises:
        UsageError: a wanted one cannot be written.
    """
    kind = kind_of(str(source)) if isinstance(source, (str, Path)) else None
    unwritable = kind.unwritable if kind else {}
    possible = tuple(name for name in formats if name not in unwritable)
    for name in wanted:
        if name in unwritable:
            raise UsageError(
                "--format",
                expected=f"formats that {source} can be written in: {', '.join(possible)}",
                found=f"{name}, though {unwritable[name]}",
                remedy=f"leave {name} out",
            )
    if wanted:
        return tuple(wanted), ()
    return possible, tuple(
        Refusal(format=name, precision=Precision.FLOAT32, reason=reason) for name, reason in unwritable.items()
    )


def _folder(path: Path) -> Kind:
    if (path / saved_model.FILE).is_file():
        return FOLDER
    bundle = (path / "manifest.json").is_file()
    raise ModelError(
        str(path),
        expected=f"a SavedModel: a folder with a {saved_model.FILE}",
        found="a bundle" if bundle else "another folder",
        remedy="name the .keras file or the .savedmodel folder in it" if bundle else "check the path",
    )
