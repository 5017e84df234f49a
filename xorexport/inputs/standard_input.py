"""Standard input, where JSON and CSV are told apart by how they begin."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from xorexport.inputs import csv, json
from xorexport.inputs.base import Inputs
from xorexport.inputs.text import decode
from xorexport.spec import TensorSpec

SUBJECT = "standard input"


def read_standard_input(specs: Sequence[TensorSpec]) -> Inputs:
    """Read all of standard input: JSON where it begins with `{` or `[`, else CSV.

    Raises:
        UsageError: it is neither, or does not fit the inputs.
    """
    text = decode(sys.stdin.buffer.read() if sys.stdin else b"", SUBJECT)
    parse = json.parse if text.lstrip()[:1] in ("{", "[") else csv.parse
    return parse(text, specs, SUBJECT)
