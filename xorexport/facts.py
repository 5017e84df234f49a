"""What the manifest says of a model as a whole."""

from __future__ import annotations

from importlib import metadata

from xorexport import __version__
from xorexport.candidates import Candidate
from xorexport.network import weights
from xorexport.network.domains import decisions_of
from xorexport.network.policy import policy_of
from xorexport.request import ExportRequest
from xorexport.spec import ModelInfo, Signature

PACKAGES = ("keras", "tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert", "numpy")


def model_info(request: ExportRequest, candidate: Candidate, signature: Signature) -> ModelInfo:
    """What the model says of itself.

    Raises:
        UsageError: there are more or fewer labels than any output has classes.
    """
    request.check_labels(signature.outputs)
    return ModelInfo(
        name=candidate.name,
        description=request.description or candidate.description,
        parameters=candidate.model.count_params(),
        weights_sha256=weights.weights_sha256(candidate.model),
        labels=request.labels or candidate.labels,
        decisions=decisions_of(candidate.model, signature),
        policy=policy_of(candidate.model),
        preprocessing=request.preprocessing,
        postprocessing=request.postprocessing,
    )


def metadata_of(info: ModelInfo, versions: dict[str, str]) -> dict[str, str]:
    """The model's own metadata, for formats that hold text."""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    properties = {
        "description": info.description,
        "labels": ", ".join(info.labels),
        "preprocessing": info.preprocessing,
        "postprocessing": info.postprocessing,
        "versions": packages,
        "weights_sha256": info.weights_sha256,
    }
    return {key: value for key, value in properties.items() if value}


def versions() -> dict[str, str]:
    """Versions of what makes a bundle; whichever of TensorFlow's distributions is installed counts as it."""
    found = {"xorexport": __version__}
    for package in PACKAGES:
        for distribution in (package, f"{package}-cpu"):
            try:
                found[package] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
    return found
