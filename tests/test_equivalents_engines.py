"""Every op that a format's exporter replaces, through the real converters and engines, and what they do without it."""

import functools

import equivalent_ops
import keras
import pytest
import test_equivalents_axes
import test_equivalents_elementwise
import test_equivalents_images
import test_equivalents_integers
import test_equivalents_resizing
import test_equivalents_spectra
import test_equivalents_tables
import test_equivalents_volumes
from equivalent_models import MODELS, model_of
from keras import ops

from xorexport.errors import ExportError
from xorexport.exporters import onnx, onnx_ops, tflite, tflite_ops
from xorexport.exporters.base import ExportOptions
from xorexport.pipeline import ExportRequest, export
from xorexport.registry import ENGINES, FORMATS, load
from xorexport.results import Outcome
from xorexport.spec import Tolerance
from xorexport.tracing.equivalents import EQUIVALENTS
from xorexport.tracing.trace import trace

TABLES = {"tflite": tuple(tflite_ops.SUBSTITUTES), "onnx": tuple(onnx_ops.SUBSTITUTES)}
"""By format: the op types that its exporter replaces."""
MODULES = (
    test_equivalents_axes,
    test_equivalents_elementwise,
    test_equivalents_images,
    test_equivalents_integers,
    test_equivalents_resizing,
    test_equivalents_spectra,
    test_equivalents_tables,
    test_equivalents_volumes,
)
WHERE_NEEDED = {"onnx": ("ResizeBilinear",), "tflite": ("RFFT",)}
"""Replaced for some sizes alone: see test_onnx_sizes.py and test_equivalents_spectra.py."""
INACCURATE = ("Expm1", "Log1p")
"""The converter has them, but loses digits near 0."""


@functools.cache
def traced_of(op_type):
    """The trace of the model that has the op in it."""
    return trace(model_of(op_type))


def test_every_equivalent_is_compared_with_tensorflow():
    cases = [getattr(module, name, {}) for module in MODULES for name in ("CASES", "TRANSPOSED")]
    covered = {op_type: of_op for group in cases for op_type, of_op in group.items()}
    assert set(covered) == set(EQUIVALENTS)
    assert all(isinstance(case, equivalent_ops.Case) for of_op in covered.values() for case in of_op)
    assert all(covered.values())


def test_every_op_that_a_format_replaces_has_an_equivalent_and_a_model_with_it():
    for op_types in TABLES.values():
        assert set(op_types) <= set(EQUIVALENTS)
        assert len(op_types) == len(set(op_types))
    for op_type in EQUIVALENTS:
        assert traced_of(op_type).op_types[op_type] >= 1


def replaced(format_name, module):
    """The op types of a test file that a format's exporter replaces."""
    own = {*module.CASES, *getattr(module, "TRANSPOSED", ())}
    return [op_type for op_type in TABLES[format_name] if op_type in own]


@pytest.mark.parametrize(
    ("format_name", "op_types"),
    [
        pytest.param(format_name, replaced(format_name, module), id=f"{format_name}-{module.__name__[17:]}")
        for format_name in TABLES
        for module in MODULES
        if replaced(format_name, module)
    ],
)
def test_engines_predict_what_keras_does(format_name, op_types, tmp_path):
    # A tolerance that no output's scale loosens.
    request = ExportRequest(
        model=model_of(*op_types), formats=(format_name,), tolerance=Tolerance(rtol=1e-5, atol=1e-5)
    )
    report = export(request, tmp_path / "bundle")
    assert not [row.reason for row in report.parity if row.outcome is not Outcome.PASS]
    engines = {name for name, engine in ENGINES.items() if engine.format == format_name}
    assert {row.engine for row in report.parity} == engines
    # Single rows and batches of two sizes: nothing is fixed.
    assert len(report.parity) == 3 * len(engines)
    assert report.notes == {}


@pytest.mark.parametrize(
    ("format_name", "op_type"),
    [
        (format_name, op_type)
        for format_name, op_types in TABLES.items()
        for op_type in op_types
        if op_type not in (*WHERE_NEEDED[format_name], *INACCURATE)
    ],
)
def test_without_its_equivalent_an_op_is_refused_or_wrong(format_name, op_type, tmp_path, monkeypatch):
    for exporter, table in ((tflite, tflite_ops.SUBSTITUTES), (onnx, onnx_ops.SUBSTITUTES)):
        others = {other: made for other, made in table.items() if other != op_type}
        monkeypatch.setattr(exporter, "SUBSTITUTES", others)
    traced = traced_of(op_type)
    if not writable(traced, format_name, tmp_path):
        return
    report = export(ExportRequest(model=traced.model, formats=(format_name,)), tmp_path / "bundle")
    wrong = {row.outcome for row in report.parity} & {Outcome.FAIL, Outcome.ERROR}
    assert wrong or report.notes, f"{format_name} has {op_type} itself"


@pytest.mark.parametrize("op_type", INACCURATE)
def test_small_numbers_keep_their_digits(op_type, tmp_path, monkeypatch):
    x = keras.Input((6,), name="x")
    small = {"Expm1": ops.expm1, "Log1p": ops.log1p}[op_type](1e-5 * x)
    request = ExportRequest(
        model=keras.Model(x, 1e5 * small), formats=("tflite",), tolerance=Tolerance(rtol=1e-5, atol=1e-5)
    )
    assert export(request, tmp_path / "right").exit_code == 0
    monkeypatch.setattr(tflite, "SUBSTITUTES", {})
    assert export(request, tmp_path / "wrong").exit_code == 1


def writable(traced, format_name, folder):
    """Whether the format's first plan, which fixes nothing, can be written at all."""
    exporter = load(FORMATS[format_name].exporter, format_name)
    plan = next(exporter.plans(traced))
    try:
        exporter.export(traced.retraced(plan), ExportOptions(), "model", folder, format_name)
    except ExportError:
        return False
    return True


def test_every_model_is_of_an_equivalent():
    assert set(MODELS) == set(EQUIVALENTS)
