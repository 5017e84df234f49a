"""A function that was traced before, done again op by op: everything is there, and everything can be replaced."""

import numpy as np
import pytest
import tensorflow as tf

from xorexport.tracing.replaying import Replay
from xorexport.tracing.replaying.replay import all_ops
from xorexport.tracing.substitution import substituted

X = np.float32([[-1.0, 0.5, 2.0], [0.25, -0.5, 1.0]])


def first(function, *specs):
    """The function as it is when it comes out of a SavedModel: traced, with an op for each call."""
    return tf.function(function, autograph=False, input_signature=specs).get_concrete_function()


def again(concrete, shape=(None, 3), dtype=tf.float32, table=None, **options):
    """The same in another graph, whose input has a shape of its own; returns the concrete function."""
    name = (concrete._arg_keywords or list(concrete.function_type.parameters))[0]
    outer = tf.function(
        lambda x: Replay(**options)(concrete, {name: x}),
        autograph=False,
        input_signature=[tf.TensorSpec(shape, dtype, "x")],
    )
    with substituted(table or {}):
        return outer.get_concrete_function()


ROWS = tf.TensorSpec((None, 3), tf.float32, "x")


def everywhere(x):
    """Sinh in a function, in a function that a layer calls, in a loop, in branches and in cases."""

    @tf.function(autograph=False)
    def inner(x):
        return tf.sinh(x, name="in_function")

    with tf.name_scope("layer"):
        y = inner(x) + 1.0
    _, y = tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, inner(y)), (0, y))
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.sinh(y), lambda: -y)
    return tf.switch_case(tf.shape(x)[0] - 2, [lambda: tf.sinh(y), lambda: y])


def test_it_computes_the_same_and_ops_are_replaced_wherever_they_are():
    concrete = first(everywhere, ROWS)
    np.testing.assert_array_equal(again(concrete)(tf.constant(X)), concrete(tf.constant(X)))
    found = again(concrete, table={"Sinh": lambda inputs, _: inputs[0] * 2.0})
    np.testing.assert_allclose(found(tf.constant(X)), (2 * X + 1) * 16)


def test_ops_keep_their_names_and_those_in_a_function_get_the_place_that_called_it():
    names = [op.name for op in again(first(everywhere, ROWS)).graph.get_operations()]
    assert "layer/in_function" in names
    assert "while" in names
    assert not any("PartitionedCall" in name for name in names)


def test_sizes_that_are_fixed_now_are_known_everywhere():
    def function(x):
        grown = tf.while_loop(
            lambda i, *_: i < 3,
            lambda i, y, z: (i + 1, y + 1.0, tf.concat([z, y], 0)),
            (0, x, x),
            shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 3]), tf.TensorShape([None, 3])),
        )
        return {"same": grown[1], "more": grown[2]}

    found = again(first(function, ROWS), (2, 3))
    assert found.structured_outputs["same"].shape == (2, 3)
    assert found.structured_outputs["more"].shape == (None, 3)
    np.testing.assert_array_equal(found(tf.constant(X))["more"], np.concatenate([X, X, X + 1, X + 2]))


def test_sizes_that_are_fixed_now_are_known_behind_what_is_made_of_them():
    def function(x):
        sizes = tf.shape(x)
        halves = tf.reshape(x, [sizes[0], sizes[1] * 2, sizes[2] // 2])
        return {"halves": halves, "product": tf.tensordot(x, tf.ones((4, 5)), 1)}

    concrete = first(function, tf.TensorSpec((None, None, 4), tf.float32, "x"))
    found = again(concrete, (None, 6, 4))
    assert found.structured_outputs["halves"].shape == (None, 12, 2)
    assert found.structured_outputs["product"].shape == (None, 6, 5)
    x = tf.reshape(tf.range(48.0), (2, 6, 4))
    for name, array in found(x).items():
        np.testing.assert_array_equal(array, concrete(x)[name])


def test_float32_takes_the_place_of_other_floats():
    weight = tf.Variable(np.eye(3) * 3.0)

    def function(x):
        half = tf.cast(x, tf.float16) * np.float16(2)
        _, y = tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, y @ weight), (0, x))
        return y + tf.cast(half, tf.float64) + tf.linspace(np.float64(0), 1, 3)

    concrete = first(function, tf.TensorSpec((None, 3), tf.float64, "x"))
    found = again(concrete, float32=True)
    result = found(tf.constant(X))
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, 11 * X + [0, 0.5, 1])
    assert not [op for op in found.graph.get_operations() for out in op.outputs if out.dtype == tf.float16]


