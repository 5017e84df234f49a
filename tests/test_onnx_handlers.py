"""Ops that tf2onnx would write wrongly, on numbers at which that shows, and what it writes without them."""

import keras
import numpy as np
import pytest
from keras import ops

from xorexport.exporters import onnx_conversion
from xorexport.exporters.onnx_handlers import HANDLERS
from xorexport.pipeline import ExportRequest, export
from xorexport.results import Outcome
from xorexport.spec import Tolerance

FLOATS = np.float32([0.9, -0.9, 0.3, 0.7, -0.6, 0.0, 1e7, -3e8])
"""0.9 / 0.3 rounds to 3, though 3 times 0.3 is more than 0.9."""
WHOLE = np.int64([7, -7, 6, -6, 0, 2**31 - 1, -(2**31), 5])


def rest_of_floats(x):
    return ops.concatenate([x % divisor for divisor in (0.3, -0.3, 2.0, -7.5)], axis=-1)


def rest_of_integers(dtype):
    """Of both signs by both, exact and not."""
    return lambda x: ops.concatenate([ops.mod(ops.cast(x, dtype), d) for d in (3, -3, 1000, -(2**31) + 1)], axis=-1)


def chosen(x):
    """The side that is not chosen is infinite, or no number."""
    return ops.where(x > 0.0, ops.log(ops.abs(x)), ops.where(x > -9.0, x, ops.sqrt(x)))


CASES = {
    "float-rest": (FLOATS, rest_of_floats, "FloorMod"),
    "int32-rest": (WHOLE, rest_of_integers("int32"), "FloorMod"),
    "int64-rest": (WHOLE, rest_of_integers("int64"), "FloorMod"),
    "choice": (np.float32([0.0, 0.5, -0.5, 2.0]), chosen, "SelectV2"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_engine_computes_what_keras_does_and_without_the_handler_none_does(case, tmp_path, monkeypatch):
    values, function, op_type = CASES[case]
    x = keras.Input((len(values),), dtype=values.dtype.name, name="x")
    rows = np.stack([np.roll(values, shift) for shift in range(5)])
    request = ExportRequest(
        model=keras.Model(x, function(x)),
        formats=("onnx",),
        samples={"x": rows},
        tolerance=Tolerance(rtol=1e-5, atol=1e-5),
    )
    report = export(request, tmp_path / "right")
    assert {row.outcome for row in report.parity} == {Outcome.PASS}
    assert {row.engine for row in report.parity} == {"onnxruntime", "onnxruntime-plain", "onnx-reference"}
    monkeypatch.setattr(onnx_conversion, "HANDLERS", {name: made for name, made in HANDLERS.items() if name != op_type})
    report = export(request, tmp_path / "wrong")
    assert {row.outcome for row in report.parity} == {Outcome.FAIL}
