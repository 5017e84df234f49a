"""Functions of one number, of simpler ones. Each is within a few units in the last place of TensorFlow's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant

Inputs = Sequence[Any]
Attributes = Mapping[str, Any]

# Rational approximation of erf on [-4, 4], as Eigen and XLA have it (Eigen, SpecialFunctionsImpl.h, `erf` of float).
ERF_NUMERATOR = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
ERF_DENOMINATOR = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)

# erfc(x) x exp(x^2) in terms of 1 / x^2, from 1 to 2 and beyond (S. L. Moshier, Cephes, ndtrf.c, `erfcf`).
ERFC_NEAR = (
    2.326819970068386e-2,
    -1.387039388740657e-1,
    3.687424674597105e-1,
    -5.824733027278666e-1,
    6.210004621745983e-1,
    -4.944515323274145e-1,
    3.404879937665872e-1,
    -2.741127028184656e-1,
    5.638259427386472e-1,
)
ERFC_FAR = (
    -1.047766399936249e1,
    1.297719955372516e1,
    -7.495518717768503e0,
    2.921019019210786e0,
    -1.015265279202700e0,
    4.218463358204948e-1,
    -2.820767439740514e-1,
    5.641895067754075e-1,
)
ERFC_END = 10.0
"""From here on, it is less than the smallest float32."""

# The normal distribution's quantile function, as Cephes, Eigen and so TensorFlow have it (S. L. Moshier, Cephes,
# ndtri.c): in the middle, and in terms of 1 / sqrt(-2 log p) for p below exp(-2), near and far out.
NDTRI_MIDDLE = (
    (
        -5.99633501014107895267e1,
        9.80010754185999661536e1,
        -5.66762857469070293439e1,
        1.39312609387279679503e1,
        -1.23916583867381258016e0,
    ),
    (
        1.0,
        1.95448858338141759834e0,
        4.67627912898881538453e0,
        8.63602421390890590575e1,
        -2.25462687854119370527e2,
        2.00260212380060660359e2,
        -8.20372256168333339912e1,
        1.59056225126211695515e1,
        -1.18331621121330003142e0,
    ),
)
NDTRI_NEAR = (
    (
        4.05544892305962419923e0,
        3.15251094599893866154e1,
        5.71628192246421288162e1,
        4.40805073893200834700e1,
        1.46849561928858024014e1,
        2.18663306850790267539e0,
        -1.40256079171354495875e-1,
        -3.50424626827848203418e-2,
        -8.57456785154685413611e-4,
    ),
    (
        1.0,
        1.57799883256466749731e1,
        4.53907635128879210584e1,
        4.13172038254672030440e1,
        1.50425385692907503408e1,
        2.50464946208309415979e0,
        -1.42182922854787788574e-1,
        -3.80806407691578277194e-2,
        -9.33259480895457427372e-4,
    ),
)
NDTRI_FAR = (
    (
        3.23774891776946035970e0,
        6.91522889068984211695e0,
        3.93881025292474443415e0,
        1.33303460815807542389e0,
        2.01485389549179081538e-1,
        1.23716634817820021358e-2,
        3.01581553508235416007e-4,
        2.65806974686737550832e-6,
        6.23974539184983293730e-9,
    ),
    (
        1.0,
        6.02427039364742014255e0,
        3.67983563856160859403e0,
        1.37702099489081330271e0,
        2.16236993594496635890e-1,
        1.34204006088543189037e-2,
        3.28014464682127739104e-4,
        2.89247864745380683936e-6,
        6.79019408009981274425e-9,
    ),
)
# log(1 + x) = x - x^2 / 2 + x^3 P(x) between sqrt(1 / 2) and sqrt(2), as Cephes has it (S. L. Moshier, Cephes, logf.c).
LOG_NEAR_ONE = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
NDTRI_EDGE = float(np.exp(-2.0))
LARGE = 1e9
"""From here on, the squares of the inverse hyperbolic functions drown the 1 beside them."""


def erf(inputs: Inputs, attributes: Attributes) -> Any:
    """The error function: x P(x^2) / Q(x^2)."""
    x = tf.clip_by_value(inputs[0], -4.0, 4.0)
    square = x * x
    return x * _polynomial(ERF_NUMERATOR, square) / _polynomial(ERF_DENOMINATOR, square)


def erfc(inputs: Inputs, attributes: Attributes) -> Any:
    """1 - erf(x) near zero, exp(-x^2) P(1 / x^2) / x further out, where the rest would be lost in the 1."""
    x = tf.abs(inputs[0])
    far = tf.clip_by_value(x, 1.0, ERFC_END)
    # The square of a number of few digits is exact; the rest of it is small.
    coarse = tf.floor(64.0 * far) / 64.0
    bell = tf.exp(-coarse * coarse) * tf.exp((coarse - far) * (coarse + far))
    inverse = 1.0 / far
    square = inverse * inverse
    series = tf.where(far < 2.0, _polynomial(ERFC_NEAR, square), _polynomial(ERFC_FAR, square))
    tail = tf.where(x > ERFC_END, tf.zeros_like(x), bell * inverse * series)
    tail = tf.where(inputs[0] < 0.0, 2.0 - tail, tail)
    return tf.where(x < 1.0, 1.0 - erf(inputs, attributes), tail)


def erfinv(inputs: Inputs, attributes: Attributes) -> Any:
    """ndtri((x + 1) / 2) / sqrt(2), as TensorFlow's kernel has it, with all that its rounding of x + 1 loses."""
    return np.float32(np.sqrt(0.5)) * ndtri([0.5 * inputs[0] + 0.5], attributes)


