"""ONNX: onnxruntime's quantiser and its converter to half precision, on the model that the exporter wrote."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.quant_utils import TENSOR_NAME_QUANT_SUFFIX
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from xorexport.errors import ExportError, XorexportError
from xorexport.onnx_order import bodies, put_in_order
from xorexport.quantization import Sample, Share, check_precision, failed, required_samples
from xorexport.quiet import quiet
from xorexport.spec import Precision

RUNTIME_DOMAIN = "com.microsoft"
"""Of the ops that ONNX Runtime has beside ONNX' own."""
PRECISIONS = (Precision.FLOAT16, Precision.INT8, Precision.INT8_DYNAMIC)


def quantize(float_model: onnx.ModelProto, precision: str, calibration: Iterable[Sample] | None) -> onnx.ModelProto:
    """Quantise a model that the exporter wrote; it is left as it is.

    - `float16`: weights and arithmetic in half precision, as far as the engine has such kernels. Inputs and
      outputs stay float32, with a Cast behind each, so that a consumer can change the file and nothing else.
      Weights beyond 65504 become 65504.
    - `int8`: weights and activations in int8, between QuantizeLinear and DequantizeLinear nodes; a scale a
      channel for weights. The range of an activation is the smallest and largest value in all samples.
    - `int8-dynamic`: weights in int8; activations become uint8 in each run. Recurrent layers become an op of
      ONNX Runtime's own, which other engines lack.

    Names, their order, dtypes, the batch symbol, opset and metadata stay as they are.

    Args:
        calibration: batches by canonical input name; read once, and by `int8` alone.

    Raises:
        ExportError: there are no samples where they are needed, or the quantiser fails.
    """
    subject = f"onnx {precision} quantization of '{float_model.graph.name}'"
    chosen = check_precision(subject, precision, PRECISIONS)
    samples = required_samples(subject, chosen, calibration)
    result: onnx.ModelProto
    try:
        with quiet():
            if chosen is Precision.FLOAT16:
                result = convert_float_to_float16(float_model, keep_io_types=True)  # a copy
            elif chosen is Precision.INT8:
                result = _through_files(float_model, lambda source, target: _static(source, target, samples))
            else:
                result = _through_files(float_model, _dynamic)
        _tidy(result, float_model)
        onnx.checker.check_model(result, full_check=True)
    except XorexportError:
        raise
    except Exception as error:
        raise failed(subject, error) from error
    _check_interface(subject, result, float_model)
    return result


def quantized_share(before: bytes, after: bytes) -> Share:
    """How much of the float file `before` is quantised in the file `after`.

    Quantised constants are told by the quantiser's suffix: their scales and zero points are constants as well.
    """
    floats = [tensor for tensor in _initializers(before) if tensor.data_type == onnx.TensorProto.FLOAT]
    converted = [
        tensor
        for tensor in _initializers(after)
        if tensor.data_type == onnx.TensorProto.FLOAT16 or tensor.name.endswith(TENSOR_NAME_QUANT_SUFFIX)
    ]
    return Share(
        tensors=len(floats),
        values=sum(map(_size, floats)),
        converted_tensors=len(converted),
        converted_values=sum(map(_size, converted)),
        size_before=len(before),
        size_after=len(after),
    )


def engine_remark(model: onnx.ModelProto) -> str:
    """Which engine alone runs a model with ops of its own, or empty where all ops are ONNX'."""
    own = sorted({node.op_type for part in _graphs(model.graph) for node in part.node if node.domain == RUNTIME_DOMAIN})
    return f"runs in ONNX Runtime alone, which has the op{'s' if len(own) > 1 else ''} {', '.join(own)}" if own else ""


class SampleReader:
    """What onnxruntime reads samples from: `get_next` until there is none."""

    def __init__(self, samples: Iterable[dict[str, np.ndarray]]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch by input name, or `None`."""
        return next(self._samples, None)


def _through_files(float_model: onnx.ModelProto, convert: Callable[[Path, Path], None]) -> onnx.ModelProto:
    """Fuse and fold what ONNX Runtime would before it quantises, then convert; both work on files.

    Symbolic shape inference is left out: it needs sympy, and onnx's own finds the types that matter here.
    """
    with tempfile.TemporaryDirectory(prefix="xorexport-") as folder:
        source, prepared, target = (Path(folder) / f"{name}.onnx" for name in ("float", "prepared", "quantized"))
        onnx.save(float_model, source)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        convert(prepared, target)
        return onnx.load(target)


def _static(source: Path, target: Path, samples: list[dict[str, np.ndarray]]) -> None:
    quantize_static(
        source,
        target,
        SampleReader(samples),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        # Entropy, with as many bins as it has by default, finds the same ranges.
        calibrate_method=CalibrationMethod.MinMax,
    )


def _dynamic(source: Path, target: Path) -> None:
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)


def _tidy(model: onnx.ModelProto, float_model: onnx.ModelProto) -> None:
    """Put nodes in order and drop what says how the file was made."""
    graph = model.graph
    graph.name, graph.doc_string, model.doc_string = float_model.graph.name, "", ""
    del model.metadata_props[:]
    model.metadata_props.extend(float_model.metadata_props)
    # onnxruntime appends the casts that it adds, and loads such files all the same; ONNX does not allow them.
    put_in_order(graph)
    for part in _graphs(graph):
        del part.value_info[:]
    used = {node.domain for part in _graphs(graph) for node in part.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in used]:
        model.opset_import.remove(entry)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and the bodies in it, at any depth."""
    yield graph
    for node in graph.node:
        for part in bodies(node):
            yield from _graphs(part)


def _check_interface(subject: str, model: onnx.ModelProto, float_model: onnx.ModelProto) -> None:
    """Refuse a model whose inputs or outputs are not byte for byte those of the float model."""
    for found, expected in (
        (model.graph.input, float_model.graph.input),
        (model.graph.output, float_model.graph.output),
    ):
        if [value.SerializeToString(deterministic=True) for value in found] != [
            value.SerializeToString(deterministic=True) for value in expected
        ]:
            raise ExportError(
                subject,
                expected=f"{_names(expected)}, as in the float file",
                found=f"{_names(found)}, or others of these names",
                remedy="leave this precision out: consumers would address the wrong tensor",
            )


def _names(values: Any) -> str:
    return ", ".join(value.name for value in values)


def _initializers(raw: bytes) -> list[onnx.TensorProto]:
    model = onnx.ModelProto.FromString(raw)
    return [tensor for graph in _graphs(model.graph) for tensor in graph.initializer]


def _size(tensor: onnx.TensorProto) -> int:
    return int(np.prod(tensor.dims, dtype=np.int64))
