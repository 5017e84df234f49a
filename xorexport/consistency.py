"""Holds a manifest against itself: everything that a reader relies on and no type can say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from xorexport.dtypes import STRING, known, numpy_dtype
from xorexport.registry import FORMATS
from xorexport.spec import Artifact, GoldenSet, Manifest, Precision, Signature, TensorData, TensorSpec


def problems(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a manifest, each in a few words; nothing where it is consistent."""
    yield from _signature(manifest.signature)
    if not manifest.artifacts:
        yield "no artifacts"
    if not manifest.golden:
        yield "no golden data"
    for kind, names in (
        ("artifact", [artifact.path for artifact in manifest.artifacts]),
        ("golden set", [golden.name for golden in manifest.golden]),
    ):
        yield from (f"{kind} '{name}' twice" for name in sorted({name for name in names if names.count(name) > 1}))
    for artifact in manifest.artifacts:
        yield from (f"artifact '{artifact.path}': {problem}" for problem in _artifact(artifact, manifest))
    listed = {file.path for file in manifest.files}
    for golden in manifest.golden:
        found = _golden(golden, manifest.signature, listed)
        yield from (f"golden set '{golden.name}': {problem}" for problem in found)
    outputs = {spec.name for spec in manifest.signature.outputs}
    yield from (
        f"a decision on the unknown output '{name}'" for name in sorted(set(manifest.model.decisions) - outputs)
    )


def _signature(signature: Signature) -> Iterator[str]:
    for side, specs in (("input", signature.inputs), ("output", signature.outputs)):
        if not specs:
            yield f"no {side}s"
        for spec in specs:
            if not known(spec.dtype):
                yield f"{side} '{spec.name}' of dtype '{spec.dtype}'"
    names = [spec.name for spec in (*signature.inputs, *signature.outputs)]
    if len(set(names)) != len(names):
        yield "two inputs or outputs of one name"


def _artifact(artifact: Artifact, manifest: Manifest) -> Iterator[str]:
    if artifact.format not in FORMATS:
        yield f"the format '{artifact.format}', of which this version knows nothing"
    yield from _holds(artifact.signature, manifest.signature)
    outputs = [spec.name for spec in manifest.signature.outputs]
    if artifact.precision is not Precision.FLOAT32 and [budget.output for budget in artifact.budget] != outputs:
        yield "quantised, but without a budget for each output"
    elif artifact.precision is Precision.FLOAT32 and artifact.precision not in manifest.tolerances:
        yield f"no tolerance for {artifact.precision}"
    if not artifact.files:
        yield "no files"
    outside = [
        file.path
        for file in artifact.files
        # Below it where it is a folder, or beside it where it is a file with a second one.
        if file.path != artifact.path and not file.path.startswith((f"{artifact.path}/", f"{artifact.path}."))
    ]
    yield from (f"the file '{path}', which is not below it" for path in outside)


def _holds(artifact: Signature, model: Signature) -> Iterator[str]:
    """A file's signature is the model's, but for dynamic dimensions that it fixes and floats in another width."""
    for side, found, expected in (
        ("input", artifact.inputs, model.inputs),
        ("output", artifact.outputs, model.outputs),
    ):
        if [spec.name for spec in found] != [spec.name for spec in expected]:
            yield f"other {side}s than the model's"
            continue
        for spec, wanted in zip(found, expected, strict=True):
            same_sizes = len(spec.shape) == len(wanted.shape) and all(
                wide in (None, own) for own, wide in zip(spec.shape, wanted.shape, strict=True)
            )
            if not same_sizes or not _stands_for(spec, wanted):
                yield f"{side} {spec.describe()} instead of {wanted.describe()}"


def _stands_for(spec: TensorSpec, wanted: TensorSpec) -> bool:
    """Whether a tensor can take or return what the model's does."""
    if spec.dtype == wanted.dtype:
        return spec.quantization == wanted.quantization
    if not (known(spec.dtype) and known(wanted.dtype)) or numpy_dtype(wanted.dtype).kind != "f":
        return False
    kind = numpy_dtype(spec.dtype).kind
    return kind == "f" or (kind in "iu" and spec.quantization is not None)


def _golden(golden: GoldenSet, signature: Signature, listed: set[str]) -> Iterator[str]:
    if not golden.batch_sizes:
        yield "no batch sizes"
    yield from _tensors("input", golden.inputs, signature.inputs, listed)
    yield from _tensors("output", golden.outputs, signature.outputs, listed)
    rows = {data.shape[0] if data.shape else 0 for data in golden.inputs.values()}
    if len(rows) > 1 or 0 in rows:
        yield f"inputs of {' and '.join(map(str, sorted(rows)))} rows"
    elif golden.row_names and {len(golden.row_names)} != rows:
        yield f"{len(golden.row_names)} row names"


def _tensors(
    side: str, tensors: Mapping[str, TensorData], specs: Sequence[TensorSpec], listed: set[str]
) -> Iterator[str]:
    if set(tensors) != {spec.name for spec in specs}:
        yield f"{side}s {', '.join(tensors) or 'none'} instead of {', '.join(spec.name for spec in specs)}"
        return
    for spec in specs:
        data = tensors[spec.name]
        if data.dtype != spec.dtype:
            yield f"{side} '{spec.name}' of dtype '{data.dtype}'"
        if len(data.shape) != len(spec.shape) or 0 in data.shape:
            yield f"{side} '{spec.name}' of shape {list(data.shape)}"
        if (data.values is None) == (data.file is None):
            yield f"{side} '{spec.name}' with both values and a file, or with neither"
        if data.values is not None and len(data.values) != math.prod(data.shape):
            yield f"{side} '{spec.name}' with {len(data.values)} values for shape {list(data.shape)}"
        if data.file is not None and data.file not in listed:
            yield f"the file '{data.file}', which has no digest"
        if any(isinstance(value, str) != (spec.dtype == STRING) for value in data.values or ()):
            yield f"{side} '{spec.name}' of dtype '{spec.dtype}' with other values"
