"""The main job: build, train, compare, export, verify, publish."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from xorexport import __version__, bundle
from xorexport.errors import ModelError, UsageError, check_seed
from xorexport.exporters.base import Exporter, ExportOptions
from xorexport.exporters.tracing import Traced, trace
from xorexport.network import weights
from xorexport.network.architecture import Architecture
from xorexport.network.candidates import Candidate, default_network, given_model
from xorexport.network.signature import decisions_of, predict
from xorexport.network.training import TrainingSettings
from xorexport.progress import Listener
from xorexport.publishing import staged
from xorexport.registry import FORMATS, check_names, load
from xorexport.reports import json as json_report
from xorexport.results import ParityReport
from xorexport.samples import SampleSet
from xorexport.spec import Decision, GoldenSet, Manifest, ModelInfo, Precision, Signature, Tolerance
from xorexport.verification import digests
from xorexport.verification.verify import Selection, verify

if TYPE_CHECKING:
    import keras

PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy")


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and how.

    Attributes:
        model: a `.keras` file, `package.module:function`, a model, or `None` for the default network.
        formats: names from the registry, or none for all.
        architecture: of the default network.
        training: of the default network.
        opset: the ONNX opset, or `None` for the highest that converter and runtime share.
        tolerance: of float32 artifacts.
        seed: of the inputs that the model is checked on.
        description: of the model, for its files.
        labels: names of the classes, by number.
        unsafe: whether code inside a `.keras` file may run.
    """

    model: str | keras.Model | None = None
    formats: tuple[str, ...] = ()
    architecture: Architecture = field(default_factory=Architecture)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    opset: int | None = None
    tolerance: Tolerance = field(default_factory=lambda: Tolerance(rtol=1e-5, atol=1e-5))
    seed: int = 0
    description: str = ""
    labels: tuple[str, ...] = ()
    unsafe: bool = False


class _RejectedError(Exception):
    """Carries the report of a bundle that does not match, past the publishing of it."""

    def __init__(self, report: ParityReport) -> None:
        super().__init__()
        self.report = report


def export(request: ExportRequest, destination: Path, listener: Listener | None = None) -> ParityReport:
    """Make a bundle of a model at `destination`, and verify it there before it takes its place.

    Returns:
        The report. Where its exit code is not 0, nothing was published and `destination` is as it was.

    Raises:
        XorexportError: the model, the options or the destination cannot be used.
    """
    listener = listener or Listener()
    check_names("--format", request.formats, FORMATS)
    _check_tolerance(request.tolerance)
    check_seed("--samples-seed", request.seed)
    options = ExportOptions(opset=request.opset)
    exporters = {name: load(FORMATS[name].exporter, f"format {name}") for name in request.formats or FORMATS}
    for exporter in exporters.values():
        exporter.check(options)
    try:
        # Staged before anything else, so that a destination that cannot be written costs no training.
        with staged(destination) as root:
            if request.model is None:
                candidate = default_network(request.architecture, request.training, request.seed, listener)
            else:
                candidate = given_model(request.model, request.unsafe, request.seed, listener)
            weights.check_usable(candidate.model)
            traced = trace(candidate.model)
            report = _write(request, candidate, traced, exporters, root, listener)
            if report.exit_code:
                raise _RejectedError(report)
    except _RejectedError as rejected:
        return rejected.report
    return report


def _check_tolerance(tolerance: Tolerance) -> None:
    for name in ("rtol", "atol"):
        value = getattr(tolerance, name)
        if not 0 <= value < math.inf:
            raise UsageError(f"--{name}", expected="0 or more", found=f"{value}", remedy="1e-5 is the default")


