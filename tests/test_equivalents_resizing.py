"""Resizing between known sizes, larger and smaller, by every rule that TensorFlow has."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.uniform(-1, 1, (2, 5, 8, 3)).astype(np.float32)
BYTES = RANDOM.integers(0, 256, (2, 5, 8, 3), dtype=np.uint8)
SIZES = [(5, 8), (10, 16), (13, 5), (3, 11), (1, 1), (2, 31), (7, 4)]
FLAGS = [(False, False), (True, False), (False, True)]
"""`align_corners` and `half_pixel_centers`, which exclude each other."""


def with_flags(op_type, align, half):
    """To every size."""
    op = getattr(tf.raw_ops, op_type)
    return lambda x: [op(images=x, size=size, align_corners=align, half_pixel_centers=half) for size in SIZES]


def by_flags(op_type, **bound):
    for align, half in FLAGS:
        function = with_flags(op_type, align, half)
        yield Case(f"align_corners {align}, half_pixel_centers {half}", function, [IMAGES], **bound)
    yield Case("bytes", function, [BYTES], **bound)
    yield Case("a pixel", function, [IMAGES[:, :1, :1]], **bound)
    yield Case("unknown batch and channels", function, [IMAGES], shapes=[(None, 5, 8, None)], **bound)


def area(align):
    return lambda x: [tf.raw_ops.ResizeArea(images=x, size=size, align_corners=align) for size in SIZES]


KERNELS = ["lanczos1", "lanczos3", "lanczos5", "gaussian", "box", "triangle", "keyscubic", "mitchellcubic"]
PLACED = [
    # Size, scale and translation: the whole image, a part of it, and more than there is.
    ((10, 16), (2.0, 2.0), (0.0, 0.0)),
    ((3, 5), (0.6, 0.625), (0.0, 0.0)),
    ((7, 4), (1.5, 0.7), (1.25, -0.5)),
    ((6, 9), (0.8, 3.0), (-1.0, 2.75)),
]


def placed(kernel, antialias):
    return lambda x: [
        tf.raw_ops.ScaleAndTranslate(
            images=x, size=size, scale=scale, translation=by, kernel_type=kernel, antialias=antialias
        )
        for size, scale, by in PLACED
    ]


CASES = {
    "ResizeBicubic": list(by_flags("ResizeBicubic", scaled=8)),
    "ResizeBilinear": list(by_flags("ResizeBilinear", scaled=8)),
    "ResizeNearestNeighbor": list(by_flags("ResizeNearestNeighbor")),
    "ResizeArea": [
        Case(f"align_corners {align}, {name}", area(align), [images], scaled=8)
        for align in (False, True)
        for name, images in {"floats": IMAGES, "bytes": BYTES, "a pixel": IMAGES[:, :1, :1]}.items()
    ],
    "ScaleAndTranslate": [
        *(
            Case(f"{kernel}, antialias {antialias}", placed(kernel, antialias), [IMAGES], scaled=8)
            for kernel, antialias in itertools.product(KERNELS, (False, True))
        ),
        Case("bytes", placed("lanczos3", True), [BYTES], scaled=8),
        Case("unknown batch and channels", placed("triangle", True), [IMAGES], scaled=8, shapes=[(None, 5, 8, None)]),
    ],
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


@pytest.mark.parametrize("op_type", ["ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"])
def test_sizes_that_are_not_known_are_left_alone(op_type):
    op = getattr(tf.raw_ops, op_type)
    before = frozen_with(EQUIVALENTS, lambda x: op(images=x, size=[4, 4]), IMAGES, shapes=[(2, None, 8, 3)])
    after = frozen_with(EQUIVALENTS, lambda x, size: op(images=x, size=size), IMAGES, np.int32([4, 4]))
    assert op_type in before.op_types
    assert op_type in after.op_types


def test_a_size_that_is_worked_out_from_the_images_own_is_known():
    def doubled(x):
        return tf.raw_ops.ResizeBicubic(images=x, size=tf.shape(x)[1:3] * 2)

    Case("", doubled, [IMAGES], scaled=8, shapes=[(None, 5, 8, 3)]).check("ResizeBicubic")


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
