"""Sizes that ONNX words differently than TensorFlow: transposed convolutions, and images resized by a ratio."""

import itertools

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from equivalent_ops import frozen_with
from keras import layers, ops
from sample_models import randomised

from xorexport.exporters.onnx_ops import SUBSTITUTES
from xorexport.pipeline import ExportRequest, export
from xorexport.results import Outcome


def exported(model, folder):
    """The ONNX model, after every engine predicted what Keras does."""
    report = export(ExportRequest(model=model, formats=("onnx",)), folder / "bundle")
    assert not [row.reason for row in report.parity if row.outcome is not Outcome.PASS]
    assert report.notes == {}
    (path,) = (folder / "bundle").glob("*.onnx")
    return onnx.load(path)


def nodes(model, op_type):
    return [node for node in model.graph.node if node.op_type == op_type]


def attributes(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


# Transposed convolutions.

KERNELS, STRIDES = (1, 2, 3, 5), (2, 3, 4)
SQUARES = list(itertools.product(KERNELS, STRIDES))


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_transposed_convolutions_of_every_kernel_and_stride(padding, tmp_path):
    x = keras.Input((3, 4, 2), name="x")
    outputs = {
        f"k{kernel}_s{stride}": layers.Conv2DTranspose(
            2, (kernel, KERNELS[-1 - i % 4]), strides=(stride, 1 + i % 4), padding=padding
        )(x)
        for i, (kernel, stride) in enumerate(SQUARES)
    }
    found = nodes(exported(randomised(keras.Model(x, outputs)), tmp_path), "ConvTranspose")
    assert len(found) == len(SQUARES)
    assert all(min(attributes(node).get("pads", [0])) >= 0 for node in found)
    # A kernel shorter than its stride leaves a gap at the end.
    assert any(max(attributes(node).get("output_padding", [0])) > 0 for node in found)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_output_padding_as_keras_has_it(padding, tmp_path):
    x = keras.Input((3, 4, 2), name="x")
    outputs = {
        f"k{kernel}_s{stride}_p{extra}": layers.Conv2DTranspose(
            2, kernel, strides=stride, padding=padding, output_padding=extra
        )(x)
        for kernel, stride in ((1, 2), (2, 3), (3, 2), (3, 4))
        for extra in range(stride)
        # TensorFlow itself has no size for these.
        if extra or kernel % 2 or padding == "valid"
    }
    exported(randomised(keras.Model(x, outputs)), tmp_path)


def test_lines_and_volumes_too(tmp_path):
    line, volume = keras.Input((5, 2), name="line"), keras.Input((2, 3, 2, 2), name="volume")
    outputs = {
        f"{name}_{padding}_{stride}": layer(2, kernel, strides=stride, padding=padding)(x)
        for name, layer, x in (("line", layers.Conv1DTranspose, line), ("volume", layers.Conv3DTranspose, volume))
        for padding in ("same", "valid")
        for kernel, stride in ((3, 2), (2, 3))
    }
    exported(randomised(keras.Model([line, volume], outputs)), tmp_path)


# Resizing.

RESIZED = (1, 3, 5, 7, 9, 11, 13, 19, 29)


def made(old, new):
    """What ONNX Runtime makes of the ratio of two sizes, which it is given in float32."""
    scales = np.float32([1, 1, new / old, new / old])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, old, old])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(scales, "scales")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.zeros((1, 1, old, old), np.float32)})[0].shape[2]


def substituted_sizes():
    """Whether the table replaces an op, by the sizes that it is between."""
    pairs, replaced = list(itertools.product(RESIZED, RESIZED)), []

    def watched(inputs, attributes):
        made = SUBSTITUTES["ResizeBilinear"](inputs, attributes)
        replaced.append(made is not None)
        return made

    def resize(x):
        return [tf.compat.v1.image.resize_bilinear(x[:, :old, :old], [new, new]) for old, new in pairs]

    frozen_with({"ResizeBilinear": watched}, resize, np.zeros((1, 32, 32, 1), np.float32))
    return dict(zip(pairs, replaced, strict=True))


def test_sizes_that_the_runtime_would_round_down_are_all_known():
    known = substituted_sizes()
    wrong = {pair for pair in known if made(*pair) != pair[1]}
    assert wrong, "the runtime rounds nothing down: the equivalents are not needed any more"
    assert wrong <= {pair for pair, replaced in known.items() if replaced}
    # Most pairs are not rounded, and keep the op.
    assert sum(known.values()) < len(known) / 3


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_images_become_as_large_as_they_should(interpolation, tmp_path):
    rounded, kept = [], []
    for pair, replaced in substituted_sizes().items():
        (rounded if replaced else kept).append(pair)
    rounded, kept = rounded[::4], kept[::16]
    inputs = {old: keras.Input((old, old + 1, 2), name=f"x{old}") for old, _ in sorted({*rounded, *kept})}
    outputs = {
        f"y{old}_{new}": ops.image.resize(inputs[old], (new, new), interpolation=interpolation)
        for old, new in (*rounded, *kept)
    }
    model = exported(keras.Model(list(inputs.values()), outputs), tmp_path)
    assert len(nodes(model, "Resize")) <= len(kept)
    # The one that ONNX has no mode for is always replaced.
    assert bool(nodes(model, "Resize")) == (interpolation == "bilinear")
