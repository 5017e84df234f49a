"""What every exporter is: one trace in, one artifact out. Exporters do not verify."""

from __future__ import annotations

import errno
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from xorexport.bundle import digest_files
from xorexport.errors import ExportError, XorexportError, brief
from xorexport.exporters.tracing import Traced
from xorexport.spec import Artifact, Precision

DISK_FULL = re.compile(r"No space left|File too large|Disk quota")
"""How TensorFlow's own file system says it, in errors that are no OSError."""


@dataclass(frozen=True)
class ExportOptions:
    """What the user chose, for all formats.

    Attributes:
        opset: the ONNX opset, or `None` for the highest that the converter and the runtime share.
        metadata: text about the model, written into formats that hold such.
    """

    opset: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Exporter(ABC):
    """Writes one format.

    Attributes:
        suffix: of the artifact's file or folder name.
    """

    suffix: ClassVar[str]

    def check(self, options: ExportOptions) -> None:  # noqa: B027 - most formats have no options
        """Refuse options that this format cannot follow, before any work is done.

        Raises:
            UsageError: an option is out of range.
        """

    @final
    def export(self, traced: Traced, options: ExportOptions, name: str, root: Path, format_name: str) -> Artifact:
        """Write `root/name + suffix` and describe it.

        Raises:
            ExportError: the format cannot hold this model; nothing usable was written.
            OSError: the disk does not take the file.
        """
        path = root / f"{name}{self.suffix}"
        try:
            details = self._write(traced, options, path)
        except (XorexportError, OSError):
            raise
        except Exception as error:
            if DISK_FULL.search(str(error)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
            raise ExportError(
                f"{format_name} export of '{name}'",
                expected=f"a model that can be written as {format_name}",
                found=brief(error),
                remedy=f"leave {format_name} out with --format",
            ) from error
        files = digest_files(root, path)
        return Artifact(
            format=format_name,
            precision=Precision.FLOAT32,
            path=path.relative_to(root).as_posix(),
            size=sum(file.size for file in files),
            files=files,
            signature=traced.signature,
            details=details,
        )

    @abstractmethod
    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        """Write the artifact to `path`, which does not exist; return facts of the format."""
