"""Tensor lists as plain tensors: their elements on the first axis.

TFLite's interpreters have no lists, and its converter makes plain tensors of those alone whose elements have sizes that
it knows. Here an element's size may be known when it is first written, and the batch stays dynamic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf


@dataclass(frozen=True)
class Reserved:
    """A list in which nothing was written yet, so that the sizes of its elements are not known.

    Attributes:
        length: the number of its elements, a number or a tensor.
    """

    length: Any

    def written(self, item: Any) -> Any:
        """Zeros of shape (length, *item.shape), with every static size kept."""
        zeros = tf.zeros(tf.concat([[self.length], tf.shape(item)], 0), item.dtype)
        zeros.set_shape([tf.get_static_value(self.length), *item.shape])
        return zeros


def plain(op: Any) -> bool:
    """Whether an op on lists, or any other, leaves them as long as they are; those that grow have no sizes."""
    if "TensorList" not in op.type:
        return True
    return op.type in LISTS and not op.node_def.attr["resize_if_index_out_of_bounds"].b


def _reserve(inputs: Sequence[Any]) -> Any:
    return Reserved(inputs[1])


def _set_item(inputs: Sequence[Any]) -> Any:
    """The element where its place is, all others as they were."""
    items, index, item = inputs
    if isinstance(items, Reserved):
        items = items.written(item)
    places = tf.range(tf.shape(items)[0])
    # A row an element: no interpreter chooses in more than a few dimensions.
    rows = tf.reshape(tf.equal(places, index), [-1, 1])
    chosen = tf.where(rows, tf.reshape(item, [1, -1]), tf.reshape(items, [tf.shape(items)[0], -1]))
    written = tf.reshape(chosen, tf.shape(items))
    written.set_shape(items.shape)
    return written


def _get_item(inputs: Sequence[Any]) -> Any:
    return tf.gather(inputs[0], inputs[1])


def _as_it_is(inputs: Sequence[Any]) -> Any:
    return inputs[0]


def _length(inputs: Sequence[Any]) -> Any:
    items = inputs[0]
    return items.length if isinstance(items, Reserved) else tf.shape(items)[0]


LISTS: dict[str, Callable[[Sequence[Any]], Any]] = {
    "TensorListFromTensor": _as_it_is,
    "TensorListGetItem": _get_item,
    "TensorListLength": _length,
    "TensorListReserve": _reserve,
    "TensorListSetItem": _set_item,
    "TensorListStack": _as_it_is,
}
"""What takes an op's place, by its type."""
