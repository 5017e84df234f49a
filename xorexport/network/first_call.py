"""Sequential models without an input of their own: Keras builds them from their first call, whose batch they keep."""

from __future__ import annotations

import keras
import tensorflow as tf

from xorexport.network.graph import has_graph
from xorexport.network.names import GENERATED_INPUT
from xorexport.network.scopes import safe_scopes
from xorexport.samples import SIZES


def with_free_batch(model: keras.Model) -> tuple[keras.Model, str]:
    """The model with a dynamic batch, where the one that it has is that of its first call.

    In Python, what the input was made from tells such a batch from one that was fixed on purpose. In a file both look
    alike but for the input's name: Keras makes one up where the user gave none.

    Returns:
        A new model of the very same layers, or the model itself; and a note on what its batch is, or nothing.
    """
    if not (isinstance(model, keras.Sequential) and has_graph(model) and _made_by_a_call(model)):
        return model, ""
    batch = model._layers[0].batch_shape[0]
    free = _rebuilt(model)
    if free is None:
        return model, f"the batch is fixed at {batch}, as in the model's first call: its layers take no other"
    return free, f"the batch may have any size, since {batch} is that of the model's first call; --signature can fix it"


def _made_by_a_call(model: keras.Sequential) -> bool:
    """Whether a fixed batch comes from a call: Keras makes the input from a whole shape and a dtype then."""
    first = model._layers[0]
    made = first._auto_config.config if first._auto_config is not None else {}
    unnamed = GENERATED_INPUT.match(first.name) is not None
    return unnamed and first.batch_shape[0] is not None and bool(made.get("batch_shape") and made.get("dtype"))


def _rebuilt(model: keras.Sequential) -> keras.Sequential | None:
    """A Sequential of the same layers with a dynamic batch; nothing where they do not take it."""
    first = model._layers[0]
    batch, *rest = first.batch_shape
    inputs = keras.Input(batch_shape=(None, *rest), dtype=first.dtype, name=first.name)
    rows = tf.zeros((2 if batch != 2 else 3, *(size or SIZES[0] for size in rest)), first.dtype)
    try:
        with safe_scopes(model):
            rebuilt = keras.Sequential([inputs, *model.layers], name=model.name, trainable=model.trainable)
            rebuilt.dtype_policy = model.dtype_policy
            # Layers that need the batch, or have it in their weights or states, show it in a graph and with other rows.
            spec = tf.TensorSpec((None, *rest), first.dtype)
            tf.function(lambda x: rebuilt(x, training=False), input_signature=[spec], autograph=False)(rows)
    except Exception:
        # The user's layers run here, and may raise anything.
        return None
    return rebuilt
