"""What a file says of itself."""

from __future__ import annotations

from pathlib import Path

from xorexport.errors import ModelError, brief
from xorexport.spec import Struct, TensorSpec


class Contents(Struct, frozen=True):
    """What a file holds, read without running it.

    Attributes:
        inputs: as they stand in the file, or empty where it does not say.
        outputs: likewise.
        ops: number of uses by op, or of layers by class in a `.keras` file.
        metadata: text that the file carries, and facts such as the opset.
    """

    format: str
    path: str
    size: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ops: dict[str, int]
    metadata: dict[str, str]


def unreadable(path: Path, kind: str, error: Exception) -> ModelError:
    """The error for a file that is not what its name says."""
    return ModelError(
        str(path),
        expected=f"a whole {kind} file",
        found=brief(error),
        remedy="check the path, or export the file again",
    )
