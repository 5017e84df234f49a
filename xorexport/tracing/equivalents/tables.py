"""Lookup tables with whole numbers as keys, of a comparison with every key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf


def lookup(inputs: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """The value of the key that is equal, or the default; tables of strings are left alone."""
    table, keys, default = inputs
    if keys.dtype == tf.string or default.dtype == tf.string:
        return None
    content = _content(table, keys.dtype, default.dtype)
    if content is None:
        return None
    known, values = content
    equal = tf.equal(tf.expand_dims(keys, -1), tf.constant(known, keys.dtype))
    found = tf.reduce_sum(tf.cast(equal, default.dtype) * tf.constant(values, default.dtype), axis=-1)
    return tf.where(tf.reduce_any(equal, axis=-1), found, default)


def _content(table: Any, key_dtype: tf.DType, value_dtype: tf.DType) -> tuple[Any, Any] | None:
    """Keys and values of a table that the graph captures, read from the table itself."""
    graph = table.graph
    for outer, inner in graph.captures:
        if inner is table and hasattr(outer, "numpy"):
            with tf.init_scope():
                keys, values = tf.raw_ops.LookupTableExportV2(table_handle=outer, Tkeys=key_dtype, Tvalues=value_dtype)
            return keys.numpy(), values.numpy()
    return None
