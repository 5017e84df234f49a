"""What a bundle or a file holds, for people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from xorexport.inspection import Inspection
from xorexport.readers.base import Contents
from xorexport.results import artifact_kind
from xorexport.spec import Artifact, Budget, Manifest
from xorexport.verification.verify import tolerances_of


def render(inspection: Inspection, console: Console) -> None:
    """Print the bundle's facts, where there is one, then each artifact's."""
    manifest = inspection.manifest
    if manifest is not None:
        _manifest(manifest, console)
    for contents in inspection.contents:
        _contents(contents, _artifact(contents, manifest), console)
    for path, reason in inspection.unread.items():
        console.print(
            f"\n[bold]{escape(path)}[/]  [yellow]not read[/]: {escape(reason)}",
            highlight=False,
            soft_wrap=True,
        )


def _manifest(manifest: Manifest, console: Console) -> None:
    model = manifest.model
    _fields(
        console,
        f"{model.name}, manifest version {manifest.manifest_version}",
        {
            "description": model.description,
            "labels": ", ".join(model.labels),
            "decisions": ", ".join(f"{output} by {decision}" for output, decision in model.decisions.items()),
            "preprocessing": model.preprocessing,
            "postprocessing": model.postprocessing,
            "parameters": f"{model.parameters:,}",
            "policy": model.policy,
            "weights": f"sha256 {model.weights_sha256}",
            "inputs": ", ".join(spec.describe() for spec in manifest.signature.inputs),
            "outputs": ", ".join(spec.describe() for spec in manifest.signature.outputs),
            "golden": ", ".join(f"{golden.name} ({golden.description})" for golden in manifest.golden),
            "tolerance": ", ".join(
                f"{name} {tolerance.atol:g} + {tolerance.rtol:g} times its value"
                for name, tolerance in tolerances_of(manifest).items()
            ),
            **{f"no {artifact_kind(found.format, found.precision)}": found.reason for found in manifest.refused},
            "made with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        },
    )


def _artifact(contents: Contents, manifest: Manifest | None) -> Artifact | None:
    """What the manifest says of a file."""
    artifacts = manifest.artifacts if manifest is not None else ()
    return next((artifact for artifact in artifacts if Path(contents.path).match(artifact.path)), None)


def _contents(contents: Contents, artifact: Artifact | None, console: Console) -> None:
    _fields(
        console,
        f"{contents.path}  {contents.format}, {contents.size:,} bytes",
        {
            "inputs": ", ".join(spec.describe() for spec in contents.inputs),
            "outputs": ", ".join(spec.describe() for spec in contents.outputs),
            "ops": ", ".join(f"{name} x{count}" if count > 1 else name for name, count in contents.ops.items()),
            **(_facts(artifact) if artifact is not None else {}),
            **contents.metadata,
        },
    )


def _facts(artifact: Artifact) -> dict[str, str]:
    """What a file does not say of itself."""
    ends = (*artifact.signature.inputs, *artifact.signature.outputs)
    quantized = [(spec.name, spec.quantization) for spec in ends if spec.quantization is not None]
    integers = [f"{name} = {found.scale:.6g} * (integer - {found.zero_point})" for name, found in quantized]
    return {
        "precision": artifact.precision,
        "integers": ", ".join(integers),
        "budget": "; ".join(map(_cost, artifact.budget)),
        "note": "; ".join(artifact.notes),
    }


def _cost(budget: Budget) -> str:
    """For example `y off by 0.0041 at most, 51.2 dB, 0 of 32 decisions flip`."""
    error = f"{budget.lost:,} values lost" if budget.max_abs is None else f"off by {budget.max_abs:.2g} at most"
    noise = "" if budget.snr_db is None else f", {budget.snr_db:.1f} dB"
    flips = "" if budget.flips is None else f", {budget.flips} of {budget.rows} decisions flip"
    return f"{budget.output} {error}{noise}{flips}"


def _fields(console: Console, title: str, fields: dict[str, str]) -> None:
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    for name, value in fields.items():
        if value:
            console.print(f"  {escape(name):<14} {escape(value)}", highlight=False, soft_wrap=True)
