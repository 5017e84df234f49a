"""Freezing: large weights are never copied into a graph, and come back into the ONNX file bit for bit."""

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers, ops
from sample_models import randomised

from xorexport.exporters import onnx_conversion
from xorexport.pipeline import ExportRequest, export
from xorexport.results import Outcome
from xorexport.tracing import freezing
from xorexport.tracing.trace import trace


def dense(dtype=None):
    """Two large kernels, a small one, and biases."""
    x = keras.Input((100,), name="x", dtype=dtype)
    hidden = layers.Dense(90, activation="tanh", name="first", dtype=dtype)(x)
    hidden = layers.Dense(95, activation="relu", name="second", dtype=dtype)(hidden)
    return randomised(keras.Model(x, layers.Dense(2, name="y", dtype=dtype)(hidden), name="dense"))


def recurrent():
    """A loop whose body reads large weights."""
    steps = keras.Input((4, 35), name="steps")
    hidden = layers.GRU(40, name="memory")(steps)
    return randomised(keras.Model(steps, layers.Dense(2, name="y")(hidden), name="recurrent"))


def tied():
    """One large weight in three places."""
    layer = layers.Dense(80, activation="tanh", name="shared")

    class Turned(layers.Layer):
        def call(self, x):
            return ops.matmul(x, ops.transpose(layer.kernel))

    x = keras.Input((80,), name="x")
    return randomised(keras.Model(x, {"y": layer(layer(x)), "z": Turned(name="turned")(x)}, name="tied"))


def constants(graph_def):
    """The sizes in bytes of all constants, those of functions included."""
    nodes = [*graph_def.node, *(node for function in graph_def.library.function for node in function.node_def)]
    return [node.attr["value"].tensor.ByteSize() for node in nodes if node.op == "Const"]


def placeholders(frozen):
    return {node.name for node in frozen.graph_def.node if node.op == "Placeholder"}


def paths(frozen, model):
    """Which of the model's variables stand for the large weights: by their values."""
    by_value = {np.asarray(variable.value).tobytes(): variable.path for variable in model.variables}
    return sorted(by_value[weight.numpy().tobytes()] for weight in frozen.large.values())


def exported(model, folder):
    report = export(ExportRequest(model=model, formats=("onnx",)), folder / "bundle")
    assert report.exit_code == 0, [row.reason for row in report.parity if row.outcome is not Outcome.PASS]
    return onnx.load(folder / "bundle" / f"{model.name}.onnx")


