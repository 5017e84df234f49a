"""The sign of a float, which Keras reads from its bits: other formats have no bits of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from xorexport.tracing.equivalents.attributes import constant
from xorexport.tracing.equivalents.integers import sign_bit
from xorexport.tracing.substitution import Substitute

SIGN = np.iinfo(np.int32).min
"""The first bit alone."""


def of_bits(otherwise: Substitute | None) -> Substitute:
    """Makes `bits of a float & the first bit` of the float itself.

    Args:
        otherwise: what makes any other `BitwiseAnd`.
    """

    def bitwise_and(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        bits, mask = inputs
        if bits.op.type == "Bitcast" and bits.op.inputs[0].dtype == tf.float32 and constant(mask) == SIGN:
            negative = sign_bit(bits.op.inputs[0])
            return tf.where(negative, tf.constant(SIGN, tf.int32), tf.constant(0, tf.int32))
        return otherwise(inputs, attributes) if otherwise else None

    return bitwise_and
