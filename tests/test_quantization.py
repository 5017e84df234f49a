"""Quantised files: real ones, made from real exports, opened by hand and run on real engines."""

import hashlib
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.tools import flatbuffer_utils
from onnx.reference import ReferenceEvaluator
from support import ROOT, python, sample_model

from xorexport.errors import ExportError
from xorexport.quantization import onnx as onnx_quantizer
from xorexport.quantization import tflite as tflite_quantizer
from xorexport.quantization.budget import measure
from xorexport.spec import Precision

MODELS = ("xor", "convnet", "two_by_two", "embedding", "attention")
TFLITE = [(precision, False) for precision in tflite_quantizer.PRECISIONS]
TFLITE += [(precision, True) for precision in (Precision.INT8, Precision.INT16X8)]
DECIBELS = {Precision.FLOAT16: 55, Precision.INT16X8: 40, Precision.INT8_DYNAMIC: 35, Precision.INT8: 25}
"""What each precision reaches on every model here, on samples within the range of the calibration."""
FORMATS = {"tflite": tflite_quantizer, "onnx": onnx_quantizer}


@dataclass(frozen=True)
class Float:
    """The float32 files of a model, and inputs for it."""

    tflite: bytes
    onnx: onnx.ModelProto

    def inputs(self, rows, seed):
        """A batch by name: bounded values, so that the calibration's range holds for all others."""
        generator, batch = np.random.default_rng(seed), {}
        for value in self.onnx.graph.input:
            kind = value.type.tensor_type
            shape = (rows, *(dim.dim_value for dim in kind.shape.dim[1:]))
            if kind.elem_type == onnx.TensorProto.INT32:
                batch[value.name] = generator.integers(0, 11, shape, dtype=np.int32)
            else:
                high = 255 if value.name == "image" else 1
                batch[value.name] = generator.uniform(0, high, shape).astype(np.float32)
        return batch

    def calibration(self):
        """Enough rows to see the range of every activation."""
        return (self.inputs(25, seed) for seed in range(12))


@pytest.fixture(scope="session")
def floats(bundles):
    """The float32 files by the model's name; the default network's are those of the repository."""

    def of(name):
        folder = ROOT / "artifacts" if name == "xor" else bundles(name)
        return Float((folder / f"{name}.tflite").read_bytes(), onnx.load(folder / f"{name}.onnx"))

    return of


@pytest.fixture(scope="session")
def quantized(floats):
    """Quantises a model once a run."""
    made = {}

    def of(name, format_name, precision, *ends):
        key = (name, format_name, precision, *ends)
        if key not in made:
            source = floats(name)
            made[key] = FORMATS[format_name].quantize(
                getattr(source, format_name), precision, source.calibration(), *ends
            )
        return made[key]

    return of


def run_tflite(model, inputs, xnnpack=False):
    """Runs by position; floats become the integers that integer ends take, and integers floats again."""
    resolver = OpResolverType.BUILTIN if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=resolver)
    meaning = tflite_quantizer.interface_quantization(model)
    details = interpreter.get_input_details()
    for detail in details:
        interpreter.resize_tensor_input(detail["index"], inputs[detail["name"]].shape, strict=False)
    interpreter.allocate_tensors()
    for detail in details:
        array = inputs[detail["name"]]
        if detail["name"] in meaning:
            scale, zero_point = meaning[detail["name"]]
            limits = np.iinfo(detail["dtype"])
            array = np.clip(np.round(array / scale) + zero_point, limits.min, limits.max).astype(detail["dtype"])
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    outputs = {}
    for detail in interpreter.get_output_details():
        array = interpreter.get_tensor(detail["index"])
        if detail["name"] in meaning:
            scale, zero_point = meaning[detail["name"]]
            array = (array.astype(np.float32) - zero_point) * np.float32(scale)
        outputs[detail["name"]] = array
    return outputs


def run_onnxruntime(model, inputs, optimize=True):
    """Runs with or without optimisation."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimize else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


def run_reference(model, inputs):
    """Runs on kernels that are not ONNX Runtime's; those of QuantizeLinear begin with opset 19."""
    evaluator = ReferenceEvaluator(onnx.version_converter.convert_version(model, 19))
    return dict(zip(evaluator.output_names, evaluator.run(None, inputs), strict=True))


