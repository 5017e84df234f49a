"""Patches and projections of images, pixel by pixel as TensorFlow picks them."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(4)
IMAGES = RANDOM.uniform(-1, 1, (8, 7, 8, 3)).astype(np.float32)

WINDOWS = [
    # Height and width of a patch, of a step, and of the distance between its pixels.
    ((2, 3), (1, 1), (1, 1)),
    ((3, 2), (2, 3), (1, 1)),
    ((2, 2), (1, 1), (2, 3)),
    ((1, 1), (3, 2), (1, 1)),
    ((7, 8), (1, 1), (1, 1)),
]


def patches(padding):
    return lambda x: [
        tf.raw_ops.ExtractImagePatches(
            images=x, ksizes=[1, *size, 1], strides=[1, *steps, 1], rates=[1, *rates, 1], padding=padding
        )
        for size, steps, rates in WINDOWS
    ]


TURNED = [np.cos(0.7), -np.sin(0.7), 3.1, np.sin(0.7), np.cos(0.7), -1.4, 0, 0]
TRANSFORMS = {
    "nothing": [1, 0, 0, 0, 1, 0, 0, 0],
    "half a pixel": [1, 0, 0.5, 0, 1, 0.5, 0, 0],
    "half a pixel back": [1, 0, -0.5, 0, 1, -2.5, 0, 0],
    "turned": TURNED,
    "turned by a quarter": [0, 1, 0, -1, 0, 6, 0, 0],
    "scaled": [0.3, 0.1, -1, -0.2, 2.5, 0.25, 0, 0],
    "in perspective": [1.1, 0.2, -0.5, 0.1, 0.9, 0.3, 0.05, 0.03],
    "far beyond": [1, 0, 100, 0, 1, -100, 0, 0],
}
EVERY, ONE = np.float32(list(TRANSFORMS.values())), np.float32([TURNED])
SIZE = (6, 9)


def projected(interpolation, fill_mode, size=SIZE, fill=0.75):
    return lambda images, transforms: tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=size,
        fill_value=fill,
        interpolation=interpolation,
        fill_mode=fill_mode,
    )


WAYS = list(itertools.product(("NEAREST", "BILINEAR"), ("CONSTANT", "NEAREST")))

CASES = {
    "ExtractImagePatches": [
        *(Case(padding, patches(padding), [IMAGES]) for padding in ("VALID", "SAME")),
        Case("unknown sizes", patches("SAME"), [IMAGES], shapes=[(None, None, None, 3)]),
    ],
    "ImageProjectiveTransformV3": [
        *(Case(" ".join(way), projected(*way), [IMAGES, EVERY], scaled=16) for way in WAYS),
        *(Case(f"one for all, {' '.join(way)}", projected(*way), [IMAGES, ONE], scaled=16) for way in WAYS),
        Case(
            "unknown batch",
            projected("BILINEAR", "NEAREST"),
            [IMAGES, EVERY],
            scaled=16,
            shapes=[(None, 7, 8, 3), (None, 8)],
        ),
        Case("integers", projected("NEAREST", "CONSTANT", fill=3), [(IMAGES * 99).astype(np.int32), ONE]),
    ],
}


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


@pytest.mark.parametrize("fill_mode", ["REFLECT", "WRAP"])
def test_other_ways_to_go_on_beyond_the_border_are_left_alone(fill_mode):
    frozen = frozen_with(EQUIVALENTS, projected("NEAREST", fill_mode), IMAGES, ONE)
    assert "ImageProjectiveTransformV3" in frozen.op_types


def test_what_is_not_known_well_enough_is_left_alone():
    projection = projected("BILINEAR", "CONSTANT")
    for images, shapes in (
        (IMAGES, [(8, None, 8, 3), (1, 8)]),
        (IMAGES.astype(np.int32), None),
    ):
        frozen = frozen_with(EQUIVALENTS, projection, images, ONE, shapes=shapes)
        assert "ImageProjectiveTransformV3" in frozen.op_types
    for images, shapes in ((IMAGES, [(8, 7, 8, None)]), (IMAGES.astype(np.int32), None)):
        assert "ExtractImagePatches" in frozen_with(EQUIVALENTS, patches("SAME"), images, shapes=shapes).op_types


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