def backwards(x):
    """Writes the last step first, reads it all again, and in another loop inside of it."""
    steps = tf.transpose(x)
    out = tf.TensorArray(tf.float32, size=3, element_shape=(None,))

    def body(i, out, total):
        inner = tf.TensorArray(tf.float32, size=2, element_shape=(None,))
        _, inner = tf.while_loop(
            lambda j, *_: j < 2, lambda j, a: (j + 1, a.write(j, steps[i] + tf.cast(j, tf.float32))), (0, inner)
        )
        total = total + tf.reduce_sum(inner.stack(), 0)
        return i - 1, out.write(i, total), total

    _, out, _ = tf.while_loop(lambda i, *_: i >= 0, body, (2, out, tf.zeros_like(steps[0])))
    doubled = tf.map_fn(lambda row: (row * 2.0, row > 0.0), x, fn_output_signature=(tf.float32, tf.bool))
    return {"out": tf.transpose(out.stack()), "length": out.size(), "doubled": doubled[0], "positive": doubled[1]}


@pytest.mark.parametrize("shape", [(None, 3), (2, 3)], ids=["dynamic", "fixed"])
def test_tensor_lists_become_plain_tensors(shape):
    concrete = first(backwards, ROWS)
    found = again(concrete, shape, plain=True)
    assert not [op.type for op in all_ops(found.graph) if "TensorList" in op.type]
    expected = concrete(tf.constant(X))
    for name, array in found(tf.constant(X)).items():
        np.testing.assert_array_equal(array, expected[name])
    np.testing.assert_array_equal(expected["doubled"], 2 * X)


def test_a_list_that_grows_stays_a_list():
    def function(x):
        grown = tf.TensorArray(tf.float32, size=0, dynamic_size=True, element_shape=(3,))
        return grown.write(0, x[0]).write(1, x[1]).stack()

    found = again(first(function, ROWS), plain=True)
    assert "TensorListReserve" in {op.type for op in all_ops(found.graph)}
    np.testing.assert_array_equal(found(tf.constant(X)), X)


def test_variables_are_set_in_their_order_or_not_at_all():
    variable = tf.Variable(1.0)

    def function(x):
        before = variable.read_value()
        variable.assign_add(1.0)
        variable.assign(variable * 10.0)
        return x * before

    concrete = first(function, ROWS)
    np.testing.assert_array_equal(again(concrete, effects=False)(tf.constant(X)), X)
    assert variable.numpy() == 1.0
    np.testing.assert_array_equal(again(concrete)(tf.constant(X)), X)
    assert variable.numpy() == 20.0


def test_what_is_compiled_with_xla_becomes_a_part_of_the_graph_only_where_it_shall():
    compiled = tf.function(lambda x: tf.sinh(x) * 2.0, jit_compile=True, autograph=False)
    concrete = first(lambda x: compiled(x) + 1.0, ROWS)
    for inline in (False, True):
        found = again(concrete, inline=inline)
        assert ("PartitionedCall" in {op.type for op in found.graph.get_operations()}) is not inline
        np.testing.assert_allclose(found(tf.constant(X)), np.sinh(X) * 2 + 1, rtol=1e-6)


def test_loops_of_tensorflow_1_stay_a_call():
    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            fed = tf.compat.v1.placeholder(tf.float32, (None, 3), "x")
            tf.while_loop(lambda i, _: i < 2, lambda i, y: (i + 1, tf.sinh(y)), (0, fed))
    finally:
        tf.compat.v1.enable_control_flow_v2()

    def function(x):
        return tf.graph_util.import_graph_def(graph.as_graph_def(), {"x": x}, ["while/Exit_1:0"])[0]

    concrete = tf.compat.v1.wrap_function(function, [ROWS])
    # As it is loaded.
    concrete._arg_keywords, concrete._num_positional_args = ["x"], 0
    found = again(concrete)
    assert "PartitionedCall" in {op.type for op in found.graph.get_operations()}
    np.testing.assert_allclose(found(tf.constant(X)), np.sinh(np.sinh(X)), rtol=1e-5)