def assert_close(actual, expected, precision):
    """Not exact, which a file in float32 would be, but within what the precision can do."""
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert (actual[name].shape, actual[name].dtype) == (array.shape, array.dtype), name
        budget = measure(name, actual[name], array, None)
        assert budget.max_abs is not None, name
        assert budget.max_abs > 0, name
        assert budget.snr_db >= DECIBELS[precision], name


def weights(model):
    """The flatbuffer's constants by type, as NumPy arrays of their bytes' size."""
    found = {}
    unpacked = flatbuffer_utils.read_model_from_bytearray(model)
    for graph in unpacked.subgraphs:
        for tensor in graph.tensors:
            data = unpacked.buffers[tensor.buffer].data
            if data is not None and len(data):
                found.setdefault(tensor.type, []).append((tensor, bytes(data)))
    return found


def interface(model):
    """Names, order and dimensions of a flatbuffer's ends, and where its signature leads by name."""
    unpacked = flatbuffer_utils.read_model_from_bytearray(model)
    graph, (signature,) = unpacked.subgraphs[0], unpacked.signatureDefs
    return [
        signature.signatureKey,
        [
            [(graph.tensors[index].name, list(graph.tensors[index].shapeSignature)) for index in side]
            for side in (graph.inputs, graph.outputs)
        ],
        [
            {entry.name: graph.tensors[entry.tensorIndex].name for entry in side}
            for side in (signature.inputs, signature.outputs)
        ],
    ]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("precision", "integer_ends"), TFLITE)
def test_tflite_runs_close_to_the_float_file_in_every_batch(floats, quantized, name, precision, integer_ends):
    model, source = quantized(name, "tflite", precision, integer_ends), floats(name)
    for rows in (1, 3, 17):
        inputs = source.inputs(rows, seed=1000)
        expected = run_tflite(source.tflite, inputs)
        for xnnpack in (False, True):
            actual = run_tflite(model, inputs, xnnpack)
            if rows == 17:
                assert_close(actual, expected, precision)
            assert [array.shape for array in actual.values()] == [array.shape for array in expected.values()]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("precision", onnx_quantizer.PRECISIONS)
def test_onnx_runs_close_to_the_float_file_in_every_batch(floats, quantized, name, precision):
    model, source = quantized(name, "onnx", precision), floats(name)
    for rows in (1, 3, 17):
        inputs = source.inputs(rows, seed=1000)
        expected = run_onnxruntime(source.onnx, inputs, optimize=False)
        results = [run_onnxruntime(model, inputs), run_onnxruntime(model, inputs, optimize=False)]
        results.append(run_reference(model, inputs))
        for actual in results:
            if rows == 17:
                assert_close(actual, expected, precision)
            assert [array.shape for array in actual.values()] == [array.shape for array in expected.values()]


@pytest.mark.parametrize("name", ["two_by_two", "embedding"])
@pytest.mark.parametrize(("precision", "integer_ends"), TFLITE)
def test_tflite_keeps_names_order_signature_and_dynamic_batch(floats, quantized, name, precision, integer_ends):
    model, source = quantized(name, "tflite", precision, integer_ends), floats(name).tflite
    assert interface(model) == interface(source)
    assert all(shape[0] == -1 for side in interface(model)[1] for _, shape in side)
    unpacked = flatbuffer_utils.read_model_from_bytearray(model)
    names = [tensor.name for tensor in unpacked.subgraphs[0].tensors]
    assert all(names.count(end) == 1 for side in interface(model)[1] for end, _ in side)
    graph = unpacked.subgraphs[0]
    before = flatbuffer_utils.read_model_from_bytearray(source).subgraphs[0]
    for index, was in zip((*graph.inputs, *graph.outputs), (*before.inputs, *before.outputs), strict=True):
        integer = {Precision.INT8: schema.TensorType.INT8, Precision.INT16X8: schema.TensorType.INT16}
        type_before = before.tensors[was].type
        becomes = integer_ends and type_before == schema.TensorType.FLOAT32
        assert graph.tensors[index].type == (integer[precision] if becomes else type_before)


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_tflite_ends_or_a_signature_that_a_quantiser_mixes_up_are_refused(floats, monkeypatch, side):
    source = floats("two_by_two").tflite

    def mixed_up(of):
        model = flatbuffer_utils.read_model_from_bytearray(source)
        getattr(of(model), side).reverse()
        return lambda *_: bytes(flatbuffer_utils.convert_object_to_bytearray(model))

    monkeypatch.setattr(tflite_quantizer, "_run", mixed_up(lambda model: model.subgraphs[0]))
    with pytest.raises(ExportError, match=r"expected '(zebra|west)', as in the float file, found '(ant|east)'"):
        tflite_quantizer.quantize(source, "float16", None)

    def rename(model):
        first, second = getattr(model.signatureDefs[0], side)
        first.name, second.name = second.name, first.name
        return model.signatureDefs[0]

    monkeypatch.setattr(tflite_quantizer, "_run", mixed_up(rename))
    with pytest.raises(ExportError, match="a signature that leads to tensors"):
        tflite_quantizer.quantize(source, "float16", None)


