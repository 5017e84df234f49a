"""What a file says of itself."""

from __future__ import annotations

from pathlib import Path

import msgspec

from xorexport.errors import ModelError, brief
from xorexport.spec import Signature, Struct, TensorSpec


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


class Ends(Struct, frozen=True):
    """What a file that somebody else made takes and returns, as engines report it.

    Attributes:
        signature: in the file's own order, by the names that its engines use; a shape may be `()` where the file
            does not say how many dimensions there are. Quantised tensors have their parameters.
        names: another name of a tensor, for example in a TFLite signature, by the one that its engines use.
        details: facts of the format that its engines need (`Artifact.details`).
        notes: what a user should know, in plain words.
    """

    signature: Signature
    names: dict[str, str] = msgspec.field(default_factory=dict)
    details: dict[str, str] = msgspec.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def unreadable(path: Path, kind: str, error: Exception) -> ModelError:
    """The error for a file that is not what its name says."""
    return ModelError(
        str(path),
        expected=f"a whole {kind} file",
        found=brief(error),
        remedy="check the path, or export the file again",
    )