def ndtri(inputs: Inputs, attributes: Attributes) -> Any:
    """The quantile function of the normal distribution."""
    p = inputs[0]
    left = p <= 1.0 - NDTRI_EDGE
    b = tf.where(left, p, 1.0 - p)
    centred = b - 0.5
    square = centred * centred
    middle = np.float32(np.sqrt(2.0 * np.pi)) * (centred + centred * (square * _ratio(NDTRI_MIDDLE, square)))
    x = tf.sqrt(-2.0 * tf.math.log(tf.minimum(b, NDTRI_EDGE)))
    z = 1.0 / x
    tail = x - tf.math.log(x) / x - z * tf.where(x < 8.0, _ratio(NDTRI_NEAR, z), _ratio(NDTRI_FAR, z))
    # Where p is 0 or 1, x is infinite, and so is the result.
    tail = tf.where(tf.equal(b, 0.0), x, tail)
    return tf.where(b > NDTRI_EDGE, middle, tf.where(left, -tail, tail))


def log1p(inputs: Inputs, attributes: Attributes) -> Any:
    """X - x^2 / 2 + x^3 P(x) around zero, log(1 + x) further out.

    Not Kahan's log(u) x / (u - 1), where u = 1 + x as rounded: XNNPACK's log has no digits right next to 1.
    """
    x = inputs[0]
    near = (x > np.sqrt(0.5) - 1.0) & (x < np.sqrt(2.0) - 1.0)
    small = tf.where(near, x, tf.zeros_like(x))
    square = small * small
    series = small + square * (small * _polynomial(LOG_NEAR_ONE, small) - 0.5)
    return tf.where(near, series, tf.math.log(1.0 + x))


def expm1(inputs: Inputs, attributes: Attributes) -> Any:
    """exp(x) - 1 = tanh(x / 2) (exp(x) + 1), right for small x as well."""
    x = inputs[0]
    return tf.tanh(0.5 * x) * (tf.exp(x) + 1.0)


def sinh(inputs: Inputs, attributes: Attributes) -> Any:
    """U (1 + 1 / (u + 1)) / 2, where u = exp(x) - 1."""
    x = tf.abs(inputs[0])
    u = expm1([x], attributes)
    return tf.sign(inputs[0]) * 0.5 * (u * (1.0 + 1.0 / (u + 1.0)))


def cosh(inputs: Inputs, attributes: Attributes) -> Any:
    """(exp(x) + exp(-x)) / 2."""
    return 0.5 * (tf.exp(inputs[0]) + tf.exp(-inputs[0]))


def asinh(inputs: Inputs, attributes: Attributes) -> Any:
    """sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))."""
    x = tf.abs(inputs[0])
    square = tf.minimum(x, LARGE) ** 2
    near = log1p([x + square / (1.0 + tf.sqrt(1.0 + square))], attributes)
    return tf.sign(inputs[0]) * tf.where(x > LARGE, _log_of_twice(x), near)


def acosh(inputs: Inputs, attributes: Attributes) -> Any:
    """log(x + sqrt(x - 1) sqrt(x + 1)), through log1p of x - 1; under one root, far below 1, it would be a number."""
    t = inputs[0] - 1.0
    near = log1p([t + tf.sqrt(t) * tf.sqrt(tf.minimum(t, LARGE) + 2.0)], attributes)
    return tf.where(t > LARGE, _log_of_twice(inputs[0]), near)


