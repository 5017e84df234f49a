"""A bundle: a folder of artifacts, golden data and a sealed manifest. Read it, seal it, publish it whole."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from xorexport import consistency
from xorexport.dtypes import STRING, name_of, numpy_dtype
from xorexport.errors import BundleError
from xorexport.spec import FileDigest, GoldenSet, Manifest, TensorData

MANIFEST = "manifest.json"
REPORT = "report.json"
MANIFEST_VERSION: Literal[2] = 2
INLINE_LIMIT = 64
"""Tensors of up to this many elements stand in the manifest itself; strings always do."""

_SEAL = re.compile(rb'"seal": "([0-9a-f]{64})"')
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk.

    Attributes:
        root: its folder.
        manifest: as read from `root/manifest.json`.
    """

    root: Path
    manifest: Manifest

    @classmethod
    def read(cls, root: Path) -> Bundle:
        """Read a bundle's manifest. Its files and its seal are not checked: see `verification.digests`.

        Raises:
            BundleError: there is no manifest, it is cut off, it is no manifest, or of a newer version.
        """
        return cls(root, parse_manifest(manifest_bytes(root), root / MANIFEST))

    def golden_arrays(self, tensors: Mapping[str, TensorData]) -> dict[str, np.ndarray]:
        """The recorded arrays by name.

        Raises:
            BundleError: a file is missing, or is not as long as its shape says.
        """
        return {name: self._array(name, data) for name, data in tensors.items()}

    def _array(self, name: str, data: TensorData) -> np.ndarray:
        if data.file is None:
            return np.array(data.values, dtype=numpy_dtype(data.dtype)).reshape(data.shape)
        path = self.root / data.file
        if data.dtype == STRING:
            raise BundleError(
                str(path),
                expected=f"strings for '{name}' in the manifest itself",
                found="a file",
                remedy="export the bundle again; xorexport does not write such a manifest",
            )
        dtype = np.dtype(data.dtype).newbyteorder("<")
        expected = dtype.itemsize * math.prod(data.shape)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise missing(path, error) from error
        if len(raw) != expected:
            raise BundleError(
                str(path),
                expected=f"{expected} bytes of golden data for '{name}'",
                found=f"{len(raw)}",
                remedy="export the bundle again, or copy it whole",
            )
        return np.frombuffer(raw, dtype=dtype).astype(data.dtype).reshape(data.shape)


def manifest_bytes(root: Path) -> bytes:
    """The manifest's bytes.

    Raises:
        BundleError: there is none.
    """
    try:
        return (root / MANIFEST).read_bytes()
    except NotADirectoryError as error:
        raise BundleError(
            str(root),
            expected=f"a bundle: a folder with a {MANIFEST}",
            found="a file",
            remedy="name the folder that `xorexport export -o` wrote",
        ) from error
    except FileNotFoundError as error:
        raise BundleError(
            str(root),
            expected=f"a bundle: a folder with a {MANIFEST}",
            found=f"no {MANIFEST}" if root.is_dir() else "no such folder",
            remedy="name the folder that `xorexport export -o` wrote",
        ) from error
    except OSError as error:
        raise missing(root / MANIFEST, error) from error


def parse_manifest(raw: bytes, path: Path) -> Manifest:
    """Decode a manifest.

    Raises:
        BundleError: it is cut off, of another version, or not a manifest; the message names the field.
    """
    try:
        version = msgspec.json.decode(raw, type=_Version).manifest_version
        if version > MANIFEST_VERSION:
            raise BundleError(
                str(path),
                expected=f"a manifest of version {MANIFEST_VERSION} or older",
                found=f"version {version}",
                remedy="upgrade xorexport: pip install --upgrade xorexport",
            )
        return msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(
            str(path),
            expected="a whole manifest of a bundle",
            found="a file that ends too early" if is_cut_off(error) else f"{error}",
            remedy="export the bundle again, or restore the file",
        ) from error


def check_consistent(bundle: Bundle) -> None:
    """Refuse a manifest that contradicts itself: to be called before anything in the bundle is used.

    Raises:
        BundleError: it names the first contradiction.
    """
    found = next(consistency.problems(bundle.manifest), None)
    if found is not None:
        raise BundleError(
            str(bundle.root / MANIFEST),
            expected="a manifest that agrees with itself",
            found=found,
            remedy="export the bundle again; xorexport does not write such a manifest",
        )


def is_cut_off(error: Exception) -> bool:
    """Whether decoding failed because the bytes end too early."""
    return "truncated" in str(error)


def seal(manifest: Manifest) -> bytes:
    """Encode a manifest with its seal: SHA-256 of the very bytes, with zeros where the seal stands."""
    blank = msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(manifest, seal="0" * 64)), indent=2)
    digest = hashlib.sha256(blank + b"\n").hexdigest()
    return blank.replace(b'"seal": "' + b"0" * 64, b'"seal": "' + digest.encode(), 1) + b"\n"


def seal_holds(raw: bytes) -> bool | None:
    """Whether the bytes of a manifest are as they were sealed; `None` where they have no seal."""
    match = _SEAL.search(raw)
    if match is None:
        return None
    blank = raw[: match.start(1)] + b"0" * 64 + raw[match.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode() == match.group(1)


def digest_files(root: Path, path: Path) -> tuple[FileDigest, ...]:
    """Digests of a file, or of all files below a folder, sorted by path."""
    files = sorted(entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path]
    return tuple(
        FileDigest(path=file.relative_to(root).as_posix(), sha256=sha256(file), size=file.stat().st_size)
        for file in files
    )


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; constant memory."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def record_golden(root: Path, golden: GoldenSet, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> GoldenSet:
    """Fill a golden set with arrays: small ones and strings inline, others in raw little-endian files in `golden/`.

    Args:
        golden: without tensors.
        arrays: `inputs` and `outputs`, each by canonical name.
    """
    tensors = {
        side: {name: _record(root, f"golden/{golden.name}.{side}.{name}.bin", array) for name, array in of.items()}
        for side, of in arrays.items()
    }
    return msgspec.structs.replace(golden, inputs=tensors["inputs"], outputs=tensors["outputs"])


def _record(root: Path, file: str, array: np.ndarray) -> TensorData:
    dtype = name_of(array.dtype)
    if array.size <= INLINE_LIMIT or dtype == STRING:
        return TensorData(dtype=dtype, shape=array.shape, values=tuple(_shortest(array)))
    path = root / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return TensorData(dtype=dtype, shape=array.shape, file=file)


def _shortest(array: np.ndarray) -> list[Any]:
    """Numbers with the fewest digits that read back, in their own precision, as the very same values."""
    if array.dtype.kind != "f":
        return array.ravel().tolist()
    return [float(str(value)) for value in array.ravel()]


def missing(path: Path, error: OSError) -> BundleError:
    """The error for a file of a bundle that cannot be read."""
    return BundleError(
        str(path),
        expected="a readable file of the bundle",
        found=error.strerror or str(error),
        remedy="export the bundle again, or copy it whole",
    )


class _Version(msgspec.Struct):
    manifest_version: int
