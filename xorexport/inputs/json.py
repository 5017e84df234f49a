"""JSON: nested lists by the inputs' names, or the rows of the only input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xorexport.dtypes import numpy_dtype
from xorexport.errors import UsageError
from xorexport.inputs.arrays import check_single
from xorexport.inputs.base import Inputs, by_name
from xorexport.inputs.text import read_text
from xorexport.inputs.values import assemble
from xorexport.spec import TensorSpec

WRAPPER = "inputs"


def read(path: Path, specs: Sequence[TensorSpec]) -> Inputs:
    """Read a JSON file: see `parse`."""
    return parse(read_text(path), specs, str(path))


def parse(text: str, specs: Sequence[TensorSpec], subject: str) -> Inputs:
    """Read `{"name": rows}`, `{"inputs": {"name": rows}}`, or the rows of the only input as a list.

    Raises:
        UsageError: it is no JSON, a name is missing or unknown, or what it holds does not fit its input.
    """
    content = _decode(text, subject)
    if isinstance(content, dict) and list(content) == [WRAPPER] and isinstance(content[WRAPPER], dict):
        content = content[WRAPPER]
    if isinstance(content, list):
        check_single(subject, specs)
        content = {specs[0].name: content}
    if not isinstance(content, dict):
        raise UsageError(
            subject,
            expected="JSON that is an object of inputs by name, or a list of rows",
            found=f"{content!r:.40}",
            remedy='write {"name": [[0, 1]]}',
        )
    names = by_name(content, specs, subject)
    arrays = {spec.name: _numbers(content[names[spec.name]], spec) for spec in specs}
    return Inputs(assemble(arrays, specs, subject))


def _numbers(value: Any, spec: TensorSpec) -> Any:
    """The value for an input; JSON writes 2 and 2.0 for the same number, so both may be rounded to a float."""
    try:
        array = np.asarray(value)
    except ValueError:
        return value  # fitting it says what is wrong
    floats = numpy_dtype(spec.dtype).kind == "f" and array.dtype.kind in "iu"
    return array.astype(np.float64) if floats else array


def _decode(text: str, subject: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        found = "lists that are nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UsageError(subject, expected="JSON", found=found, remedy="correct it there") from error