@pytest.mark.parametrize("name", ["two_by_two", "embedding"])
@pytest.mark.parametrize("precision", onnx_quantizer.PRECISIONS)
def test_onnx_keeps_the_interface_the_opset_and_the_metadata(floats, quantized, name, precision):
    model, source = quantized(name, "onnx", precision), floats(name).onnx
    for field in ("input", "output"):
        assert list(getattr(model.graph, field)) == list(getattr(source.graph, field))
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert list(model.opset_import) == list(source.opset_import)
    assert list(model.metadata_props) == list(source.metadata_props)
    assert model.graph.name == source.graph.name


def test_tflite_weights_are_halves_or_integers(floats, quantized):
    source, kinds = floats("convnet").tflite, schema.TensorType
    kernels = {tensor.name: data for tensor, data in weights(source)[kinds.FLOAT32] if len(tensor.shape) > 1}
    assert len(kernels) == 2

    halves = weights(quantized("convnet", "tflite", "float16", False))[kinds.FLOAT16]
    for tensor, data in halves:
        exact = np.frombuffer(kernels[tensor.name], np.float32).astype(np.float16)
        np.testing.assert_array_equal(np.frombuffer(data, np.float16), exact)
    assert len(halves) == 2

    for precision, bias in (("int8-dynamic", kinds.FLOAT32), ("int8", kinds.INT32), ("int16x8", kinds.INT64)):
        found = weights(quantized("convnet", "tflite", precision, False))
        integers = [(tensor, data) for tensor, data in found[kinds.INT8] if tensor.name in kernels]
        assert len(integers) == 2
        for tensor, data in integers:
            exact = np.frombuffer(kernels[tensor.name], np.float32).reshape(tensor.shape)
            scale = np.asarray(tensor.quantization.scale).reshape(-1, *[1] * (exact.ndim - 1))
            assert len(scale) == exact.shape[0], "a scale a channel"
            restored = np.frombuffer(data, np.int8).reshape(tensor.shape) * scale
            assert 0 < np.abs(restored - exact).max() <= 0.501 * scale.max()
        # The two biases, of four channels and three classes.
        assert sorted(int(tensor.shape[0]) for tensor, _ in found[bias] if len(tensor.shape) == 1)[-2:] == [3, 4]


def test_onnx_weights_are_halves_or_integers(floats, quantized):
    source = floats("xor").onnx
    kernels = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in source.graph.initializer}
    for tensor in quantized("xor", "onnx", "float16").graph.initializer:
        assert tensor.data_type == onnx.TensorProto.FLOAT16
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(tensor), kernels[tensor.name].astype(np.float16), tensor.name
        )
    for precision in ("int8", "int8-dynamic"):
        model = quantized("xor", "onnx", precision)
        found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for name in ("hidden/kernel", "y/kernel"):
            integers, scale = found[f"{name}_quantized"], found[f"{name}_scale"]
            assert integers.dtype == np.int8
            assert len(scale) == kernels[name].shape[1], "a scale a channel"
            assert 0 < np.abs(integers * scale - kernels[name]).max() <= 0.501 * scale.max()
    ops = [node.op_type for node in quantized("xor", "onnx", "int8").graph.node]
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(ops)
    assert "MatMulInteger" in [node.op_type for node in quantized("xor", "onnx", "int8-dynamic").graph.node]


