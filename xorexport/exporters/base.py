"""What every exporter is: one trace in, one artifact out. Exporters do not verify."""

from __future__ import annotations

import errno
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

import msgspec
import numpy as np

from xorexport.bundle import digest_files
from xorexport.dtypes import STRING
from xorexport.errors import ExportError, XorexportError, brief
from xorexport.network.policy import OTHER_FLOATS, policy_of
from xorexport.spec import Artifact, FileDigest, Precision, Signature
from xorexport.tracing.culprits import layers_with
from xorexport.tracing.plans import Plan
from xorexport.tracing.trace import Traced

DISK_FULL = re.compile(r"No space left|File too large|Disk quota")
"""How TensorFlow's own file system says it, in errors that are no OSError."""


TEXT = re.compile("String|Lookup|Regex")
"""Of TensorFlow's op types, those that work on strings."""


@dataclass(frozen=True)
class ExportOptions:
    """What the user chose, for all formats.

    Attributes:
        opset: the ONNX opset, or `None` for the highest that the converter and the runtime share.
        metadata: text about the model, written into formats that hold such.
    """

    opset: int | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration:
    """What quantisers measure ranges on.

    Attributes:
        batches: by canonical name, as the float32 artifact takes them; `None` where there are no samples.
        integer_ends: whether the file takes and returns integers, where it computes in them.
    """

    batches: Sequence[Mapping[str, np.ndarray]] | None = None
    integer_ends: bool = False


class Exporter(ABC):
    """Writes one format.

    Attributes:
        suffix: of the artifact's file or folder name.
        sidecar: what the name of a second file ends in, after the artifact's own, where there is one.
        precisions: what its float32 file can be quantised to.
        strings: whether its files take and return strings.
        opsets: whether its ops come in versions, of which the user may choose one.
    """

    suffix: ClassVar[str]
    sidecar: ClassVar[str] = ""
    precisions: ClassVar[tuple[Precision, ...]] = ()
    strings: ClassVar[bool] = False
    opsets: ClassVar[bool] = False

    def check(self, options: ExportOptions) -> None:  # noqa: B027 - most formats have no options
        """Refuse options that this format cannot follow, before any work is done.

        Raises:
            UsageError: an option is out of range.
        """

    def plans(self, traced: Traced) -> Iterator[Plan]:
        """Ways to trace the model for this format, the one that changes least first.

        A later one is tried where the format cannot be written by an earlier one, or what was written is wrong.

        Args:
            traced: the model as it is.
        """
        yield traced.plan

    @final
    def export(self, traced: Traced, options: ExportOptions, name: str, root: Path, format_name: str) -> Artifact:
        """Write `root/name + suffix` and describe it.

        Raises:
            ExportError: the format cannot hold this model; nothing usable was written.
            OSError: the disk does not take the file.
        """
        path = root / f"{name}{self.suffix}"
        if not self.strings:
            _check_no_strings(traced, f"{format_name} export of '{name}'", format_name)
        try:
            with self._whole(path):
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
        files = self._files(root, path)
        return Artifact(
            format=format_name,
            precision=Precision.FLOAT32,
            path=path.relative_to(root).as_posix(),
            size=sum(file.size for file in files),
            files=files,
            signature=traced.signature,
            details=details,
            notes=traced.plan.notes,
        )

    @final
    def quantized(self, artifact: Artifact, precision: Precision, calibration: Calibration, root: Path) -> Artifact:
        """Write the float32 artifact again in another precision, beside it.

        Raises:
            ExportError: the quantiser cannot handle it, or lacks samples.
        """
        source = root / artifact.path
        path = source.with_name(f"{source.name.removesuffix(self.suffix)}-{precision}{self.suffix}")
        with self._whole(path):
            signature, remark = self._quantize(artifact, precision, calibration, source, path)
        files = self._files(root, path)
        return msgspec.structs.replace(
            artifact,
            precision=precision,
            path=path.relative_to(root).as_posix(),
            size=sum(file.size for file in files),
            files=files,
            signature=signature,
            notes=(*artifact.notes, *([remark] if remark else [])),
        )

    @contextmanager
    def _whole(self, path: Path) -> Iterator[None]:
        """Leave nothing of what could not be written as a whole."""
        try:
            yield
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            for file in {path, path.with_name(f"{path.name}{self.sidecar}")}:
                file.unlink(missing_ok=True)
            raise

    def _files(self, root: Path, path: Path) -> tuple[FileDigest, ...]:
        beside = path.with_name(f"{path.name}{self.sidecar}")
        extra = digest_files(root, beside) if self.sidecar and beside.exists() else ()
        return (*digest_files(root, path), *extra)

    def _quantize(
        self, artifact: Artifact, precision: Precision, calibration: Calibration, source: Path, target: Path
    ) -> tuple[Signature, str]:
        """Write `target`; return its signature, and why that was pointless, or nothing."""
        raise NotImplementedError

    @abstractmethod
    def _write(self, traced: Traced, options: ExportOptions, path: Path) -> dict[str, str]:
        """Write the artifact to `path`, which does not exist; return facts of the format."""


def in_float32(plan: Plan, traced: Traced) -> Plan:
    """The plan with all arithmetic in float32, and a note that says what it is otherwise."""
    policy = policy_of(traced.model)
    others = " and ".join(sorted(traced.dtypes.intersection(OTHER_FLOATS)))
    what = f"the model's policy is {policy}" if policy else f"the model casts to {others}"
    return plan.noted(f"computes in float32; {what}", float32=True)


def or_in_float32(plans: Iterable[Plan], traced: Traced) -> Iterator[Plan]:
    """Each plan, and behind it the same in float32, where the model has other floats and the plan keeps them."""
    others = policy_of(traced.model) or traced.dtypes.intersection(OTHER_FLOATS)
    for plan in plans:
        yield plan
        if others and not plan.float32:
            yield in_float32(plan, traced)


def _check_no_strings(traced: Traced, subject: str, format_name: str) -> None:
    """Refuse ends that are strings.

    Raises:
        ExportError: it names them, and the layers whose ops take or return strings.
    """
    ends = [spec for spec in (*traced.signature.inputs, *traced.signature.outputs) if spec.dtype == STRING]
    if ends:
        ops = sorted(op for op in traced.op_types if TEXT.search(op))
        found = ", ".join(spec.describe() for spec in ends)
        raise ExportError(
            subject,
            expected=f"inputs and outputs of numbers or truth values, since {format_name} files hold no strings here",
            found=f"{found}; {layers_with(traced, ops)}" if ops else found,
            remedy=f"look strings up outside of the model, or leave {format_name} out with --format",
        )


def with_fixed_sizes(plan: Plan, traced: Traced) -> Iterator[Plan]:
    """The plan, then ones that fix dynamic dimensions: the batch stays dynamic for as long as it can."""
    yield plan
    interface = traced.interface
    names = [spec.name for spec in interface.inputs if None in spec.shape[1:]]
    sizes = {name: interface.example[name] for name in names if name in interface.example}
    batch = any(spec.shape and spec.shape[0] is None for spec in interface.inputs)
    shapes = ", ".join(f"{name} {list(shape[1:])}" for name, shape in sizes.items())
    fixed = plan.noted(f"every size but the batch is fixed: {shapes}", sizes=sizes)
    if sizes:
        yield fixed
    if batch:
        yield plan.noted("the batch is fixed at 1", batch=1)
    if sizes and batch:
        yield fixed.noted("the batch is fixed at 1", batch=1)
