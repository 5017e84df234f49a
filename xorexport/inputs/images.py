"""Images for a model with one image input: pixels as they are decoded, from 0 to 255."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from xorexport.errors import UsageError, brief
from xorexport.inputs.base import Inputs, described, listed
from xorexport.inputs.suffixes import IMAGES
from xorexport.inputs.values import cast
from xorexport.spec import TensorSpec

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's name for the colours, by number of channels."""


MOST_NOTES = 5
"""Photos of a folder may all have sizes of their own."""


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 of shape (height, width, channels).
        notes: what was done to it.
    """

    pixels: np.ndarray
    notes: tuple[str, ...]


def read(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read an image as one row, or a folder of images, sorted by name, as a row each.

    The orientation that a camera wrote is applied. Where the model's height and width are fixed, an image of another
    size is resized, bilinearly, without keeping its proportions; the notes say so.

    Raises:
        UsageError: the model has no image input, a file cannot be decoded, or images differ in size.
    """
    spec = _image_input(specs, path)
    files, notes = _files(path) if path.is_dir() else ([path], [])
    pictures = [_decode(file, spec) for file in files]
    _check_sizes(files, pictures, path)
    notes += _notes(files, pictures)
    notes.append("pixels are given as 0 to 255; what the model needs beyond that has to be done before")
    pixels = cast(np.stack([picture.pixels for picture in pictures]), spec.dtype, f"{path}, input '{spec.name}'")
    return Inputs({spec.name: pixels}, tuple(notes), tuple(file.name for file in files))


def _notes(files: Sequence[Path], pictures: Sequence[Picture]) -> list[str]:
    """The pictures' notes, each once with the files that it is of; of very many the first."""
    of: dict[str, list[str]] = {}
    for file, picture in zip(files, pictures, strict=True):
        for note in picture.notes:
            of.setdefault(note, []).append(file.name)
    notes = [f"{listed(names)}: {note}" for note, names in of.items()]
    more = len(notes) - MOST_NOTES
    return notes if more <= 0 else [*notes[:MOST_NOTES], f"and {more} more of this kind"]


def _image_input(specs: Sequence[TensorSpec], path: Path) -> TensorSpec:
    if len(specs) == 1 and len(specs[0].shape) == 4 and specs[0].shape[3] in MODES:
        return specs[0]
    first = len(specs) == 1 and len(specs[0].shape) == 4 and specs[0].shape[1] in MODES
    raise UsageError(
        str(path),
        expected="a model with one image input [batch, height, width, channels] of 1, 3 or 4 channels",
        found=described(specs) + (", with its channels first" if first else ""),
        remedy="give the inputs in an .npz file",
    )


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """The images of a folder sorted by name, and a note on what else is there."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.suffix.lower() in IMAGES and entry.is_file()]
    others = [entry.name for entry in entries if entry not in files]
    if not files:
        raise UsageError(
            str(folder),
            expected=f"a folder of images ({', '.join(IMAGES)})",
            found=listed(others) if others else "an empty one",
            remedy="name the folder that the images themselves are in",
        )
    return files, [f"left out, since they are no images: {listed(others)}"] if others else []


def _decode(path: Path, spec: TensorSpec) -> Picture:
    height, width, channels = spec.shape[1], spec.shape[2], spec.shape[3] or 0
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            upright = ImageOps.exif_transpose(image)
            converted = _converted(upright, MODES[channels], path)
    except UsageError:
        raise
    except Exception as error:
        # A decoder may raise anything on a file that is cut off or something else.
        raise UsageError(
            str(path), expected="an image that Pillow can decode", found=brief(error), remedy="save it again as PNG"
        ) from error
    notes = [f"the first of {frames} frames"] if frames > 1 else []
    if channels != 4 and upright.has_transparency_data:
        notes.append("its transparency is left out")
    target = (width or converted.width, height or converted.height)
    if target != converted.size:
        notes.append(f"resized from {_size(converted.size)} to {_size(target)} (width x height), bilinear")
        converted = converted.resize(target, Image.Resampling.BILINEAR)
    return Picture(np.asarray(converted, dtype=np.uint8).reshape(target[1], target[0], channels), tuple(notes))


def _converted(image: Image.Image, mode: str, path: Path) -> Image.Image:
    """The image in the colours that the model takes; Pillow would cut values of more than 8 bits off."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise UsageError(
            str(path),
            expected="8 bits a channel",
            found=f"more (Pillow's mode {image.mode})",
            remedy="save it with 8 bits a channel, or give its values in an .npz file",
        )
    return image.convert(mode)


def _check_sizes(files: Sequence[Path], pictures: Sequence[Picture], path: Path) -> None:
    for file, picture in zip(files, pictures, strict=True):
        if picture.pixels.shape != pictures[0].pixels.shape:
            sizes = [_size(one.pixels.shape[1::-1]) for one in (pictures[0], picture)]
            raise UsageError(
                str(path),
                expected="images of one size, since the model takes any",
                found=f"{files[0].name} of {sizes[0]} and {file.name} of {sizes[1]} (width x height)",
                remedy="resize them, or give them one by one",
            )


def _size(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
