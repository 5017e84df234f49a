"""What every exporter is: one trace in, one artifact out. Exporters do not verify."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from xorexport.bundle import digest_files
from xorexport.exporters.tracing import Traced
from xorexport.spec import Artifact, Precision


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
        """
        path = root / f"{name}{self.suffix}"
        details = self._write(traced, options, path)
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
