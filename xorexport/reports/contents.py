"""What a bundle or a file holds, for people."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from xorexport.inspection import Inspection
from xorexport.readers.base import Contents
from xorexport.spec import Manifest


def render(inspection: Inspection, console: Console) -> None:
    """Print the bundle's facts, where there is one, then each artifact's."""
    if inspection.manifest is not None:
        _manifest(inspection.manifest, console)
    for contents in inspection.contents:
        _contents(contents, console)
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
            "parameters": f"{model.parameters:,}",
            "weights": f"sha256 {model.weights_sha256}",
            "inputs": ", ".join(spec.describe() for spec in manifest.signature.inputs),
            "outputs": ", ".join(spec.describe() for spec in manifest.signature.outputs),
            "golden": ", ".join(f"{golden.name} ({golden.description})" for golden in manifest.golden),
            "made with": ", ".join(f"{name} {version}" for name, version in manifest.versions.items()),
        },
    )


def _contents(contents: Contents, console: Console) -> None:
    _fields(
        console,
        f"{contents.path}  {contents.format}, {contents.size:,} bytes",
        {
            "inputs": ", ".join(spec.describe() for spec in contents.inputs),
            "outputs": ", ".join(spec.describe() for spec in contents.outputs),
            "ops": ", ".join(f"{name} x{count}" if count > 1 else name for name, count in contents.ops.items()),
            **contents.metadata,
        },
    )


def _fields(console: Console, title: str, fields: dict[str, str]) -> None:
    console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
    for name, value in fields.items():
        if value:
            console.print(f"  {escape(name):<14} {escape(value)}", highlight=False, soft_wrap=True)
