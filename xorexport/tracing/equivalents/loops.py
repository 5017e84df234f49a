"""Recurrent layers without tensor lists, which TFLite's interpreters lack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from keras import tree


def plain_rnn(
    step_function: Callable[..., Any],
    inputs: Any,
    initial_states: Sequence[Any],
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence[Any] | None = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, list[Any]]:
    """What Keras' `backend.rnn` computes, in a loop over plain tensors.

    The outputs are a window of as many steps as the sequence has: each step drops the first and appends its own. So
    every shape is the same in each round, which is all that TFLite's WHILE asks for, and the batch and the number of
    steps may both be dynamic.

    Args:
        step_function: (inputs of a step, states + constants) -> (output, new states).
        inputs: of shape (batch, steps, ...), or (steps, batch, ...) where `time_major`; may be nested.
        initial_states: each of shape (batch, ...).
        mask: bool of shape (batch, steps); a masked step keeps output and states.
        unroll: of no account here.
        input_length: likewise, as Keras uses it only in place of a mask.
        zero_output_for_mask: whether a masked step's output is zero instead.

    Returns:
        The last output, all outputs (one of them, where not `return_all_outputs`) and the last states.
    """
    steps = tree.map_structure(lambda tensor: _order(tensor, not time_major, go_backwards), inputs)
    masks = None if mask is None else _order(_with_three_dimensions(mask), not time_major, go_backwards)
    first = tree.flatten(steps)[0]
    length = first.shape[0] if first.shape[0] is not None else tf.shape(first)[0]
    extra = tuple(constants or ())
    # Run once for the outputs' shapes and dtypes; nothing else is used of it.
    probe, _ = step_function(tree.map_structure(lambda tensor: tensor[0], steps), (*initial_states, *extra))

    def step(time: Any, last: Any, window: Any, *states: Any) -> tuple[Any, ...]:
        output, new_states = step_function(
            tree.map_structure(lambda tensor: tf.gather(tensor, time), steps), (*states, *extra)
        )
        if masks is not None:
            seen = tf.gather(masks, time)
            previous = tree.map_structure(tf.zeros_like, output) if zero_output_for_mask else last
            output = tree.map_structure(lambda new, old: _choose(seen, new, old), output, previous)
            new_states = [
                tree.map_structure(lambda new, old: _choose(seen, new, old), new, old)
                for new, old in zip(new_states, states, strict=True)
            ]
        if return_all_outputs:
            window = tree.map_structure(lambda kept, new: tf.concat([kept[1:], new[None]], 0), window, output)
        return (time + 1, output, window, *new_states)

    start = tree.map_structure(tf.zeros_like, probe)
    window = tree.map_structure(lambda tensor: _repeated(tensor, length), start) if return_all_outputs else ()
    loop = (tf.constant(0), start, window, *initial_states)
    _, last, window, *states = tf.while_loop(
        lambda time, *_: time < length,
        step,
        loop,
        shape_invariants=tree.map_structure(lambda tensor: tensor.shape, loop),
    )
    if return_all_outputs:
        outputs = tree.map_structure(lambda tensor: _order(tensor, not time_major, False), window)
    else:
        outputs = tree.map_structure(lambda tensor: tf.expand_dims(tensor, 0 if time_major else 1), last)
    return last, outputs, list(states)


def _order(tensor: Any, swap: bool, backwards: bool) -> Any:
    """Steps first, in the order in which the loop takes them."""
    if swap:
        tensor = tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])
    return tf.reverse(tensor, [0]) if backwards else tensor


def _with_three_dimensions(mask: Any) -> Any:
    mask = tf.cast(mask, tf.bool)
    return tf.expand_dims(mask, -1) if len(mask.shape) == 2 else mask


def _choose(mask: Any, new: Any, old: Any) -> Any:
    """`new` where the mask of shape (batch, 1) is true, else `old`; both of shape (batch, ...)."""
    return tf.where(tf.reshape(mask, [-1, *[1] * (len(new.shape) - 1)]), new, old)


def _repeated(tensor: Any, length: Any) -> Any:
    """Zeros of shape (length, *tensor.shape), with every static size kept."""
    window = tf.zeros(tf.concat([[length], tf.shape(tensor)], 0), tensor.dtype)
    window.set_shape([length if isinstance(length, int) else None, *tensor.shape])
    return window