def initializers(graph):
    """Every constant of a graph and of its bodies."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from initializers(attribute.g)
            elif attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t


def stored(model):
    return {onnx.numpy_helper.to_array(tensor).tobytes() for tensor in initializers(model.graph)}


# The graph.


@pytest.mark.parametrize("make", [dense, recurrent])
def test_the_graph_holds_no_large_constant(make):
    model = make()
    frozen = trace(model).frozen()
    large = [variable for variable in model.variables if 4 * np.prod(variable.shape) >= freezing.LARGE]
    assert len(large) >= 2
    assert paths(frozen, model) == sorted(variable.path for variable in large)
    assert max(constants(frozen.graph_def)) < freezing.LARGE
    assert sum(constants(frozen.graph_def)) < freezing.LARGE
    for name, weight in frozen.large.items():
        (node,) = [node for node in frozen.graph_def.node if node.name == name]
        assert node.op == "Placeholder"
        assert tf.TensorShape(node.attr["shape"].shape) == weight.shape
        assert tf.as_dtype(node.attr["dtype"].type) == weight.dtype


def test_inputs_are_placeholders_too_and_no_weight_is_one_of_them():
    model = dense()
    frozen = trace(model).frozen()
    (name,) = frozen.inputs
    assert placeholders(frozen) == {name.partition(":")[0], *frozen.large}
    assert name.partition(":")[0] not in frozen.large
    assert len(frozen.outputs) == 1


def test_no_variable_is_left():
    for make in (dense, recurrent, tied):
        ops_left = {node.op for node in trace(make()).frozen().graph_def.node}
        assert not ops_left & {"VarHandleOp", "ReadVariableOp", "ResourceGather"}


@pytest.mark.parametrize("make", [dense, recurrent, tied])
def test_the_graph_computes_what_the_model_does_when_its_weights_are_given_back(make):
    model = make()
    traced = trace(model)
    frozen = traced.frozen()
    (spec,) = traced.signature.inputs
    x = np.random.default_rng(1).uniform(-1, 1, (3, *spec.shape[1:])).astype(np.float32)
    fed = [*frozen.inputs, *(f"{name}:0" for name in frozen.large)]
    pruned = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(frozen.graph_def, name=""), [])
    run = pruned.prune([pruned.graph.as_graph_element(name) for name in fed], frozen.outputs)
    found = run(tf.constant(x), *map(tf.convert_to_tensor, frozen.large.values()))
    expected = traced.concrete(x)
    for spec, array in zip(traced.signature.outputs, found, strict=True):
        np.testing.assert_allclose(array, expected[spec.name], rtol=1e-6, atol=1e-6)


def test_a_weight_that_is_used_twice_is_large_once():
    model = tied()
    frozen = trace(model).frozen()
    assert paths(frozen, model) == ["shared/kernel"]
    (name,) = frozen.large
    readers = [node for node in frozen.graph_def.node if any(name in entry.split(":")[0] for entry in node.input)]
    assert len(readers) >= 2


def test_a_weight_is_large_from_the_limit_on(monkeypatch):
    x = keras.Input((90,), name="x")
    model = randomised(keras.Model(x, layers.Dense(70, name="y")(x)))
    size = 4 * 90 * 70
    for limit, count in ((size - 1, 1), (size, 1), (size + 1, 0)):
        monkeypatch.setattr(freezing, "LARGE", limit)
        assert len(trace(model).frozen().large) == count


def test_freezing_leaves_tensorflow_as_it_was():
    before = freezing.freezing.tensor_util.make_tensor_proto
    trace(dense()).frozen()
    assert freezing.freezing.tensor_util.make_tensor_proto is before is freezing._ORIGINAL
    assert tf.make_tensor_proto(np.float32([1, 2])).tensor_content == np.float32([1, 2]).tobytes()


# The ONNX file.


def test_values_come_back_bit_for_bit(tmp_path):
    model = dense()
    found = {tensor.name: tensor for tensor in exported(model, tmp_path).graph.initializer}
    assert set(found) == {f"{layer}/{part}" for layer in ("first", "second", "y") for part in ("kernel", "bias")}
    for variable in model.variables:
        tensor = found[variable.path.removeprefix("dense/")]
        assert onnx.numpy_helper.to_array(tensor).tobytes() == np.asarray(variable.value).tobytes(), variable.path


def test_values_come_back_in_the_bodies_of_loops(tmp_path):
    model = recurrent()
    left_out = stored(exported(model, tmp_path))
    # What a loop reads may be split and turned, but no number of it is another one.
    numbers = np.unique(np.concatenate([np.frombuffer(raw, np.float32) for raw in left_out if len(raw) % 4 == 0]))
    for variable in model.variables:
        array = np.asarray(variable.value)
        if variable.dtype == "float32":
            assert np.isin(array, numbers).all(), variable.path


def test_a_weight_that_is_used_twice_is_stored_once(tmp_path):
    model = tied()
    found = exported(model, tmp_path)
    kernel = np.asarray(model.get_layer("shared").kernel)
    copies = [raw for raw in map(onnx.numpy_helper.to_array, initializers(found.graph)) if raw.size == kernel.size]
    # Itself, and turned round, which the converter folds.
    assert {raw.tobytes() for raw in copies} == {kernel.tobytes(), kernel.T.tobytes()}
    assert len(copies) == 2


def test_special_numbers_survive(tmp_path):
    model = dense()
    kernel = model.get_layer("first").get_weights()[0]
    kernel[0, :4] = [-0.0, np.float32(1e-45), np.finfo(np.float32).tiny / 3, np.nextafter(np.float32(1), 2)]
    model.get_layer("first").kernel.assign(kernel)
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in exported(model, tmp_path).graph.initializer}
    assert found["first/kernel"].tobytes() == kernel.tobytes()
    assert np.signbit(found["first/kernel"][0, 0])


def test_half_precision_weights_are_exact_in_float32(tmp_path):
    model = dense("float16")
    kernels = [layer.kernel for layer in model.layers if hasattr(layer, "kernel")]
    assert {kernel.dtype for kernel in kernels} == {"float16"}
    frozen = trace(model).frozen()
    assert {weight.dtype for weight in frozen.large.values()} == {tf.float16}
    assert len(frozen.large) == 2
    held = stored(exported(model, tmp_path))
    assert all(np.asarray(kernel).astype(np.float32).tobytes() in held for kernel in kernels)


def test_double_precision_weights_too(tmp_path):
    model = dense("float64")
    held = stored(exported(model, tmp_path))
    assert np.asarray(model.get_layer("first").kernel).dtype == np.float64
    assert np.asarray(model.get_layer("first").kernel).tobytes() in held


def test_the_converter_never_sees_a_large_weights_value(tmp_path, monkeypatch):
    """Not in the graph that is optimised and copied: only where the ONNX model is put together."""
    seen = []
    optimized = onnx_conversion._optimized

    def watched(frozen, huge):
        seen.append(frozen.graph_def.ByteSize())
        graph_def = optimized(frozen, huge)
        seen.append(graph_def.ByteSize())
        return graph_def

    monkeypatch.setattr(onnx_conversion, "_optimized", watched)
    model = dense()
    exported(model, tmp_path)
    assert len(seen) == 2
    assert max(seen) < freezing.LARGE < 4 * 90 * 95


def test_an_optimiser_that_fails_is_left_out(tmp_path, monkeypatch):
    calls = []

    class Failing:
        def __init__(self):
            self.graph_been_opt = False

        def optimize(self, graph, count=None):
            calls.append(1)
            graph.remove_node(graph.get_nodes()[-1].name)
            raise RuntimeError("halfway through")

    monkeypatch.setattr(onnx_conversion, "OPTIMIZERS", {"failing": Failing, **onnx_conversion.OPTIMIZERS})
    model = dense()
    found = {tensor.name: tensor for tensor in exported(model, tmp_path).graph.initializer}
    assert len(calls) >= 2
    assert set(found) >= {"first/kernel", "second/kernel"}
