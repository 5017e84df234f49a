"""Parquet: a column for every element as in CSV, or a column of lists for an input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
from pyarrow import parquet

from xorexport.errors import UsageError
from xorexport.inputs.base import Inputs, listed, unreadable
from xorexport.inputs.tables import check_shapes, columns_by_name, row_shape
from xorexport.inputs.values import assemble
from xorexport.spec import TensorSpec


def read(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read rows from columns of numbers by name, or from columns of (nested) lists.

    Raises:
        UsageError: it is no Parquet file, columns do not fit the inputs, or a value is missing.
    """
    try:
        table = parquet.ParquetFile(path).read()
    except (arrow.ArrowException, OSError) as error:
        raise unreadable(path, "a Parquet file", " ".join(str(error).split())[:200]) from error
    _check_complete(table, path)
    lists = {name for name, column in zip(table.column_names, table.columns, strict=True) if _is_list(column.type)}
    whole = {spec.name: name for spec in specs for name in (spec.keras_name, spec.name) if name in lists}
    flat = [spec for spec in specs if spec.name not in whole]
    names = [name for name in table.column_names if name not in whole.values()]
    check_shapes(flat, str(path))
    columns = columns_by_name(names, flat, str(path))
    arrays: dict[str, Any] = {name: table.column(given).to_pylist() for name, given in whole.items()}
    for spec in flat:
        parts = [table.column(names[position]).to_numpy() for position in columns[spec.name]]
        arrays[spec.name] = np.stack(parts, axis=1).reshape(len(table), *row_shape(spec, len(parts)))
    for spec in specs:
        if spec.name in whole:
            arrays[spec.name] = _unflattened(arrays[spec.name], spec)
    return Inputs(assemble(arrays, specs, str(path)))


def _check_complete(table: Any, path: Path) -> None:
    """Refuse columns of one name, and values that are missing, which NumPy would make NaN of."""
    if len(set(table.column_names)) != table.num_columns:
        raise unreadable(path, "columns of different names", listed(table.column_names))
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            raise UsageError(
                f"{path}, column '{name}'",
                expected="a value in every row",
                found=f"{column.null_count} that are missing",
                remedy="fill them, or leave their rows out",
            )


def _is_list(kind: Any) -> bool:
    return any(test(kind) for test in (arrow.types.is_list, arrow.types.is_large_list, arrow.types.is_fixed_size_list))


def _unflattened(rows: list[Any], spec: TensorSpec) -> Any:
    """Rows in the input's own shape, where each is one flat list of all its elements."""
    try:
        array = np.asarray(rows)
    except ValueError:
        return rows  # fitting it says what is wrong
    flat = array.ndim == 2 and len(spec.shape) != 2 and None not in spec.shape[1:]
    return array.reshape(len(rows), *row_shape(spec, 0)) if flat and array.shape[1] == spec.row_size() else array
