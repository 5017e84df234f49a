"""The order, the merging and the names of ONNX graphs: hand-made ones, checked by ONNX and run before and after."""

import random
import time

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx import helper as make
from support import sample_model

from xorexport.onnx_order import put_in_order

X = np.random.default_rng(2).uniform(-2, 2, (3, 2)).astype(np.float32)


def value(name, shape=(None, 2), kind=TensorProto.FLOAT):
    return make.make_tensor_value_info(name, kind, shape)


def constant(name, values, dtype=np.float32):
    return onnx.numpy_helper.from_array(np.array(values, dtype), name)


def node(op_type, reads, writes, **attributes):
    return make.make_node(op_type, reads.split(), writes.split(), **attributes)


def graph(nodes, outputs="y", constants=(), inputs=(), name="g"):
    """Outputs are matrices of any size, or of the rank behind their name and a dot."""
    ranks = [(end.partition(".")[0], int(end.partition(".")[2] or 2)) for end in outputs.split()]
    ends = [value(end, [None] * rank) for end, rank in ranks]
    return make.make_graph(nodes, name, inputs or [value("x")], ends, list(constants))


def run(of, **inputs):
    """What the graph computes, by name, after ONNX' own checker accepted it."""
    model = make.make_model(of, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [end.name for end in of.output]
    return dict(zip(names, session.run(names, inputs or {"x": X}), strict=True))


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)


def shuffled(of, seed):
    """The graph with its nodes in another order, those of bodies included: tf2onnx' own may be any."""
    nodes = [onnx.NodeProto.FromString(entry.SerializeToString()) for entry in of.node]
    random.Random(seed).shuffle(nodes)
    del of.node[:]
    of.node.extend(nodes)
    for entry in of.node:
        for attribute in entry.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                shuffled(attribute.g, seed)
    return of


def in_order(of, **inputs):
    """The graph in order, after it was shuffled; it computes what it did."""
    before, interface = run(of, **inputs), [list(of.input), list(of.output)]
    shuffled(of, seed=4)
    interface = [[end.SerializeToString() for end in side] for side in interface]
    put_in_order(of)
    assert_same(run(of, **inputs), before)
    assert [[end.SerializeToString() for end in side] for side in (of.input, of.output)] == interface
    return of


def ops(of):
    return [entry.op_type for entry in of.node]


def wiring(of):
    return [(entry.op_type, *entry.input, "->", *entry.output) for entry in of.node]


# Order.


def test_nodes_stand_behind_what_they_read_whatever_order_they_came_in():
    nodes = [
        node("Neg", "x", "a"),
        node("Abs", "a", "b"),
        node("Exp", "a", "c"),
        node("Sub", "c b", "d"),
        node("Mul", "d x", "y"),
        node("Tanh", "b", "z"),
    ]
    results = set()
    for seed in range(8):
        shuffled = random.Random(seed).sample(nodes, len(nodes))
        of = graph(shuffled, "y z")
        put_in_order(of)
        results.add(tuple(wiring(of)))
    (only,) = results
    # Depth first: what the first output reads first comes first.
    assert [entry[-1] for entry in only] == ["a", "c", "b", "d", "y", "z"]
    in_order(of)


def test_nodes_that_no_output_needs_are_left_out():
    of = in_order(graph([node("Neg", "x", "unused"), node("Abs", "unused", "more"), node("Exp", "x", "y")]))
    assert ops(of) == ["Exp"]