def test_integer_ends_mean_the_range_of_all_samples(quantized, floats):
    source = floats("two_by_two")
    meaning = tflite_quantizer.interface_quantization(quantized("two_by_two", "tflite", "int8", True))
    assert list(meaning) == ["zebra", "ant", "west", "east"]
    for name in ("zebra", "ant"):
        seen = np.concatenate([sample[name] for sample in source.calibration()])
        scale, zero_point = meaning[name]
        # From zero to the largest value of any sample; an average of their maxima would be smaller.
        assert scale == pytest.approx(seen.max() / 255, rel=1e-3)
        assert zero_point == -128
    assert meaning["east"] == (1 / 256, -128)  # what the softmax kernel prescribes
    assert tflite_quantizer.interface_quantization(quantized("two_by_two", "tflite", "int8", False)) == {}
    assert tflite_quantizer.interface_quantization(source.tflite) == {}


def test_every_sample_counts_and_their_order_does_not(floats):
    source = floats("xor")
    samples = [source.inputs(1, seed) for seed in range(5)]
    wide = [*samples, {"x": np.array([[3.0, 0.5]], dtype=np.float32)}]
    narrow, large, turned = (
        tflite_quantizer.quantize(source.tflite, "int8", given, integer_ends=True)
        for given in (samples, wide, wide[::-1])
    )
    assert tflite_quantizer.interface_quantization(large)["x"][0] == pytest.approx(3 / 255, rel=1e-3)
    assert tflite_quantizer.interface_quantization(narrow)["x"][0] < 1 / 255
    assert turned == large
    first, second, third = (
        onnx_quantizer.quantize(source.onnx, "int8", given) for given in (samples, wide, wide[::-1])
    )
    assert first != second
    assert second == third


@pytest.mark.parametrize("calibration", [None, (), iter(())])
@pytest.mark.parametrize(("format_name", "precision"), [("tflite", "int8"), ("tflite", "int16x8"), ("onnx", "int8")])
def test_without_samples_full_integers_are_refused(floats, format_name, precision, calibration):
    source = getattr(floats("xor"), format_name)
    with pytest.raises(ExportError, match=f"{format_name} {precision}.*samples.*found none") as caught:
        FORMATS[format_name].quantize(source, precision, calibration)
    assert "int8-dynamic" in caught.value.remedy


@pytest.mark.parametrize("format_name", FORMATS)
def test_samples_without_a_range_are_refused(floats, format_name):
    samples = [{"x": np.array([[0.5, 1.0]], dtype=np.float32)}, {"x": np.array([[np.nan, 1.0]], dtype=np.float32)}]
    with pytest.raises(ExportError, match=r"finite numbers.*sample 1, input 'x'"):
        FORMATS[format_name].quantize(getattr(floats("xor"), format_name), "int8", samples)


@pytest.mark.parametrize("format_name", FORMATS)
def test_samples_of_another_model_are_refused(floats, format_name, capfd):
    samples = [{"z": np.zeros((1, 2), dtype=np.float32)}]
    with pytest.raises(ExportError, match=f"{format_name} int8 quantization") as caught:
        FORMATS[format_name].quantize(getattr(floats("xor"), format_name), "int8", samples)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("format_name", "precision"), [("onnx", "int16x8"), ("tflite", "float32"), ("onnx", "int4")])
def test_a_precision_that_the_format_lacks_is_refused(floats, format_name, precision):
    with pytest.raises(ExportError, match=f"one of float16.*found {precision}"):
        FORMATS[format_name].quantize(getattr(floats("xor"), format_name), precision, None)


def test_what_is_not_a_tflite_file_is_an_error():
    with pytest.raises(ExportError, match="tflite float16 quantization"):
        tflite_quantizer.quantize(b"TFL3 this is no flatbuffer at all", "float16", None)


def test_the_share_says_that_the_default_network_grows(floats, quantized):
    source = floats("xor")
    share = tflite_quantizer.quantized_share(source.tflite, quantized("xor", "tflite", "int8", False))
    assert (share.tensors, share.values, share.converted_tensors, share.converted_values) == (4, 65, 4, 65)
    assert share.size_after > share.size_before == len(source.tflite)
    assert share.remark() == f"{share.size_after:,} bytes are larger than float32's {share.size_before:,}"

    before, after = (model.SerializeToString() for model in (source.onnx, quantized("xor", "onnx", "int8-dynamic")))
    share = onnx_quantizer.quantized_share(before, after)
    # The two kernels, 2 x 16 and 16 x 1; their scales are floats, but no weights.
    assert (share.tensors, share.values, share.converted_tensors, share.converted_values) == (4, 65, 2, 48)
    assert "larger than float32's" in share.remark()


