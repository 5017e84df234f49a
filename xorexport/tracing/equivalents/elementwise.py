"""Functions of one number, of simpler ones. Each is within a few units in the last place of TensorFlow's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

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

# M. Giles, "Approximating the erfinv function", GPU Computing Gems 2, 2010: single precision, centre and tails.
ERFINV_CENTRE = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
ERFINV_TAILS = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def erf(inputs: Inputs, attributes: Attributes) -> Any:
    """The error function: x P(x^2) / Q(x^2)."""
    x = tf.clip_by_value(inputs[0], -4.0, 4.0)
    square = x * x
    return x * _polynomial(ERF_NUMERATOR, square) / _polynomial(ERF_DENOMINATOR, square)


def erfc(inputs: Inputs, attributes: Attributes) -> Any:
    """1 - erf: right to 1e-7 absolutely."""
    return 1.0 - tf.math.erf(inputs[0])


def erfc_of_basics(inputs: Inputs, attributes: Attributes) -> Any:
    """The same where there is no erf either."""
    return 1.0 - erf(inputs, attributes)


def erfinv(inputs: Inputs, attributes: Attributes) -> Any:
    """The inverse error function: x P(-log(1 - x^2))."""
    x = inputs[0]
    w = -tf.math.log((1.0 - x) * (1.0 + x))
    centre = _polynomial(ERFINV_CENTRE, w - 2.5)
    tails = _polynomial(ERFINV_TAILS, tf.sqrt(tf.maximum(w, 5.0)) - 3.0)
    return x * tf.where(w < 5.0, centre, tails)


def ndtri(inputs: Inputs, attributes: Attributes) -> Any:
    """The quantile function of the normal distribution: sqrt(2) erfinv(2 p - 1)."""
    return np.float32(np.sqrt(2.0)) * erfinv([2.0 * inputs[0] - 1.0], attributes)


def log1p(inputs: Inputs, attributes: Attributes) -> Any:
    """log(1 + x), right for small x as well: log(u) x / (u - 1), where u = 1 + x as rounded.

    Source: W. Kahan's formula; see Goldberg, "What every computer scientist should know about floating-point
    arithmetic", theorem 4.
    """
    x = inputs[0]
    u = 1.0 + x
    small = tf.equal(u, 1.0)
    apart = tf.where(small, tf.ones_like(u), u - 1.0)
    return tf.where(small | tf.math.greater(u, 3e38), tf.where(small, x, tf.math.log(u)), tf.math.log(u) * (x / apart))


def expm1(inputs: Inputs, attributes: Attributes) -> Any:
    """exp(x) - 1 = tanh(x / 2) (exp(x) + 1), right for small x as well."""
    x = inputs[0]
    return tf.tanh(0.5 * x) * (tf.exp(x) + 1.0)


def sinh(inputs: Inputs, attributes: Attributes) -> Any:
    """(u + u / (u + 1)) / 2, where u = exp(x) - 1."""
    x = tf.abs(inputs[0])
    u = expm1([x], attributes)
    return tf.sign(inputs[0]) * 0.5 * (u + u / (u + 1.0))


def cosh(inputs: Inputs, attributes: Attributes) -> Any:
    """(exp(x) + exp(-x)) / 2."""
    return 0.5 * (tf.exp(inputs[0]) + tf.exp(-inputs[0]))


def asinh(inputs: Inputs, attributes: Attributes) -> Any:
    """sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))."""
    x = tf.abs(inputs[0])
    square = x * x
    return tf.sign(inputs[0]) * log1p([x + square / (1.0 + tf.sqrt(1.0 + square))], attributes)


def acosh(inputs: Inputs, attributes: Attributes) -> Any:
    """log(x + sqrt((x - 1) (x + 1))), through log1p of x - 1."""
    t = inputs[0] - 1.0
    return log1p([t + tf.sqrt(t * (t + 2.0))], attributes)


def atanh(inputs: Inputs, attributes: Attributes) -> Any:
    """log1p(2 x / (1 - x)) / 2."""
    x = tf.abs(inputs[0])
    return tf.sign(inputs[0]) * 0.5 * log1p([2.0 * x / (1.0 - x)], attributes)


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


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Horner's rule, the highest power first."""
    result = tf.fill(tf.shape(x), np.float32(coefficients[0]))
    result.set_shape(x.shape)
    for coefficient in coefficients[1:]:
        result = result * x + coefficient
    return result
