"""Which columns of a table are which input.

An input of one element a row is the column `name`; one of k elements is the columns `name_0` to `name_{k-1}`,
row-major. One dynamic dimension is as long as there are columns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from xorexport.errors import UsageError
from xorexport.inputs.base import described, listed
from xorexport.spec import TensorSpec

INDEX = re.compile(r"(.+)_(0|[1-9]\d{0,8})")


def columns_by_name(names: Sequence[str], specs: Sequence[TensorSpec], subject: str) -> dict[str, list[int]]:
    """The positions of every input's columns, row-major, by canonical name.

    Raises:
        UsageError: columns are missing, there twice or belong to no input; they are named.
    """
    found: dict[str, dict[int, int]] = {spec.name: {} for spec in specs}
    extra = []
    for position, name in enumerate(names):
        owners = [(spec, index) for spec in specs if (index := _index(name, spec)) is not None]
        # The scalar input `x_0` comes before the first element of `x`.
        owners.sort(key=lambda owner: name not in (owner[0].name, owner[0].keras_name))
        if not owners or owners[0][1] in found[owners[0][0].name]:
            extra.append(name)
        else:
            found[owners[0][0].name][owners[0][1]] = position
    missing = [name for spec in specs for name in _missing(spec, found[spec.name])]
    if extra or missing:
        problems = [f"{listed(missing)} missing"] * bool(missing)
        problems += [f"{listed([repr(name) for name in extra])} that no input takes"] * bool(extra)
        wanted = f"columns {listed([_wanted(spec) for spec in specs])} for {described(specs)}"
        raise UsageError(
            f"{subject}, columns",
            expected=wanted if specs else "no more",
            found=" and ".join(problems),
            remedy="rename or add columns, and leave out what is no input",
        )
    return {name: [by_index[index] for index in sorted(by_index)] for name, by_index in found.items()}


def columns_in_order(width: int, specs: Sequence[TensorSpec], subject: str) -> dict[str, list[int]]:
    """The positions of every input's columns where columns have no names: one input after another.

    Raises:
        UsageError: there are more or fewer columns than the inputs have elements.
    """
    dynamic = [spec for spec in specs if _size(spec) is None]
    rest = width - sum(_size(spec) or 0 for spec in specs)
    fits = len(dynamic) == 1 and rest > 0 and _divides(dynamic[0], rest)
    if not fits and (dynamic or rest != 0):
        raise UsageError(
            f"{subject}, columns",
            expected=f"{_total(specs)} for {described(specs)}",
            found=str(width),
            remedy="give one input after another, row-major, or name the columns in a header",
        )
    result, start = {}, 0
    for spec in specs:
        size = _size(spec)
        end = start + (rest if size is None else size)
        result[spec.name] = list(range(start, end))
        start = end
    return result


def is_column(name: str, specs: Sequence[TensorSpec]) -> bool:
    """Whether a name is that of an input's column."""
    return any(_index(name, spec) is not None for spec in specs)


def row_shape(spec: TensorSpec, count: int) -> tuple[int, ...]:
    """The shape of one row that `count` columns hold: a dynamic dimension takes what the others leave."""
    fixed = math.prod(size for size in spec.shape[1:] if size is not None)
    return tuple(count // max(fixed, 1) if size is None else size for size in spec.shape[1:])


def check_shapes(specs: Sequence[TensorSpec], subject: str) -> None:
    """Refuse inputs whose shape a number of columns does not determine.

    Raises:
        UsageError: an input has several dynamic dimensions beside the batch.
    """
    for spec in specs:
        if spec.shape[1:].count(None) > 1:
            raise UsageError(
                subject,
                expected="inputs with at most one dynamic dimension beside the batch",
                found=described([spec]),
                remedy="give it in an .npz file or as JSON, which hold shapes",
            )


def _size(spec: TensorSpec) -> int | None:
    """Elements a row, or `None` where a dimension is dynamic."""
    return None if None in spec.shape[1:] else math.prod(size or 0 for size in spec.shape[1:])


def _divides(spec: TensorSpec, count: int) -> bool:
    return math.prod(row_shape(spec, count)) == count > 0


def _index(name: str, spec: TensorSpec) -> int | None:
    """Which element of an input a column holds, or `None` where it is another's."""
    size, own = _size(spec), (spec.name, spec.keras_name)
    if name in own:
        return 0 if size in (1, None) else None
    match = INDEX.fullmatch(name)
    if match is None or match[1] not in own or size == 1:
        return None
    return int(match[2]) if size is None or int(match[2]) < size else None


def _missing(spec: TensorSpec, found: dict[int, int]) -> list[str]:
    """Names of the columns that an input still needs."""
    size = _size(spec)
    if size == 1:
        return [] if found else [spec.name]
    needed = max(found, default=0) + 1 if size is None else size
    missing = [f"{spec.name}_{index}" for index in range(needed) if index not in found]
    if not missing and not _divides(spec, needed):
        return [f"{spec.name}_{needed}"]
    return missing


def _wanted(spec: TensorSpec) -> str:
    size = _size(spec)
    if size == 1:
        return spec.name
    return f"{spec.name}_0 ..." if size is None else f"{spec.name}_0 to {spec.name}_{size - 1}"


def _total(specs: Sequence[TensorSpec]) -> str:
    """How many columns the inputs take together, in words."""
    fixed = sum(_size(spec) or 0 for spec in specs)
    dynamic = sum(_size(spec) is None for spec in specs)
    if dynamic > 1:
        return "a header, since several inputs have a dynamic dimension,"
    return f"more than {fixed}" if dynamic else str(fixed)