def test_the_share_says_that_nothing_or_little_was_quantised(floats, quantized):
    source = floats("xor")
    share = tflite_quantizer.quantized_share(source.tflite, source.tflite)
    assert (share.converted_tensors, share.converted_values) == (0, 0)
    assert share.remark().startswith("nothing was quantised: none of 4 weight tensors")
    assert f"{len(source.tflite):,} bytes are as large as" in share.remark()
    raw = source.onnx.SerializeToString()
    assert onnx_quantizer.quantized_share(raw, raw).converted_values == 0


def test_a_large_file_is_half_as_large_in_one_flatbuffer(tmp_path):
    import keras

    from xorexport.pipeline import ExportRequest, export

    layer = keras.layers.Dense(300, name="wide", kernel_initializer=keras.initializers.RandomNormal(seed=1))
    model = keras.Sequential([keras.Input((500,), name="x"), layer], name="large")
    export(ExportRequest(model=model, formats=("keras", "tflite")), tmp_path / "large")
    source = (tmp_path / "large" / "large.tflite").read_bytes()
    for precision, part in (("float16", 2), ("int8-dynamic", 4)):
        result = tflite_quantizer.quantize(source, precision, None)
        share = tflite_quantizer.quantized_share(source, result)
        assert share.converted_values == 150_000
        assert share.remark() == ""
        assert len(result) == pytest.approx(len(source) / part, rel=0.04)
        packed = schema.Model.GetRootAs(result, 0)
        assert all(packed.Buffers(index).Offset() == 0 for index in range(packed.BuffersLength()))
        inputs = {"x": np.random.default_rng(0).uniform(size=(3, 500)).astype(np.float32)}
        assert_close(run_tflite(result, inputs), run_tflite(source, inputs), precision)


def test_a_loop_is_refused_where_its_ranges_cannot_be_measured(tmp_path):
    sample_model("convnet")  # starts TensorFlow
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 2), name="x")], autograph=False)
    def double(x):
        _, result = tf.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, tf.matmul(y, [[0.3, 0.9], [0.7, 0.2]])), [0, x]
        )
        return {"y": result}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([double.get_concrete_function()])
    source = converter.convert()
    sample = {"x": np.ones((1, 2), dtype=np.float32)}
    with pytest.raises(ExportError, match=r"without loops.*found 2 subgraphs.*unroll"):
        tflite_quantizer.quantize(source, "int8", [sample])


def test_the_float_model_is_left_as_it_is(floats, quantized):
    source = floats("two_by_two")
    before = source.onnx.SerializeToString()
    for precision in onnx_quantizer.PRECISIONS:
        onnx_quantizer.quantize(source.onnx, precision, source.calibration())
    assert source.onnx.SerializeToString() == before


CODE = """
import hashlib, sys
import numpy as np, onnx
from xorexport.quantization import onnx as o, tflite as t
folder, name = sys.argv[1:]
raw, model = open(f"{folder}/{name}.tflite", "rb").read(), onnx.load(f"{folder}/{name}.onnx")
def samples():
    for seed in range(12):
        yield {"image": np.random.default_rng(seed).uniform(0, 255, (25, 10, 12, 3)).astype(np.float32)}
for precision in t.PRECISIONS:
    print(hashlib.sha256(t.quantize(raw, precision, samples())).hexdigest())
for precision in o.PRECISIONS:
    print(hashlib.sha256(o.quantize(model, precision, samples()).SerializeToString(deterministic=True)).hexdigest())
print(sorted(name for name in sys.modules if name in ("tensorflow", "keras", "tf2onnx")))
"""


def test_another_process_makes_the_same_bytes_and_needs_no_tensorflow(bundles, quantized):
    result = python(CODE, bundles("convnet"), "convnet", environment={"PYTHONHASHSEED": "7"})
    assert result.returncode == 0, result.stderr
    here = [quantized("convnet", "tflite", precision, False) for precision in tflite_quantizer.PRECISIONS]
    here += [
        quantized("convnet", "onnx", precision).SerializeToString(deterministic=True)
        for precision in onnx_quantizer.PRECISIONS
    ]
    *digests, modules = result.stdout.splitlines()
    assert digests == [hashlib.sha256(raw).hexdigest() for raw in here]
    assert modules == "[]"
    assert result.stderr == ""