def test_a_chain_of_thousands_of_nodes_needs_no_stack_of_pythons():
    count = 3000
    nodes = [node("Identity" if i % 3 == 2 else "Neg", f"n{i}", f"n{i + 1}") for i in range(count)][::-1]
    nodes.append(node("Identity", "x", "n0"))
    of = graph(nodes, f"n{count}")
    started = time.perf_counter()
    put_in_order(of)
    assert time.perf_counter() - started < 10
    assert ops(of) == ["Neg"] * (count * 2 // 3)
    assert (of.node[0].input[0], of.node[-1].output[0]) == ("x", f"n{count}")
    assert all(later.input[0] == former.output[0] for former, later in zip(of.node, of.node[1:], strict=False))
    np.testing.assert_array_equal(run(of)[f"n{count}"], X)


# Equal nodes.


def test_equal_nodes_become_one_even_where_they_are_equal_only_after_others_did():
    nodes = [
        node("Neg", "x", "a"),
        node("Neg", "x", "b"),
        node("Exp", "a", "c"),
        node("Exp", "b", "d"),
        node("Softmax", "c", "e", axis=1),
        node("Softmax", "d", "f", axis=0),
        node("Sub", "e f", "g"),
        node("Sub", "f e", "h"),
        node("Mul", "g h", "y"),
    ]
    of = in_order(graph(nodes))
    # Not those with other attributes, and not those that read the same in another order.
    assert ops(of) == ["Neg", "Exp", "Softmax", "Softmax", "Sub", "Sub", "Mul"]


def test_equal_constants_become_one_where_dtype_shape_and_every_bit_agree():
    constants = [
        constant("a", [1.5, 2.5]),
        constant("b", [1.5, 2.5]),
        constant("c", [[1.5, 2.5]]),
        constant("zero", [0.0, 2.5]),
        constant("minus_zero", [-0.0, 2.5]),
        constant("d", [1.5, 2.5], np.float64),
        constant("same_bytes", np.float32([1.5, 2.5]).view(np.int32), np.int32),
        make.make_tensor("e", TensorProto.FLOAT, [2], [1.5, 2.5]),  # the same, but not as raw bytes
    ]
    names = ("a", "b", "c", "zero", "minus_zero", "e")
    nodes = [node("Mul", f"x {name}", f"m_{name}") for name in names]
    nodes += [node("Cast", "d", "narrow", to=TensorProto.FLOAT), node("Add", "x narrow", "m_d")]
    nodes += [node("Cast", "same_bytes", "whole", to=TensorProto.FLOAT), node("Sub", "x whole", "m_s")]
    nodes.append(node("Concat", " ".join(f"m_{name}" for name in (*names, "d", "s")), "y", axis=1))
    of = in_order(graph(nodes, constants=constants))
    assert [tensor.name for tensor in of.initializer] == ["a", "c", "zero", "minus_zero", "d", "same_bytes"]
    assert ops(of).count("Mul") == 4
    assert list(of.node[-1].input) == ["m_a", "m_a", "m_c", "m_zero", "m_minus_zero", "m_a", "m_d", "m_s"]


def test_texts_are_never_taken_for_each_other():
    # NumPy's arrays of text hold addresses, and an address may be used again for another text.
    count = 1000
    texts = [[f"wordword{i}".encode()] for i in range(count)]
    names = [f"a_name_that_needs_more_room_than_a_text_{i}" for i in range(count)]
    constants = [make.make_tensor(name, TensorProto.STRING, [1], text) for name, text in zip(names, texts, strict=True)]
    of = graph([node("Concat", " ".join(names), "y", axis=0)], constants=constants)
    put_in_order(of)
    by_name = {tensor.name: list(tensor.string_data) for tensor in of.initializer}
    assert [by_name[name] for name in of.node[0].input] == texts


def test_weights_in_a_file_of_their_own_are_left_alone():
    constants = [constant("a", [1.5, 2.5]), constant("b", [1.5, 2.5]), constant("c", [1.5, 2.5])]
    for tensor in constants[:2]:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
    of = graph([node("Mul", "x a", "m"), node("Mul", "m b", "n"), node("Mul", "n c", "y")], constants=constants)
    put_in_order(of)
    assert [tensor.name for tensor in of.initializer] == ["a", "b", "c"]


def test_nodes_that_draw_stay_apart():
    nodes = [node("RandomNormalLike", "x", name, seed=1.0) for name in "ab"]
    of = graph([*nodes, node("Sub", "a b", "y")])
    put_in_order(of)
    assert ops(of) == ["RandomNormalLike", "RandomNormalLike", "Sub"]


STEPS = np.random.default_rng(5).uniform(-1, 1, (4, 3, 2)).astype(np.float32)


def recurrent(reads, writes, seed=1):
    """A GRU of ONNX, which may leave any of its two outputs out, and its weights."""
    generator = np.random.default_rng(seed)
    weights = [constant(f"{name}{seed}", generator.uniform(-1, 1, (1, 6, 2))) for name in ("w", "r")]
    return make.make_node("GRU", [reads, *(tensor.name for tensor in weights)], writes, hidden_size=2), weights


@pytest.mark.parametrize("first", ["", "last"])
def test_nodes_that_leave_other_outputs_out_are_no_equals(first):
    (one, weights), (two, _) = recurrent("x", ["all", first]), recurrent("x", ["", "end"])
    nodes = [one, two, make.make_node("Clip", ["all", "", "high"], ["c"]), node("Sub", "c end", "y")]
    of = graph(nodes, "y.4", [*weights, constant("high", 0.1)], [value("x", (None, None, 2))])
    assert ops(in_order(of, x=STEPS)).count("GRU") == 2


# Identities and outputs.


def test_identities_are_taken_out_and_outputs_keep_their_names():
    nodes = [
        node("Identity", "x", "a"),
        node("Neg", "a", "b"),
        node("Identity", "b", "c"),
        node("Identity", "c", "y"),
        node("Abs", "c", "z"),
    ]
    of = in_order(graph(nodes, "z y"))
    assert wiring(of) == [("Neg", "x", "->", "y"), ("Abs", "y", "->", "z")]


def test_outputs_of_one_value_are_copies_of_the_first():
    nodes = [node("Neg", "x", "a"), *(node("Identity", "a", name) for name in ("p", "q", "r"))]
    of = in_order(graph(nodes, "q p r"))
    assert wiring(of) == [("Neg", "x", "->", "q"), ("Identity", "q", "->", "p"), ("Identity", "q", "->", "r")]


def test_outputs_that_are_inputs_or_constants_are_copies():
    nodes = [node("Identity", "x", "a"), node("Identity", "a", "p"), node("Identity", "x", "q")]
    nodes += [node("Identity", "k", "r"), node("Identity", "x", "s"), node("Neg", "s", "t")]
    of = in_order(graph(nodes, "q p r.1 t", [constant("k", [4.0])]))
    copies = [("Identity", "x", "->", "q"), ("Identity", "x", "->", "p"), ("Identity", "k", "->", "r")]
    assert wiring(of) == [*copies, ("Neg", "x", "->", "t")]


def test_outputs_that_equal_nodes_make_are_all_made():
    of = in_order(
        graph([node("Neg", "x", "y"), node("Neg", "x", "z"), node("Neg", "x", "a"), node("Abs", "a", "w")], "y z w")
    )
    assert [entry[-1] for entry in wiring(of)[:2]] == ["y", "z"]


def test_a_constant_that_is_an_output_stays_beside_its_equal():
    of = graph([node("Mul", "x k", "y")], "y c.1", [constant("k", [4.0]), constant("c", [4.0])])
    in_order(of)
    assert [tensor.name for tensor in of.initializer] == ["k", "c"]


# Bodies.


def choice(then, otherwise, reads="q", writes="y"):
    return node("If", reads, writes, then_branch=then, else_branch=otherwise)


def body(nodes, outputs, constants=(), inputs=()):
    ends = [onnx.ValueInfoProto(name=end) for end in outputs.split()]
    return make.make_graph(nodes, "body", list(inputs), ends, list(constants))


BOTH = [value("x"), value("q", (), TensorProto.BOOL)]


@pytest.mark.parametrize("q", [True, False])
def test_branches_are_put_in_order_and_read_what_is_left(q):
    then = body([node("Exp", "c", "t"), node("Identity", "t", "u"), node("Sub", "u b", "t2")], "t2")
    otherwise = body([node("Identity", "b", "e")], "e")
    nodes = [node("Neg", "x", "a"), node("Neg", "x", "b"), node("Identity", "b", "c"), choice(then, otherwise)]
    nodes.append(node("Add", "a y", "z"))
    of = in_order(graph(nodes, "z y", inputs=BOTH), x=X, q=np.array(q))
    assert ops(of) == ["Neg", "If", "Add"]
    (left,) = of.node[0].output
    branches = {attribute.name: attribute.g for attribute in of.node[1].attribute}
    assert wiring(branches["then_branch"]) == [("Exp", left, "->", "t"), ("Sub", "t", left, "->", "t2")]
    # A value from around it is no output of its own.
    assert wiring(branches["else_branch"]) == [("Identity", left, "->", "e")]


def loop(nodes, outputs, constants=()):
    """Three turns of a body that carries one value and collects another."""
    inputs = [value("i", (), TensorProto.INT64), value("on", (), TensorProto.BOOL), value("state")]
    return body(nodes, f"on_out {outputs}", constants, inputs)


def test_the_body_of_a_loop_keeps_its_interface_and_computes_the_same():
    inner = loop(
        [
            node("Add", "state outer", "step"),
            node("Mul", "step k2", "collected"),
            node("Identity", "on", "on_out"),
            node("Add", "state outer", "again"),
            node("Mul", "again k", "carried"),
        ],
        "carried collected",
        [constant("k", [2.0]), constant("k2", [2.0])],
    )
    nodes = [
        node("Neg", "x", "twice"),
        node("Neg", "x", "outer"),
        node("Loop", "turns yes x", "y z", body=inner),
        node("Exp", "twice", "w"),
    ]
    of = in_order(graph(nodes, "w y z.3", [constant("turns", 3, np.int64), constant("yes", True, bool)]))
    assert ops(of) == ["Neg", "Exp", "Loop"]
    (turn,) = [attribute.g for attribute in of.node[2].attribute]
    assert [end.name for end in turn.input] == ["i", "on", "state"]
    assert [end.name for end in turn.output] == ["on_out", "carried", "collected"]
    assert sorted(ops(turn)) == ["Add", "Identity", "Mul", "Mul"]
    assert len(turn.initializer) == 1


def test_a_name_that_means_something_else_in_a_body_is_not_the_one_around_it():
    hidden = body([node("Exp", "x", "b"), node("Sub", "b x", "t")], "t")
    nodes = [node("Neg", "x", "a"), node("Neg", "x", "b"), choice(hidden, body([node("Abs", "b", "e")], "e"))]
    of = graph([*nodes, node("Add", "a b", "z")], "z y", inputs=BOTH)
    put_in_order(of)
    branches = {attribute.name: attribute.g for attribute in of.node[-1].attribute}
    assert wiring(branches["then_branch"]) == [("Exp", "x", "->", "b"), ("Sub", "b", "x", "->", "t")]
    assert wiring(branches["else_branch"]) == [("Abs", "a", "->", "e")]


def test_ifs_stay_apart_even_where_they_are_equal():
    branches = [body([node("Neg", "x", name)], name) for name in "ab"]
    of = in_order(
        graph([choice(*branches, writes="p"), choice(*branches, writes="r"), node("Add", "p r", "y")], inputs=BOTH),
        x=X,
        q=np.array(True),
    )
    assert ops(of) == ["If", "If", "Add"]


# Names.


@pytest.fixture(scope="module")
def model():
    return sample_model("two_by_two")


def named(of, model=None, **inputs):
    """The graph with new names, which computes what it did, and has no name twice."""
    from xorexport.exporters.onnx_names import name_values

    before = run(of, **inputs)
    shuffled(of, seed=9)
    name_values(of, model or sample_model("unnamed"), {})
    assert_same(run(of, **inputs), before)
    names = list(defined(of))
    assert len(names) == len(set(names))
    assert "" not in names
    return of


def defined(of):
    """Every name that a graph and its bodies define."""
    yield from {end.name for end in (*of.input, *of.initializer)}
    for entry in of.node:
        yield from filter(None, entry.output)
        for attribute in entry.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from defined(attribute.g)


def test_names_are_unique_across_bodies_and_numbers_count_anew():
    def branch(number):
        return body(
            [node("Neg", "outer__17", f"step__{number}"), node("Mul", f"step__{number} k", f"end__{number}")],
            f"end__{number}",
            [constant("k", [float(number)])],
        )

    nodes = [node("Exp", "x", "outer__17"), choice(branch(5), branch(5)), choice(branch(9), branch(8), writes="w")]
    of = named(graph([*nodes, node("Sub", "y w", "model/z__4")], "model/z__4", inputs=BOTH), x=X, q=np.array(True))
    assert [end.name for end in of.output] == ["model/z__4"]
    assert of.node[0].output[0] == "outer__1"
    names = set(defined(of))
    assert {f"step__{i}" for i in range(1, 5)} | {f"end__{i}" for i in range(1, 5)} <= names
    assert all(entry.name == entry.output[0] for entry in of.node)


def test_names_do_not_depend_on_those_that_were_there():
    def numbered(*numbers):
        a, b, c = (f"model/layer/op__{number}" for number in numbers)
        return graph([node("Neg", "x", a), node("Exp", a, b), node("Abs", f"{a}", c), node("Sub", f"{b} {c}", "y")])

    assert named(numbered(1, 2, 3)) == named(numbered(30, 20, 10))
    assert set(defined(named(numbered(4, 4000, 40)))) == {"x", "y", "layer/op__1", "layer/op__2", "layer/op__3"}


def test_what_is_inside_never_takes_the_name_of_an_input_or_output():
    nodes = [node("Mul", "constant_1 k", "m/Tanh"), node("Tanh", "m/Tanh", "n/y"), node("Neg", "n/y", "Tanh")]
    nodes.append(node("Exp", "Tanh", "y"))
    of = named(
        graph(nodes, "Tanh y", [constant("k", [3.0])], [value("constant_1")]),
        constant_1=X,
    )
    assert [end.name for end in (*of.input, *of.output)] == ["constant_1", "Tanh", "y"]
    assert [tensor.name for tensor in of.initializer] == ["constant_1_1"]


def test_an_output_that_a_node_leaves_out_has_no_name():
    (one, weights), (two, others) = recurrent("x", ["", "p"], 1), recurrent("x", ["", "q"], 2)
    three, _ = recurrent("x", ["r", ""], 2)
    nodes = [one, two, three, node("Sub", "p q", "d"), make.make_node("Clip", ["d", "", "high"], ["c"])]
    nodes.append(node("Sub", "r c", "y"))
    of = graph(nodes, "y.4", [*weights, *others, constant("high", 0.1)], [value("x", (None, None, 2))])
    named(of, x=STEPS)
    found = {tuple(entry.output) for entry in of.node if entry.op_type == "GRU"}
    assert found == {("", "p"), ("", "q"), ("r", "")}
    assert {entry.input[1] for entry in of.node if entry.op_type == "Clip"} == {""}
    assert {entry.name for entry in of.node if entry.op_type == "GRU"} == {"p", "q", "r"}


def test_further_outputs_have_the_name_of_their_node():
    nodes = [
        node("Split", "x", "model/halves__3 right", num_outputs=2, axis=1),
        node("Sub", "model/halves__3 right", "y"),
    ]
    of = named(graph(nodes))
    assert list(of.node[0].output) == ["halves__1", "halves__1:1"]


def test_constants_have_the_names_of_the_weights_whose_values_they_are(model):
    kernel = next(variable for variable in model.variables if variable.path.endswith("kernel"))
    constants = [constant("a", np.asarray(kernel.value)), constant("b", np.asarray(kernel.value) + 1)]
    nodes = [node("MatMul", "x b", "p"), node("MatMul", "x a", "r"), node("Sub", "r p", "y")]
    wide = [value("x", (None, kernel.shape[0]))]
    of = named(graph(nodes, constants=constants, inputs=wide), model, x=np.ones((2, kernel.shape[0]), np.float32))
    assert [tensor.name for tensor in of.initializer] == [kernel.path.removeprefix("two_by_two/"), "constant_2"]


def test_a_constant_that_a_branch_returns_stays():
    branches = body([], "k", [constant("k", [[1.0, 2.0]])]), body([node("Exp", "x", "e")], "e")
    for branch in branches:
        branch.output[0].CopyFrom(value(branch.output[0].name))
    of = named(graph([choice(*branches)], inputs=BOTH), x=X, q=np.array(True))
    assert sum(len(attribute.g.initializer) for attribute in of.node[0].attribute) == 1
