"""TFLite files: small, of built-in ops alone, and in the order that programs without names rely on."""

import ai_edge_litert.interpreter
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from xorexport.readers.tflite import OPS, read


def tflite_file(bundle):
    return next(bundle.glob("*.tflite"))


def flatbuffer(bundle):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite_file(bundle).read_bytes(), 0))


def test_the_default_network_stays_below_1700_bytes(xor):
    assert 1000 < tflite_file(xor).stat().st_size < 1700


def test_all_ops_are_built_in(any_bundle):
    model = flatbuffer(any_bundle)
    assert all(code.customCode is None for code in model.operatorCodes)
    assert set(read(tflite_file(any_bundle)).ops) <= set(OPS.values())
    interpreter = ai_edge_litert.interpreter.Interpreter(model_path=str(tflite_file(any_bundle)))
    interpreter.allocate_tensors()  # an op that the wheel lacks would raise


def test_weights_are_float32(any_bundle):
    tensors = flatbuffer(any_bundle).subgraphs[0].tensors
    assert schema.TensorType.FLOAT32 in {tensor.type for tensor in tensors}
    assert not {schema.TensorType.INT8, schema.TensorType.FLOAT16} & {tensor.type for tensor in tensors}
    assert all(tensor.quantization is None or tensor.quantization.scale is None for tensor in tensors)


def test_there_is_one_subgraph_with_one_signature(any_bundle):
    model = flatbuffer(any_bundle)
    assert len(model.subgraphs) == 1
    assert [definition.signatureKey for definition in model.signatureDefs] == [b"serving_default"]
    assert model.signatureDefs[0].subgraphIndex == 0


def test_positions_lead_to_the_outputs_that_the_manifest_lists(bundles):
    # Edge apps read by position; a converter that sorts names would exchange the two.
    from xorexport.bundle import Bundle

    bundle = Bundle.read(bundles("two_by_two"))
    golden = bundle.manifest.golden[0]
    interpreter = ai_edge_litert.interpreter.Interpreter(model_path=str(tflite_file(bundle.root)))
    inputs = list(bundle.golden_arrays(golden.inputs).values())
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.resize_tensor_input(detail["index"], array.shape)
    interpreter.allocate_tensors()
    for detail, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], array)
    interpreter.invoke()
    outputs = [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
    expected = bundle.golden_arrays(golden.outputs)
    np.testing.assert_allclose(outputs[0], expected["west"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(outputs[1], expected["east"], rtol=1e-5, atol=1e-5)
    assert np.abs(expected["west"] - expected["east"]).max() > 0.01
