"""Other ops in an op's place while a graph is traced: everywhere in it, and nowhere else."""

import numpy as np
import pytest
import tensorflow as tf
from equivalent_ops import frozen_with

from xorexport.tracing.substitution import rewritten, substituted

X = np.float32([[-1.0, 0.5, 2.0]])


def doubled(inputs, attributes):
    """Not what it replaces, so that it shows."""
    return inputs[0] * 2.0


def test_the_op_is_built_of_others_and_leaves_the_rest_alone():
    graph = frozen_with({"Sinh": doubled}, lambda x: tf.cosh(tf.sinh(x)) + tf.sinh(x), X)
    assert "Sinh" not in graph.op_types
    assert "Cosh" in graph.op_types
    np.testing.assert_allclose(graph.run(X)[0], np.cosh(2 * X) + 2 * X, rtol=1e-6)


def test_bodies_of_loops_and_branches_are_a_part_of_the_graph():
    @tf.function(autograph=False)
    def inner(x):
        return tf.sinh(x) + 1.0

    def function(x):
        _, x = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, tf.sinh(y)), (0, x))
        x = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sinh(x), lambda: -tf.sinh(x))
        return inner(x)

    graph = frozen_with({"Sinh": doubled}, function, X)
    assert "Sinh" not in graph.op_types
    np.testing.assert_allclose(graph.run(X)[0], 32 * X + 1.0)


def test_a_substitute_is_not_substituted_itself():
    graph = frozen_with({"Sinh": lambda inputs, _: -tf.sinh(inputs[0])}, tf.sinh, X)
    np.testing.assert_allclose(graph.run(X)[0], -np.sinh(X), rtol=1e-6)


def test_a_substitute_may_decline_by_what_it_sees():
    seen = []

    def first_alone(inputs, attributes):
        seen.append((inputs[0].shape.as_list(), attributes["transpose_b"].b, attributes["T"].type))
        return None if attributes["transpose_b"].b else tf.zeros([1, 1])

    def function(x):
        return x @ tf.transpose(x), tf.matmul(x, x, transpose_b=True)

    graph = frozen_with({"MatMul": first_alone}, function, X)
    assert seen == [([1, 3], False, tf.float32.as_datatype_enum), ([1, 3], True, tf.float32.as_datatype_enum)]
    plain, transposed = graph.run(X)
    assert transposed.item() == np.float32(5.25)
    assert plain.item() == 0.0


def test_every_output_of_an_op_is_replaced_and_keeps_its_shape():
    def swapped(inputs, attributes):
        order = tf.reverse(tf.argsort(inputs[0], axis=-1), [-1])[..., :2]
        values = tf.gather(inputs[0], order, batch_dims=1)
        # Of a shape that nobody knows any more.
        values = tf.raw_ops.PlaceholderWithDefault(input=values, shape=tf.TensorShape(None))
        return [values, tf.zeros(tf.shape(order), tf.int32)]

    shapes = []

    def function(x):
        values, places = tf.math.top_k(x, 2)
        shapes.extend([values.shape.as_list(), places.shape.as_list()])
        return values, places

    graph = frozen_with({"TopKV2": swapped}, function, X, shapes=[(None, 3)])
    values, places = graph.run(X)
    assert values.tolist() == [[2.0, 0.5]]
    assert places.tolist() == [[0, 0]]
    assert shapes == [[None, 2], [None, 2]]


def test_too_few_outputs_are_an_error_not_a_wrong_graph():
    with pytest.raises(ValueError, match="zip"):
        frozen_with({"TopKV2": lambda inputs, _: inputs[0][:, :2]}, lambda x: tf.math.top_k(x, 2), X)


def test_what_runs_at_once_is_left_alone_and_afterwards_all_is_as_it_was():
    with substituted({"Sinh": doubled}):
        np.testing.assert_allclose(tf.sinh(X), np.sinh(X), rtol=1e-6)
    assert "Sinh" in frozen_with({}, tf.sinh, X).op_types
    with pytest.raises(KeyError), substituted({"Sinh": doubled}):
        raise KeyError
    assert "Sinh" in frozen_with({}, tf.sinh, X).op_types


def test_an_empty_table_changes_nothing():
    plain, other = frozen_with({}, tf.sinh, X), frozen_with({"Cosh": doubled}, tf.sinh, X)
    assert plain.definition == other.definition


def test_a_rewrite_sees_every_op_and_its_outputs_but_none_of_its_own():
    seen = []

    def halve(op_type, inputs, attributes, outputs):
        seen.append((op_type, len(inputs), attributes["T"].type if "T" in attributes else None))
        return [outputs[0] * 0.5] if op_type == "Sinh" else None

    traced = tf.function(lambda x: tf.cosh(tf.sinh(x)), input_signature=[tf.TensorSpec(X.shape)], autograph=False)
    with rewritten(halve):
        concrete = traced.get_concrete_function()
    by_type = {op_type: rest for op_type, *rest in seen}
    assert by_type["Sinh"] == by_type["Cosh"] == [1, tf.float32.as_datatype_enum]
    assert "Mul" not in by_type
    np.testing.assert_allclose(concrete(tf.constant(X)), np.cosh(np.sinh(X) / 2), rtol=1e-6)
