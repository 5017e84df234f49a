"""Ops in place of the reference evaluator's own, on models that ONNX Runtime runs too."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from xorexport.runtimes.onnx_reference import name_unused
from xorexport.runtimes.onnx_reference_ops import NEW_OPS

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def constant(name, value):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value), name))


def info(name, kind=FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def both(model, given):
    """What ONNX Runtime returns and what the evaluator does with the replaced ops."""
    given = {name: np.asarray(value) for name, value in given.items()}
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return runtime.run(None, given), ReferenceEvaluator(model, new_ops=NEW_OPS).run(None, given)


def assert_equal(pair):
    expected, found = pair
    assert len(expected) == len(found)
    for one, other in zip(expected, found, strict=True):
        assert (np.shape(other), other.dtype) == (one.shape, one.dtype)
        np.testing.assert_array_equal(other, one)
    return found


# Loops.


def loop(stop, *, most=True, going=True, shape=(2,)):
    """Doubles a number and adds the round's, until it is past `stop`; keeps it, and a value of the outer graph.

    Returns:
        The last number, all numbers, and the sums with a tensor that only the outer graph has.
    """
    body = helper.make_graph(
        [
            constant("two", np.float32(2)),
            helper.make_node("Cast", ["round"], ["number"], to=FLOAT),
            helper.make_node("Mul", ["x", "two"], ["twice"]),
            helper.make_node("Add", ["twice", "number"], ["next"]),
            constant("stop", np.float32(stop)),
            helper.make_node("ReduceMax", ["next"], ["largest"], keepdims=0),
            helper.make_node("Less", ["largest", "stop"], ["more"]),
            helper.make_node("Identity", ["next"], ["kept"]),
            helper.make_node("Add", ["next", "offset"], ["shifted"]),
        ],
        "body",
        [info("round", INT64, []), info("going", BOOL, []), info("x", FLOAT, shape)],
        [info("more", BOOL, []), info("next", FLOAT, shape), info("kept", FLOAT, shape), info("shifted", FLOAT, shape)],
    )
    inputs = [name if wanted else "" for name, wanted in (("most", most), ("go", going))]
    nodes = [
        helper.make_node("Add", ["given", "given"], ["offset"]),
        helper.make_node("Loop", [*inputs, "given"], ["last", "all", "shifted_all"], body=body),
    ]
    rows = (None, *shape)
    outputs = [info("last", FLOAT, shape), info("all", FLOAT, rows), info("shifted_all", FLOAT, rows)]
    given = [("most", INT64, [], most), ("go", BOOL, [], going), ("given", FLOAT, shape, True)]
    return model_of(nodes, [info(name, kind, size) for name, kind, size, wanted in given if wanted], outputs)


X = np.float32([0.5, -1.25])


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_scan_outputs_are_stacked_and_the_outer_graph_is_in_sight(rounds):
    given = {"most": np.int64(rounds), "go": np.bool_(True), "given": X}
    last, kept, shifted = assert_equal(both(loop(np.inf), given))
    assert kept.shape == (rounds, 2)
    np.testing.assert_array_equal(kept[-1], last)
    np.testing.assert_array_equal(shifted, kept + 2 * X)


@pytest.mark.parametrize(("most", "going"), [(0, True), (5, False), (0, False)])
def test_a_loop_may_have_no_round_at_all(most, going):
    given = {"most": np.int64(most), "go": np.bool_(going), "given": X}
    last, kept, _ = assert_equal(both(loop(np.inf), given))
    np.testing.assert_array_equal(last, X)
    assert kept.shape == (0, 2)


def test_the_condition_ends_a_loop_after_the_round_that_made_it_false():
    given = {"most": np.int64(50), "go": np.bool_(True), "given": X}
    _, kept, _ = assert_equal(both(loop(9.0), given))
    assert kept.max(axis=1).tolist() == [1.0, 3.0, 8.0, 19.0]
    first = assert_equal(both(loop(-100.0), given))
    assert len(first[1]) == 1


def test_a_loop_may_go_on_by_number_or_by_condition_alone():
    assert_equal(both(loop(9.0, most=False), {"go": np.bool_(True), "given": X}))
    assert_equal(both(loop(9.0, going=False), {"most": np.int64(2), "given": X}))
    assert_equal(both(loop(9.0, most=False, going=False), {"given": X}))


def test_states_of_any_rank_are_stacked():
    for shape in ((), (1,), (2, 1, 3)):
        x = np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
        given = {"most": np.int64(3), "go": np.bool_(True), "given": x}
        assert assert_equal(both(loop(np.inf, shape=shape), given))[1].shape == (3, *shape)


def test_loops_inside_of_loops_see_both_graphs_around_them():
    inner = helper.make_graph(
        [
            helper.make_node("Add", ["y", "offset"], ["plus_outermost"]),
            helper.make_node("Add", ["plus_outermost", "x"], ["y_next"]),
            helper.make_node("Identity", ["inner_going"], ["inner_more"]),
            helper.make_node("Identity", ["y_next"], ["y_kept"]),
        ],
        "inner",
        [info("inner_round", INT64, []), info("inner_going", BOOL, []), info("y", FLOAT, [2])],
        [info("inner_more", BOOL, []), info("y_next", FLOAT, [2]), info("y_kept", FLOAT, [2])],
    )
    body = helper.make_graph(
        [
            constant("three", np.int64(3)),
            helper.make_node("Loop", ["three", "", "x"], ["x_next", "ys"], body=inner),
            helper.make_node("Identity", ["going"], ["more"]),
            helper.make_node("Identity", ["ys"], ["ys_kept"]),
        ],
        "body",
        [info("round", INT64, []), info("going", BOOL, []), info("x", FLOAT, [2])],
        [info("more", BOOL, []), info("x_next", FLOAT, [2]), info("ys_kept", FLOAT, [None, 2])],
    )
    model = model_of(
        [
            constant("offset", np.float32(0.25)),
            helper.make_node("Loop", ["most", "", "given"], ["last", "all"], body=body),
        ],
        [info("most", INT64, []), info("given", FLOAT, [2])],
        [info("last", FLOAT, [2]), info("all", FLOAT, [None, None, 2])],
    )
    _, kept = assert_equal(both(model, {"most": np.int64(2), "given": X}))
    assert kept.shape == (2, 3, 2)


# One-hot.


def one_hot(axis, kind, rank, indices=INT64, depth_shape=()):
    attributes = {} if axis is None else {"axis": axis}
    return model_of(
        [helper.make_node("OneHot", ["indices", "depth", "values"], ["y"], **attributes)],
        [
            info("indices", indices, [None] * rank),
            info("depth", INT64, depth_shape),
            info("values", kind, [2]),
        ],
        [info("y", kind, [None] * (rank + 1))],
    )


INDICES = np.int64([[0, 3, -1, -4], [2, 4, -5, 9], [1, 1, 0, -2]])
"""Of four: all of them, counted from either end, and some beyond each."""


@pytest.mark.parametrize("depth_shape", [(), (1,)], ids=["scalar", "one element"])
@pytest.mark.parametrize("axis", [None, -1, 0, 1, -2, 2])
def test_one_hot_puts_the_classes_on_any_axis(axis, depth_shape):
    given = {
        "indices": INDICES,
        "depth": np.full(depth_shape, 4, np.int64),
        "values": np.float32([-0.5, 2.0]),
    }
    (hot,) = assert_equal(both(one_hot(axis, FLOAT, 2, depth_shape=depth_shape), given))
    assert hot.shape == {None: (3, 4, 4), -1: (3, 4, 4), 2: (3, 4, 4), 0: (4, 3, 4), 1: (3, 4, 4), -2: (3, 4, 4)}[axis]
    assert np.moveaxis(hot, -1 if axis is None else axis, -1)[0].tolist() == [
        [2.0, -0.5, -0.5, -0.5],
        [-0.5, -0.5, -0.5, 2.0],
        [-0.5, -0.5, -0.5, 2.0],
        [2.0, -0.5, -0.5, -0.5],
    ]
    # Beyond either end is no class.
    assert np.moveaxis(hot, -1 if axis is None else axis, -1)[1].max(-1).tolist() == [2.0, -0.5, -0.5, -0.5]


@pytest.mark.parametrize(("kind", "indices"), [(FLOAT, INT64), (INT64, INT64)])
def test_one_hot_keeps_the_dtype_of_its_values(kind, indices):
    dtypes = {FLOAT: np.float32, INT64: np.int64}
    given = {
        "indices": INDICES[0].astype(dtypes[indices]),
        "depth": np.int64(4),
        "values": np.array([7, 3], dtypes[kind]),
    }
    (hot,) = assert_equal(both(one_hot(-1, kind, 1, indices), given))
    assert hot.dtype == dtypes[kind]


def test_an_output_without_a_name_is_not_taken_for_an_input_that_is_left_out():
    text = """
        <ir_version: 8, opset_import: ["" : 18]>
        m (float[n] x, bool more) => (int64[k] counts, float[n] y) {
            values, "", "", counts = Unique (x)
            y = Loop ("", more, x) <body = b (int64 i, bool go, float[n] a) => (bool stop, float[n] b) {
                b = Neg (a)
                stop = Not (go)
            }>
        }
    """
    model = onnx.parser.parse_model(text)
    given = {"x": np.float32([4, 2, 4, 1]), "more": np.bool_(True)}
    with pytest.raises(ValueError, match="ambiguous"):
        both(model, given)
    name_unused(model.graph)
    counts, y = assert_equal(both(model, given))
    assert (counts.tolist(), y.tolist()) == ([1, 1, 2], [-4, -2, -4, -1])
