"""Puts a finished bundle in place: the new one stands complete, or the old one is untouched."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xorexport.bundle import MANIFEST, Bundle
from xorexport.errors import BundleError, brief

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """A folder beside `destination` to write a bundle in; it takes its place if the block ends well.

    What killed runs left beside it is swept first. A file that a reader has open stays readable; the folder that
    it was in is gone.

    Raises:
        BundleError: `destination` is something else than a bundle, an empty folder or nothing; or the disk
            cannot be written.
    """
    destination = resolved(destination)
    check_replaceable(destination)
    staging = destination.parent / f".{destination.name}.xorexport-{os.getpid()}"
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        sweep(destination)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
    except OSError as error:
        raise _unwritable(destination, error) from error
    try:
        yield staging
        _flush(staging)
        _put_in_place(staging, destination)
    except OSError as error:
        raise _unwritable(destination, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def resolved(destination: Path) -> Path:
    """The folder itself, behind any links, so that a link stays one.

    Raises:
        BundleError: links lead round in a circle, or the path cannot be.
    """
    try:
        return destination.resolve()
    except (OSError, RuntimeError) as error:
        raise BundleError(
            str(destination)[:200],
            expected="a path that a folder can have",
            found=brief(error),
            remedy="choose another folder with -o",
        ) from error


def check_replaceable(destination: Path) -> None:
    """Refuse a destination whose replacement would lose something.

    Raises:
        BundleError: it is a file, a folder without a manifest, or a bundle with files that are not its own.
    """
    if not destination.exists() and not destination.is_symlink():
        return
    found = None
    if Path.cwd().is_relative_to(destination):
        found = "the folder that you are in"
    elif not destination.is_dir():
        found = "a file"
    elif any(destination.iterdir()):
        found = _foreign(destination)
    if found is not None:
        raise BundleError(
            str(destination),
            expected="a bundle, an empty folder or nothing, since the folder is replaced as a whole",
            found=found,
            remedy="choose another folder with -o, or move these files away",
        )


def _foreign(folder: Path) -> str | None:
    """What a folder holds that replacing it would lose, or `None` where it is a bundle and nothing else."""
    if not (folder / MANIFEST).is_file():
        return "a folder that is not a bundle"
    try:
        manifest = Bundle.read(folder).manifest
    except BundleError as error:
        return f"a manifest that cannot be read ({error.found})"
    own = {MANIFEST} | {file.path for file in manifest.files}
    own |= {file.path for artifact in manifest.artifacts for file in artifact.files}
    others = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() and path.relative_to(folder).as_posix() not in own
    )
    return f"files that are not the bundle's: {', '.join(others[:3])}" if others else None


def sweep(destination: Path) -> None:
    """Clean up after processes that no longer run; a bundle that one of them had set aside comes back."""
    pattern = re.compile(re.escape(f".{destination.name}.xorexport-") + r"(\d+)(\.old)?")
    for entry in sorted(destination.parent.iterdir()):
        match = pattern.fullmatch(entry.name)
        if not match or _runs(int(match.group(1))):
            continue
        if match.group(2) and not destination.exists():
            entry.rename(destination)
        else:
            shutil.rmtree(entry, ignore_errors=True)


def _runs(process: int) -> bool:
    if process == os.getpid():  # this one has only just begun
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _flush(folder: Path) -> None:
    """Have every file on the disk before its name is, so that a power cut leaves no empty files."""
    for path in (*folder.rglob("*"), folder):
        if path.is_dir() and os.name == "nt":
            continue
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put_in_place(staging: Path, destination: Path) -> None:
    """Swap the two folders in one step where the system can, else rename one after the other."""
    if not destination.exists():
        staging.rename(destination)
    elif not _exchange(staging, destination):
        aside = staging.with_name(staging.name + ".old")
        destination.rename(aside)
        try:
            staging.rename(destination)
        except OSError:
            aside.rename(destination)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders atomically with Linux' renameat2; false where that is not to be had."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    result: int = renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE)
    return result == 0


def _unwritable(destination: Path, error: OSError) -> BundleError:
    return BundleError(
        str(destination),
        expected="a place where the bundle can be written",
        found=error.strerror or str(error),
        remedy="free the disk or choose another folder with -o; nothing there was changed",
    )