def _write(
    request: ExportRequest,
    candidate: Candidate,
    traced: Traced,
    exporters: dict[str, Exporter],
    root: Path,
    listener: Listener,
) -> ParityReport:
    """Write a whole bundle into `root` and verify it."""
    info = _model_info(request, candidate, traced.signature)
    versions = _versions()
    options = ExportOptions(opset=request.opset, metadata=_metadata(info, versions))
    artifacts = []
    for format_name, exporter in exporters.items():
        artifact = exporter.export(traced, options, candidate.name, root, format_name)
        listener.step(f"wrote {artifact.path}, {artifact.size:,} bytes")
        artifacts.append(artifact)
    manifest = Manifest(
        seal="",
        manifest_version=bundle.MANIFEST_VERSION,
        model=info,
        signature=traced.signature,
        artifacts=tuple(artifacts),
        golden=tuple(_golden(candidate, traced.signature, samples, root) for samples in candidate.samples),
        tolerances={Precision.FLOAT32: request.tolerance},
        versions=versions,
        settings=candidate.settings,
    )
    golden_files = bundle.digest_files(root, root / "golden") if (root / "golden").exists() else ()
    manifest = msgspec.structs.replace(manifest, files=golden_files)
    report = verify(
        bundle.Bundle(root, manifest),
        Selection(unsafe=request.unsafe, whole=True),
        tuple(digests.file_rows(root, manifest)),
        listener.working,
    )
    report = msgspec.structs.replace(report, equivalence=candidate.equivalence)
    (root / bundle.REPORT).write_bytes(json_report.render(report, timings=False))
    files = (*golden_files, *bundle.digest_files(root, root / bundle.REPORT))
    (root / bundle.MANIFEST).write_bytes(bundle.seal(msgspec.structs.replace(manifest, files=files)))
    return report


def _golden(candidate: Candidate, signature: Signature, samples: SampleSet, root: Path) -> GoldenSet:
    """Record what `predict` returns for a set of samples.

    Raises:
        ModelError: a prediction is not finite, so there is nothing to compare with.
    """
    outputs = predict(candidate.model, signature, samples.inputs, batch_size=max(samples.batch_sizes))
    for name, array in outputs.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelError(
                f"model '{candidate.model.name}', output '{name}'",
                expected="finite predictions to compare with",
                found=f"{np.count_nonzero(~np.isfinite(array))} of {array.size} that are not",
                remedy="look for a division, logarithm or overflow in the layers behind it",
            )
    golden = GoldenSet(
        name=samples.name,
        description=samples.description,
        batch_sizes=samples.batch_sizes,
        row_names=samples.row_names,
        inputs={},
        outputs={},
    )
    return bundle.record_golden(root, golden, {"inputs": samples.inputs, "outputs": outputs})


def _model_info(request: ExportRequest, candidate: Candidate, signature: Signature) -> ModelInfo:
    decisions = decisions_of(candidate.model, signature)
    _check_labels(request.labels, decisions, signature)
    return ModelInfo(
        name=candidate.name,
        description=request.description or candidate.description,
        parameters=candidate.model.count_params(),
        weights_sha256=weights.weights_sha256(candidate.model),
        labels=request.labels or candidate.labels,
        decisions=decisions,
    )


def _check_labels(labels: tuple[str, ...], decisions: dict[str, Decision], signature: Signature) -> None:
    """Refuse labels of which there are more or fewer than classes."""
    classes = {
        2 if decisions[spec.name] is Decision.THRESHOLD else spec.shape[-1]
        for spec in signature.outputs
        if spec.name in decisions
    }
    if labels and classes != {len(labels)}:
        count = f"a name for each of {' or '.join(map(str, classes))} classes"
        raise UsageError(
            "--labels",
            expected=count if classes else "none, since no output is a sigmoid or a softmax",
            found=f"{len(labels)}: {', '.join(labels)}",
            remedy="name the classes by number, from 0",
        )


def _metadata(info: ModelInfo, versions: dict[str, str]) -> dict[str, str]:
    """The model's own metadata, for formats that hold text."""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    properties = {
        "description": info.description,
        "labels": ", ".join(info.labels),
        "versions": packages,
        "weights_sha256": info.weights_sha256,
    }
    return {key: value for key, value in properties.items() if value}


def _versions() -> dict[str, str]:
    """Versions of what makes a bundle; whichever of TensorFlow's distributions is installed counts as it."""
    versions = {"xorexport": __version__}
    for package in PACKAGES:
        for distribution in (package, f"{package}-cpu"):
            try:
                versions[package] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
    return versions
