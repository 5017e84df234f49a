"""The digest rows: every file of a bundle, read again from the disk, against the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xorexport.bundle import MANIFEST, manifest_bytes, missing, seal_holds, sha256
from xorexport.errors import MismatchError
from xorexport.results import DigestRow, Outcome
from xorexport.spec import Artifact, FileDigest, Manifest


def all_rows(root: Path, raw: bytes, manifest: Manifest) -> tuple[DigestRow, ...]:
    """The manifest's own row, and if that passes, the rows of the files that it lists.

    Args:
        raw: the manifest's bytes.

    Raises:
        BundleError: a listed file is missing or cannot be read.
    """
    seal = seal_row(raw)
    return (seal, *file_rows(root, manifest)) if seal.outcome is Outcome.PASS else (seal,)


def seal_row(raw: bytes, problem: str = "") -> DigestRow:
    """The manifest's own row: its bytes against its seal.

    Args:
        problem: why it cannot be read, where it cannot.
    """
    if seal_holds(raw) and not problem:
        return DigestRow(path=MANIFEST, outcome=Outcome.PASS)
    reason = "it has no seal" if seal_holds(raw) is None else "its bytes are not those that were sealed"
    return DigestRow(path=MANIFEST, outcome=Outcome.FAIL, reason=f"{reason} ({problem})" if problem else reason)


def require_seal(root: Path) -> None:
    """Refuse a manifest that changed after it was sealed.

    Raises:
        MismatchError: it did.
    """
    row = seal_row(manifest_bytes(root))
    if row.outcome is not Outcome.PASS:
        raise MismatchError(
            str(root / MANIFEST),
            expected="the manifest as it was sealed",
            found=row.reason,
            remedy="export the bundle again or restore the file; --no-digests uses it all the same",
        )


def file_rows(root: Path, manifest: Manifest) -> Iterator[DigestRow]:
    """A row for every file that the manifest lists, and one for every file that it does not.

    Raises:
        BundleError: a listed file is missing or cannot be read.
    """
    listed = [*manifest.files, *(file for artifact in manifest.artifacts for file in artifact.files)]
    for file in listed:
        yield _file_row(root, file)
    # A stray file inside an artifact's folder would be loaded with it.
    known = {file.path for file in listed}
    for artifact in manifest.artifacts:
        for path in sorted((root / artifact.path).rglob("*")):
            relative = path.relative_to(root).as_posix()
            if path.is_file() and relative not in known:
                yield DigestRow(path=relative, outcome=Outcome.FAIL, reason="the manifest does not list it")


def require(root: Path, artifact: Artifact) -> None:
    """Refuse an artifact whose files are not those of the manifest.

    Raises:
        MismatchError: a file changed.
        BundleError: a file is missing.
    """
    for file in artifact.files:
        row = _file_row(root, file)
        if row.outcome is not Outcome.PASS:
            raise MismatchError(
                str(root / file.path),
                expected="the file that was exported",
                found=f"another one ({row.reason})",
                remedy="export the bundle again or restore the file; --no-digests uses it all the same",
            )


def _file_row(root: Path, file: FileDigest) -> DigestRow:
    path = root / file.path
    if not path.resolve().is_relative_to(root.resolve()):
        return DigestRow(path=file.path, outcome=Outcome.FAIL, reason="it is a link that leads out of the bundle")
    try:
        size, digest = path.stat().st_size, sha256(path)
    except OSError as error:
        raise missing(path, error) from error
    if digest == file.sha256:
        return DigestRow(path=file.path, outcome=Outcome.PASS)
    found = f"{size} bytes instead of {file.size}" if size != file.size else "other bytes"
    return DigestRow(
        path=file.path,
        outcome=Outcome.FAIL,
        reason=f"sha256 {digest[:12]}... instead of {file.sha256[:12]}..., {found}",
    )
