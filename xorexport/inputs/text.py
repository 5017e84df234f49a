"""Text from files."""

from __future__ import annotations

from pathlib import Path

from xorexport.errors import UsageError
from xorexport.inputs.base import unreadable


def read_text(path: Path) -> str:
    """The text of a file, whose line ends are kept.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise unreadable(path, "a file that can be read", error.strerror or str(error)) from error
    return decode(raw, str(path))


def decode(raw: bytes, subject: str) -> str:
    """Text from UTF-8, with or without a byte order mark.

    Raises:
        UsageError: it is something else.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            subject,
            expected="text in UTF-8",
            found=f"the byte {raw[error.start]:#04x} at {error.start}",
            remedy="save it as UTF-8",
        ) from error
