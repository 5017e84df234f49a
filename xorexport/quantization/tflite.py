"""TFLite: ai-edge-quantizer, on the float32 file that the exporter wrote. It needs no TensorFlow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import qtyping, recipe
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.calibrator import Calibrator
from ai_edge_quantizer.quantizer import Quantizer
from ai_edge_quantizer.recipe_manager import RecipeManager
from ai_edge_quantizer.utils.qsv_utils import min_max_update

from xorexport.errors import ExportError, XorexportError
from xorexport.quantization import STATIC, Sample, Share, check_precision, failed, required_samples
from xorexport.quiet import quiet
from xorexport.readers.tflite import DTYPES
from xorexport.spec import SIGNATURE_KEY, Precision

PRECISIONS = (Precision.FLOAT16, Precision.INT8_DYNAMIC, Precision.INT8, Precision.INT16X8)
DEQUANTIZED = b"_dequant"
"""What ai-edge-quantizer appends to the name of an output that it turns back into floats."""
INTEGERS = {Precision.INT8: schema.TensorType.INT8, Precision.INT16X8: schema.TensorType.INT16}
"""The type of quantised ends."""


def quantize(
    float_model: bytes, precision: str, calibration: Iterable[Sample] | None, integer_ends: bool = False
) -> bytes:
    """Quantise a file that the exporter wrote.

    - `float16`: the weights of dense, convolution and embedding ops are halves, turned into floats when the
      model runs.
    - `int8-dynamic`: the weights of these ops and of matrix products are int8, a scale a channel; the
      interpreter quantises each run's activations. However small a weight is: the older converter left alone
      those of fewer than 1,024 numbers.
    - `int8`, `int16x8`: weights in int8, activations in int8 or int16, biases in int32 or int64. The range of an
      activation is the smallest and largest value in all samples, not a moving average, which depends on the
      samples' order. Ops that have no such kernel stay in float, between conversions.

    Names, their order, the signature and dynamic dimensions stay as they are.

    Args:
        calibration: batches by canonical input name; read once, and by `int8` and `int16x8` alone.
        integer_ends: whether float inputs and outputs become integers as well, where all activations are
            (`interface_quantization` says what they mean); floats otherwise.

    Raises:
        ExportError: there are no samples where they are needed, the model has loops, or the quantiser fails.
    """
    subject = f"tflite {precision} quantization"
    chosen = check_precision(subject, precision, PRECISIONS)
    samples = required_samples(subject, chosen, calibration)
    try:
        original = flatbuffer_utils.read_model_from_bytearray(float_model)
        if chosen in STATIC:
            _refuse_loops(subject, original)
        with _silence():
            result = _run(float_model, _recipe(chosen, integer_ends), samples)
        # Large weights come back behind the flatbuffer (`Buffer.offset`), in a newer layout than the float file's.
        quantized = flatbuffer_utils.read_model_from_bytearray(result)
        _restore_interface(subject, quantized, original, INTEGERS.get(chosen) if integer_ends else None)
    except XorexportError:
        raise
    except Exception as error:
        raise failed(subject, error) from error
    return bytes(flatbuffer_utils.convert_object_to_bytearray(quantized))


def interface_quantization(model: bytes) -> dict[str, tuple[float, int]]:
    """Scale and zero point of every input and output that is a quantised integer, by name.

    `number = scale * (integer - zero_point)`.
    """
    graph = flatbuffer_utils.read_model_from_bytearray(model).subgraphs[0]
    ends = [graph.tensors[index] for index in (*graph.inputs, *graph.outputs)]
    return {
        tensor.name.decode(): (float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]))
        for tensor in ends
        if _is_quantized(tensor)
    }


def quantized_share(before: bytes, after: bytes) -> Share:
    """How much of the float file `before` is quantised in the file `after`."""
    floats = [tensor for tensor in _constants(before) if tensor.type == schema.TensorType.FLOAT32]
    converted = [
        tensor for tensor in _constants(after) if tensor.type == schema.TensorType.FLOAT16 or _is_quantized(tensor)
    ]
    return Share(
        tensors=len(floats),
        values=sum(map(_size, floats)),
        converted_tensors=len(converted),
        converted_values=sum(map(_size, converted)),
        size_before=len(before),
        size_after=len(after),
    )


def _run(float_model: bytes, rules: Any, samples: list[dict[str, np.ndarray]]) -> bytes:
    ranges = _ranges(float_model, rules, samples) if samples else None
    quantizer = Quantizer(float_model, rules)
    result = quantizer.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


@contextmanager
def _silence() -> Iterator[None]:
    """Drop the calibrator's progress bar, wherever Python's standard error leads, and the interpreter's warning.

    It warns of the memory that it takes to keep every activation, which is what calibrating is.
    """
    with quiet(), redirect_stderr(io.StringIO()), warnings.catch_warnings(action="ignore"):
        yield


def _recipe(precision: Precision, integer_ends: bool) -> Any:
    manager = RecipeManager()
    if precision is Precision.INT8_DYNAMIC:
        return recipe.dynamic_wi8_afp32()
    if precision is Precision.FLOAT16:
        half = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=half, compute_precision=qtyping.ComputePrecision.FLOAT, explicit_dequantize=True
        )
        everything = qtyping.TFLOperationName.ALL_SUPPORTED
        manager.add_quantization_config(".*", everything, config, AlgorithmName.FLOAT_CASTING)
        return manager.get_quantization_recipe()
    manager.load_quantization_recipe(
        recipe.static_wi8_ai8() if precision is Precision.INT8 else recipe.static_wi8_ai16()
    )
    if not integer_ends:
        for end in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
            manager.add_quantization_config(".*", end, None, AlgorithmName.NO_QUANTIZE)
    return manager.get_quantization_recipe()


def _ranges(float_model: bytes, rules: Any, samples: list[dict[str, np.ndarray]]) -> Any:
    """Run the samples, each in the batch that it comes in, and keep the range of every activation.

    On one thread, so that the floats are added up in one order and the file's bytes come out equal.
    """
    manager = RecipeManager()
    manager.load_quantization_recipe(rules)
    calibrator = Calibrator(float_model, num_threads=1, qsv_update_func=min_max_update)
    calibrator.calibrate({SIGNATURE_KEY: samples}, manager)
    return calibrator.get_model_qsvs()


def _refuse_loops(subject: str, model: Any) -> None:
    """The calibrator cannot see into a loop's body, and guessing its ranges gives files that do not load.

    Raises:
        ExportError: the model has subgraphs.
    """
    if len(model.subgraphs) > 1:
        raise ExportError(
            subject,
            expected="a model without loops and branches, inside which no activation can be measured",
            found=f"{len(model.subgraphs) - 1} subgraphs",
            remedy="choose int8-dynamic or float16, or build recurrent layers with unroll=True",
        )


def _restore_interface(subject: str, quantized: Any, original: Any, end_type: int | None) -> None:
    """Give the ends their names and dynamic dimensions back.

    An output that is turned back into floats is a new tensor, with a name of its own and a fixed batch.

    Raises:
        ExportError: an end is not in its place, or the signature leads elsewhere.
    """
    new, old = quantized.subgraphs[0], original.subgraphs[0]
    moved = {}
    for positions, were in ((new.inputs, old.inputs), (new.outputs, old.outputs)):
        if len(positions) != len(were):
            raise _misplaced(subject, f"{len(were)} inputs or outputs", str(len(positions)))
        for index, was in zip(positions, were, strict=True):
            tensor, origin = new.tensors[index], old.tensors[was]
            _check_end(subject, tensor, origin, end_type)
            if tensor.name != origin.name:
                for inner in new.tensors:
                    if inner.name == origin.name:
                        inner.name = origin.name + b"_quantized"
            tensor.name, tensor.shape, tensor.shapeSignature = origin.name, origin.shape, origin.shapeSignature
            moved[was] = index
    expected = [
        {entry.name: moved[entry.tensorIndex] for entry in (*signature.inputs, *signature.outputs)}
        for signature in original.signatureDefs
    ]
    found = [
        {entry.name: entry.tensorIndex for entry in (*signature.inputs, *signature.outputs)}
        for signature in quantized.signatureDefs
    ]
    if found != expected:
        raise _misplaced(subject, f"a signature that leads to tensors {expected}", str(found))


def _check_end(subject: str, tensor: Any, origin: Any, end_type: int | None) -> None:
    if tensor.name.removesuffix(DEQUANTIZED) != origin.name.removesuffix(DEQUANTIZED):
        raise _misplaced(subject, f"'{origin.name.decode()}'", f"'{tensor.name.decode()}'")
    floating = origin.type == schema.TensorType.FLOAT32
    expected = end_type if floating and end_type is not None else origin.type
    if tensor.type != expected:
        raise _misplaced(subject, f"'{origin.name.decode()}' in {DTYPES.get(expected)}", f"{DTYPES.get(tensor.type)}")


def _misplaced(subject: str, expected: str, found: str) -> ExportError:
    return ExportError(
        subject,
        expected=f"{expected}, as in the float file",
        found=found,
        remedy="leave this precision out: consumers would address the wrong tensor",
    )


def _constants(raw: bytes) -> list[Any]:
    model = flatbuffer_utils.read_model_from_bytearray(raw)
    return [
        tensor
        for graph in model.subgraphs
        for tensor in graph.tensors
        if model.buffers[tensor.buffer].data is not None and len(model.buffers[tensor.buffer].data)
    ]


def _is_quantized(tensor: Any) -> bool:
    return (
        tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale) > 0
    )


def _size(tensor: Any) -> int:
    return int(np.prod(tensor.shape, dtype=np.int64))
