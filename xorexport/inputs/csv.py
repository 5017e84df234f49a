"""CSV: one row a line, with or without a header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from xorexport.dtypes import STRING, numpy_dtype
from xorexport.errors import UsageError
from xorexport.inputs.base import Inputs
from xorexport.inputs.tables import check_shapes, columns_by_name, columns_in_order, is_column, row_shape
from xorexport.inputs.text import read_text
from xorexport.inputs.values import assemble, kind_of, parsed
from xorexport.spec import TensorSpec

Line = tuple[int, list[str]]
"""The number of a line in the file, and its cells."""


def read(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read a CSV file: see `parse`."""
    return parse(read_text(path), specs, str(path))


def parse(text: str, specs: Sequence[TensorSpec], subject: str) -> Inputs:
    """Read rows from CSV, separated by commas; empty lines do not count.

    A first line without any number is the header: see `tables`. Without one the columns are the inputs one after
    another, row-major.

    Raises:
        UsageError: it is no CSV, columns do not fit the inputs, or a cell is no number; line and column are named.
    """
    check_shapes(specs, subject)
    lines = list(_lines(text, subject))
    if not lines:
        raise UsageError(subject, expected="at least one row", found="none", remedy="give one row a line")
    _check_separator(*lines[0], subject)
    header = [cell.strip() for cell in lines[0][1]] if _is_header(lines[0][1], specs) else None
    rows = lines[1:] if header else lines
    if not rows:
        raise UsageError(subject, expected="rows below the header", found="none", remedy="give one row a line")
    width = len(lines[0][1])
    columns = columns_by_name(header, specs, subject) if header else columns_in_order(width, specs, subject)
    _check_widths(rows, width, subject)
    arrays = {spec.name: _array(rows, columns[spec.name], spec, subject, header) for spec in specs}
    return Inputs(assemble(arrays, specs, subject))


def _lines(text: str, subject: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise UsageError(
            f"{subject}, line {reader.line_num}",
            expected="CSV, separated by commas",
            found=str(error),
            remedy="correct the line",
        ) from error


def _check_separator(line: int, cells: Sequence[str], subject: str) -> None:
    """Refuse what spreadsheets write where the comma is the decimal point."""
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
        raise UsageError(
            f"{subject}, line {line}",
            expected="CSV, separated by commas",
            found=f"{cells[0]!r:.40}",
            remedy="save it with commas between the columns, and points in the numbers",
        )


def _is_header(cells: Sequence[str], specs: Sequence[TensorSpec]) -> bool:
    """Whether no cell is a number; a line in which some are is a row with a mistake in it.

    Where inputs are strings, one of the cells has to be a column's name as well.
    """
    names = all(spec.dtype != STRING for spec in specs) or any(is_column(cell.strip(), specs) for cell in cells)
    return names and not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_widths(rows: Sequence[Line], width: int, subject: str) -> None:
    for line, cells in rows:
        if len(cells) != width:
            raise UsageError(
                f"{subject}, line {line}",
                expected=f"{width} columns, as in the first line",
                found=str(len(cells)),
                remedy="give every row the same columns, separated by commas",
            )


def _array(
    rows: Sequence[Line], columns: Sequence[int], spec: TensorSpec, subject: str, header: Sequence[str] | None
) -> np.ndarray:
    """The rows of one input, of shape (rows, ...); floats in float64."""
    own = numpy_dtype(spec.dtype)
    dtype = np.dtype(np.float64) if own.kind == "f" else own
    array = np.empty((len(rows), len(columns)), dtype)
    for row, (line, cells) in enumerate(rows):
        for place, column in enumerate(columns):
            try:
                array[row, place] = parsed(cells[column], spec.dtype)
            except ValueError as error:
                named = f" '{header[column]}'" if header else ""
                raise UsageError(
                    f"{subject}, line {line}, column {column + 1}{named}",
                    expected=kind_of(spec.dtype),
                    found=f"'{cells[column]}'",
                    remedy="write them as 0 or 1.5, separated by commas",
                ) from error
    return array.reshape(len(rows), *row_shape(spec, len(columns)))