def _log_of_twice(x: Any) -> Any:
    return tf.math.log(x) + np.float32(np.log(2.0))


def atanh(inputs: Inputs, attributes: Attributes) -> Any:
    """log1p(2 x / (1 - x)) / 2."""
    x = tf.abs(inputs[0])
    return tf.sign(inputs[0]) * 0.5 * log1p([2.0 * x / (1.0 - x)], attributes)


def tan(inputs: Inputs, attributes: Attributes) -> Any:
    """sin(x) / cos(x)."""
    return tf.sin(inputs[0]) / tf.cos(inputs[0])


def is_inf(inputs: Inputs, attributes: Attributes) -> Any:
    """Not zero after it is taken from itself, though equal to itself: TFLite's converter has no infinite constants."""
    x = inputs[0]
    return tf.not_equal(x - x, 0.0) & tf.equal(x, x)


def equal(inputs: Inputs, attributes: Attributes) -> Any:
    """A comparison with an infinite constant, of `is_inf` and the sign; any other is left alone."""
    for x, other in (inputs, inputs[::-1]):
        limit = constant(other) if x.dtype.is_floating else None
        if limit is not None and np.ndim(limit) == 0 and np.isinf(limit):
            return is_inf([x], attributes) & (x > 0.0 if limit > 0 else x < 0.0)
    return None


def atan(inputs: Inputs, attributes: Attributes) -> Any:
    """atan2(x, 1)."""
    return tf.atan2(inputs[0], tf.ones_like(inputs[0]))


def asin(inputs: Inputs, attributes: Attributes) -> Any:
    """atan2(x, sqrt((1 - x) (1 + x)))."""
    x = inputs[0]
    return tf.atan2(x, tf.sqrt((1.0 - x) * (1.0 + x)))


def acos(inputs: Inputs, attributes: Attributes) -> Any:
    """atan2(sqrt((1 - x) (1 + x)), x)."""
    x = inputs[0]
    return tf.atan2(tf.sqrt((1.0 - x) * (1.0 + x)), x)


def xlogy(inputs: Inputs, attributes: Attributes) -> Any:
    """X log(y), and 0 where x is 0."""
    x, y = inputs
    zero = tf.equal(x, 0.0)
    return tf.where(zero, tf.zeros_like(x * y), x * tf.math.log(tf.where(zero, tf.ones_like(y), y)))


def rgb_to_hsv(inputs: Inputs, attributes: Attributes) -> Any:
    """Hue, saturation and value of colours on the last axis, as TensorFlow's kernel defines them."""
    red, green, blue = tf.unstack(inputs[0], axis=-1)
    value = tf.reduce_max(inputs[0], axis=-1)
    spread = value - tf.reduce_min(inputs[0], axis=-1)
    zeros = tf.zeros_like(value)
    saturation = tf.where(value > 0.0, spread / tf.where(value > 0.0, value, tf.ones_like(value)), zeros)
    unit = 1.0 / (6.0 * tf.where(spread > 0.0, spread, tf.ones_like(spread)))
    hue = tf.where(
        tf.equal(red, value),
        unit * (green - blue),
        tf.where(tf.equal(green, value), unit * (blue - red) + 2.0 / 6.0, unit * (red - green) + 4.0 / 6.0),
    )
    hue = tf.where(spread > 0.0, hue, zeros)
    return tf.stack([tf.where(hue < 0.0, hue + 1.0, hue), saturation, value], axis=-1)


def hsv_to_rgb(inputs: Inputs, attributes: Attributes) -> Any:
    """The inverse, as TensorFlow's kernel defines it."""
    hue, saturation, value = tf.unstack(inputs[0], axis=-1)
    hue = 6.0 * hue
    distances = (tf.abs(hue - 3.0) - 1.0, 2.0 - tf.abs(hue - 2.0), 2.0 - tf.abs(hue - 4.0))
    shares = (tf.clip_by_value(distance, 0.0, 1.0) for distance in distances)
    return tf.stack([(1.0 - saturation + saturation * share) * value for share in shares], axis=-1)


def _ratio(coefficients: tuple[Sequence[float], Sequence[float]], x: Any) -> Any:
    numerator, denominator = coefficients
    return _polynomial(numerator, x) / _polynomial(denominator, x)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Horner's rule, the highest power first."""
    result = tf.fill(tf.shape(x), np.float32(coefficients[0]))
    result.set_shape(x.shape)
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result
