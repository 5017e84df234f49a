"""Plants faults in real files, as a bad converter or a slip of the hand would: each gives a whole, loadable file."""

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema

ACTIVATIONS = schema.ActivationFunctionType


class OnnxFile:
    """Faults in an ONNX file."""

    engines = ("onnxruntime", "onnxruntime-plain", "onnx-reference")

    def __init__(self, path):
        self.path = path
        self.model = onnx.load(path)
        self.graph = self.model.graph

    def save(self):
        onnx.save(self.model, self.path)

    def change_weight(self, by):
        tensor = next(tensor for tensor in self.graph.initializer if len(tensor.dims) == 2)
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[0] += np.float32(by)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))

    def change_activation(self):
        node = next(node for node in self.graph.node if node.op_type in ("Relu", "Tanh"))
        node.op_type = "Softsign"

    def rename_output(self):
        self._rename({self.graph.output[0].name: "another"})

    def swap_inputs(self):
        self._swap([value.name for value in self.graph.input])

    def swap_outputs(self):
        self._swap([value.name for value in self.graph.output])

    def swap_positions(self, side):
        values = getattr(self.graph, side.removesuffix("s"))
        reversed_values = [onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in values][::-1]
        del values[:]
        values.extend(reversed_values)

    def freeze_batch(self, size):
        for value in (*self.graph.input, *self.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = size

    def _swap(self, names):
        # The interface stays as it is; what is behind the two names changes places.
        first, second = names
        for node in self.graph.node:
            for side in (node.input, node.output):
                side[:] = [{first: second, second: first}.get(name, name) for name in side]

    def _rename(self, names):
        for value in (*self.graph.input, *self.graph.output):
            value.name = names.get(value.name, value.name)
        for node in self.graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


class TFLiteFile:
    """Faults in a TFLite file."""

    engines = ("litert-xnnpack", "litert-builtin")

    def __init__(self, path):
        self.path = path
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes(), 0))
        self.graph = self.model.subgraphs[0]

    def save(self):
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        self.path.write_bytes(bytes(builder.Output()))

    def change_weight(self, by):
        tensor = next(
            tensor
            for tensor in self.graph.tensors
            if len(tensor.shape) == 2
            and tensor.type == schema.TensorType.FLOAT32
            and self.model.buffers[tensor.buffer].data is not None
        )
        buffer = self.model.buffers[tensor.buffer]
        values = np.frombuffer(bytes(buffer.data), np.float32).copy()
        values[0] += np.float32(by)
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)

    def change_activation(self):
        for operator in self.graph.operators:
            options = operator.builtinOptions
            if getattr(options, "fusedActivationFunction", 0) == ACTIVATIONS.RELU:
                options.fusedActivationFunction = ACTIVATIONS.NONE
                return
        code = next(c for c in self.model.operatorCodes if c.builtinCode == schema.BuiltinOperator.TANH)
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC

    def rename_output(self):
        self.graph.tensors[self.graph.outputs[0]].name = b"another"

    def swap_inputs(self):
        self._swap(list(self.graph.inputs))

    def swap_outputs(self):
        self._swap(list(self.graph.outputs))

    def swap_positions(self, side):
        setattr(self.graph, side, list(getattr(self.graph, side))[::-1])

    def freeze_batch(self, size):
        for index in (*self.graph.inputs, *self.graph.outputs):
            tensor = self.graph.tensors[index]
            tensor.shape = tensor.shapeSignature = [size, *tensor.shape[1:]]

    def _swap(self, indices):
        # The interface stays as it is; what is behind the two names changes places.
        first, second = indices
        for operator in self.graph.operators:
            for side in ("inputs", "outputs"):
                swapped = [{first: second, second: first}.get(index, index) for index in getattr(operator, side)]
                setattr(operator, side, swapped)


FILES = {"onnx": OnnxFile, "tflite": TFLiteFile}


def plant(folder, format_name, fault, *arguments):
    """Plants a fault in a bundle's file of a format; returns the engines that run that file."""
    (path,) = folder.glob(f"*.{format_name}")
    before = path.read_bytes()
    file = FILES[format_name](path)
    getattr(file, fault)(*arguments)
    file.save()
    assert path.read_bytes() != before
    return file.engines
