"""Fourier transforms of even, odd and prime lengths, there and back, with nothing complex left in the graph."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import Case, each, frozen_with

from xorexport.tracing.equivalents import EQUIVALENTS

RANDOM = np.random.default_rng(5)
LENGTHS = (1, 2, 7, 12)


def signal(*shape):
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def parts(z):
    return [tf.math.real(z), tf.math.imag(z)]


def rfft(*lengths):
    return lambda x: [part for length in lengths for part in parts(tf.signal.rfft(x, [length]))]


def irfft(*lengths):
    return lambda a, b: [tf.signal.irfft(tf.complex(a, b), [length]) for length in lengths]


def transform(op_type):
    return lambda a, b: parts(getattr(tf.raw_ops, op_type)(input=tf.complex(a, b)))


def lines(op_type):
    return [Case(f"length {n}", transform(op_type), [signal(2, 3, n), signal(2, 3, n)], scaled=12) for n in LENGTHS]


def planes(op_type):
    shapes = [(1, 1), (2, 7), (5, 12), (4, 3)]
    return [Case(f"{shape}", transform(op_type), [signal(2, *shape), signal(2, *shape)], scaled=16) for shape in shapes]


SHORT = signal(2, 9), signal(2, 9)
FULL = np.float32([0, -0.0, 3, -4, 1e-30, 1e30, -3e38, 1.5, np.inf])
PLANE = [a.ravel() for a in np.meshgrid(FULL, FULL)]

CASES = {
    "RFFT": [
        *(Case(f"length {n}", rfft(n), [signal(2, 3, n)], scaled=12) for n in LENGTHS),
        Case("cut off and filled up", rfft(5, 8, 9, 14, 31), [SHORT[0]], scaled=16),
        Case("unknown batch", rfft(9), [SHORT[0]], scaled=12, shapes=[(None, 9)]),
    ],
    "IRFFT": [
        # The imaginary parts of the first number, and of the last of an even length, are of no account.
        *(Case(f"length {n}", irfft(n), [signal(3, n // 2 + 1), signal(3, n // 2 + 1)], scaled=12) for n in LENGTHS),
        Case("cut off", irfft(3, 6, 15, 16, 17), SHORT, scaled=16),
        Case("unknown batch", irfft(16), SHORT, scaled=12, shapes=[(None, 9), (None, 9)]),
    ],
    "FFT": lines("FFT"),
    "IFFT": lines("IFFT"),
    "FFT2D": planes("FFT2D"),
    "IFFT2D": planes("IFFT2D"),
    "Real": [Case("a part", lambda a, b: tf.math.real(tf.complex(a, b)), SHORT)],
    "Imag": [Case("a part", lambda a, b: tf.math.imag(tf.complex(a, b)), SHORT)],
    "Conj": [Case("a sign", lambda a, b: parts(tf.math.conj(tf.complex(a, b))), PLANE)],
    "ComplexAbs": [
        Case("numbers", lambda a, b: tf.abs(tf.complex(a, b)), SHORT, 2),
        Case("squares that overflow, and infinities", lambda a, b: tf.abs(tf.complex(a, b)), PLANE, 2),
    ],
}  # fmt: skip


@each(CASES)
def test_the_equivalent_is_what_tensorflow_computes(op_type, case):
    case.check(op_type)


def test_complex_numbers_may_be_moved_around_between():
    def moved(a, b):
        z = tf.transpose(tf.reshape(tf.complex(a, b), [2, 3, 3]), [0, 2, 1])[:, ::2]
        z = tf.pad(z, [[0, 0], [1, 0], [0, 2]])
        return [*parts(z), tf.abs(tf.signal.ifft(z)), tf.signal.irfft(tf.complex(a, b), [31])]

    frozen = frozen_with(EQUIVALENTS, moved, *SHORT, shapes=[(2, 9), (2, 9)])
    assert frozen.op_types.isdisjoint({"Complex", "IFFT", "IRFFT", "Real", "Imag", "ComplexAbs"})
    for found, expected in zip(frozen.run(*SHORT), moved(*SHORT), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_a_chain_of_them_leaves_nothing_complex():
    def chain(x):
        spectrum = tf.signal.rfft(x)
        whole = tf.signal.ifft2d(tf.signal.fft2d(tf.math.conj(tf.signal.ifft(tf.signal.fft(spectrum)))))
        return tf.abs(whole), tf.signal.irfft(whole), tf.math.real(whole), tf.math.imag(whole)

    x = signal(2, 5, 8)
    frozen = frozen_with(EQUIVALENTS, chain, x)
    used = {key: node for node in frozen.nodes for key, value in node.attr.items() if value.type == tf.complex64}
    # `Complex` itself has no readers, and converters drop it.
    assert {node.op for node in used.values()} <= {"Complex"}
    for found, expected in zip(frozen.run(x), chain(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("op_type", ["FFT", "IFFT", "FFT2D", "IFFT2D", "Real", "Imag", "Conj", "ComplexAbs", "IRFFT"])
def test_complex_numbers_of_another_origin_are_left_alone(op_type):
    functions = {"Real": tf.math.real, "Imag": tf.math.imag, "Conj": tf.math.conj, "ComplexAbs": tf.abs}
    function = functions.get(op_type) or getattr(tf.signal, op_type.lower())
    frozen = frozen_with(EQUIVALENTS, function, SHORT[0].astype(np.complex64))
    assert op_type in frozen.op_types


def test_lengths_that_are_not_known_are_left_alone():
    for (op_type, function), rows in itertools.product(
        {"RFFT": tf.signal.rfft, "FFT": lambda x: parts(tf.signal.fft(tf.complex(x, x)))}.items(), (None, 2)
    ):
        frozen = frozen_with(EQUIVALENTS, function, SHORT[0], shapes=[(rows, None)])
        assert op_type in frozen.op_types


def test_every_op_type_of_this_file_is_an_equivalent():
    assert set(CASES) <= set(EQUIVALENTS)
