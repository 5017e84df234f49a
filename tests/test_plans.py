"""What is done to a model for one format alone: in force while it is traced, and gone afterwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.src import backend
from sample_models import randomised

from xorexport.spec import TensorSpec
from xorexport.tracing.equivalents.integers import sign_bit
from xorexport.tracing.plans import PLAIN, STAND_INS, Plan
from xorexport.tracing.randomness import run
from xorexport.tracing.trace import trace

X = np.random.default_rng(7).uniform(-1, 1, (5, 3)).astype(np.float32)


def spec(dtype="float32", shape=(None, 3), name="x"):
    return TensorSpec(name=name, dtype=dtype, shape=shape, keras_name="kept")


# What a plan says.


def test_stand_ins_are_chosen_by_the_ops_that_need_them():
    assert PLAIN.for_ops({"MatMul", "TensorListReserve"}) == PLAIN
    assert PLAIN.for_ops({"Bitcast"}).stand_ins == ("signbit",)
    assert PLAIN.for_ops({"AssignVariableOp"}).stand_ins == ("next",)
    assert set(PLAIN.for_ops({"Bitcast", "AssignVariableOp"}).stand_ins) == {"signbit", "next"}
    # Not those of before.
    assert Plan(stand_ins=("rnn",), batch=2).for_ops(()) == Plan(batch=2)


def test_notes_are_added_to_those_there_are():
    first = Plan(float32=True, notes=("one",))
    second = first.noted("two", batch=1)
    assert (second.notes, second.batch, second.float32) == (("one", "two"), 1, True)
    assert (first.notes, first.batch) == (("one",), None)


@pytest.mark.parametrize(
    ("plan", "before", "after"),
    [
        (PLAIN, (None, None, 3), (None, None, 3)),
        (Plan(batch=1), (None, None, 3), (1, None, 3)),
        (Plan(batch=1), (4, 3), (4, 3)),
        (Plan(batch=1), (None,), (1,)),
        (Plan(batch=1), (), ()),
        (Plan(sizes={"x": (7, 5, 9)}), (None, None, 3), (None, 5, 3)),
        (Plan(sizes={"x": (7, 5, None)}), (None, None, None), (None, 5, None)),
        (Plan(sizes={"x": (7, 5)}, batch=2), (None, None), (2, 5)),
        (Plan(sizes={"y": (7, 5)}), (None, None), (None, None)),
    ],
)
def test_sizes_are_fixed_where_they_are_free(plan, before, after):
    fixed = plan.fix(spec(shape=before))
    assert fixed.shape == after
    assert (fixed.name, fixed.dtype, fixed.keras_name) == ("x", "float32", "kept")


@pytest.mark.parametrize(
    ("dtype", "in_float32"), [("float64", "float32"), ("float32", "float32"), ("int64", "int64"), ("bool", "bool")]
)
def test_doubles_alone_become_floats(dtype, in_float32):
    assert Plan(float32=True).fix(spec(dtype)).dtype == in_float32
    assert PLAIN.fix(spec(dtype)).dtype == dtype


# What a plan does.


def test_a_trace_by_the_same_plan_is_the_same_trace():
    x = keras.Input((3,), name="x")
    traced = trace(keras.Model(x, layers.Dense(2)(x)))
    assert traced.retraced(Plan()) is traced
    other = traced.retraced(Plan(batch=2))
    assert other.plan == Plan(batch=2)
    assert [spec.shape for spec in (*other.signature.inputs, *other.signature.outputs)] == [(2, 3), (2, 2)]
    assert [spec.shape for spec in (*traced.signature.inputs, *traced.signature.outputs)] == [(None, 3), (None, 2)]


def test_sign_bits_have_no_bits_in_them_and_random_states_stand_still():
    x = keras.Input((3,), name="x")
    signs = keras.Model(x, ops.signbit(ops.tanh(x)))
    traced = trace(signs)
    assert "Bitcast" in traced.op_types
    other = traced.retraced(traced.plan.for_ops(traced.op_types))
    assert not {"Bitcast", "BitwiseAnd", "RightShift"} & set(other.op_types)
    given = {"x": np.float32([[-1, -0.0, 0.0], [np.inf, -np.inf, 1e-30]])}
    (expected,), (found,) = (run(made, given).values() for made in (traced, other))
    np.testing.assert_array_equal(found, expected)
    assert expected.tolist() == [[True, True, False], [False, True, False]]

    sequence = keras.Input((4, 3), name="x")
    dropping = randomised(keras.Model(sequence, layers.GRU(2, dropout=0.5, recurrent_dropout=0.5)(sequence)))
    traced = trace(dropping)
    assert "AssignVariableOp" in traced.op_types
    other = traced.retraced(traced.plan.for_ops(traced.op_types))
    assert "AssignVariableOp" not in other.op_types
    given = {"x": np.stack([X[:4]] * 2)}
    (expected,), (found,) = (run(made, given).values() for made in (traced, other))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"])
def test_layers_compute_in_float32_meanwhile(dtype):
    x = keras.Input((3,), dtype="float64" if dtype == "float64" else "float32", name="x")
    stack = [
        layers.Dense(4, activation="gelu", dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.Rescaling(0.3, dtype=dtype),
        layers.Dense(2, dtype=dtype, name="y"),
    ]
    hidden = x
    for layer in stack:
        hidden = layer(hidden)
    model = randomised(keras.Model(x, hidden))
    policies = [layer.dtype_policy for layer in model.layers]
    traced = trace(model)
    given = {"x": X.astype(x.dtype)}
    before = run(traced, given)["y"]
    other = traced.retraced(Plan(float32=True))
    assert [layer.dtype_policy for layer in model.layers] == policies
    assert (other.signature.inputs[0].dtype, other.signature.outputs[0].dtype) == ("float32", "float32")
    floats = {node.attr["T"].type for node in other.nodes() if node.op in ("MatMul", "AddV2", "Mul", "BiasAdd")}
    assert floats <= {tf.float32.as_datatype_enum, tf.int32.as_datatype_enum}
    found = run(other, {"x": X})["y"]

    # The same layers with the same weights, in float32 throughout.
    twin = keras.models.clone_model(
        model, clone_function=lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float32"})
    )
    twin.set_weights([np.asarray(weight, np.float32) for weight in model.weights])
    np.testing.assert_allclose(found, np.asarray(twin(X)), rtol=1e-6, atol=1e-6)
    assert np.abs(found - before).max() > (1e-9 if dtype == "float64" else 1e-5), "float32 makes no difference here"
    # And all is as it was.
    np.testing.assert_array_equal(run(trace(model), given)["y"], before)


def test_a_cast_inside_of_a_layer_is_to_float32_too():
    x = keras.Input((3,), name="x")
    traced = trace(keras.Model(x, ops.cast(ops.cast(x, "float16") * 3.0, "float32")))
    other = traced.retraced(Plan(float32=True))
    given = {"x": X / 3}
    (rounded,), (exact,) = (run(made, given).values() for made in (traced, other))
    np.testing.assert_allclose(exact, X, rtol=3e-7)
    assert np.abs(rounded - exact).max() > 1e-5


@keras.saving.register_keras_serializable("tests")
class Compiled(layers.Layer):
    """Calls a function of its own."""

    def __init__(self, **options):
        super().__init__(**options)
        self.bare = tf.function(lambda x: tf.sin(x))

    def call(self, x):
        @tf.function(jit_compile=True)
        def with_options(value):
            return tf.cos(value)

        @tf.function
        def without(value):
            return value + 1.0

        return without(with_options(x))


def test_functions_become_a_part_of_the_graph():
    x = keras.Input((3,), name="x")
    traced = trace(keras.Model(x, Compiled(name="y")(x)))
    assert any("PartitionedCall" in op_type for op_type in traced.op_types)
    own = tf.function
    other = traced.retraced(Plan(inline=True))
    assert tf.function is own
    assert not any("PartitionedCall" in op_type for op_type in other.op_types)
    np.testing.assert_allclose(run(other, {"x": X})["y"], np.cos(X) + 1.0, rtol=1e-6)


def test_substitutes_are_in_force_together_with_float32():
    x = keras.Input((3,), name="x")
    traced = trace(keras.Model(x, ops.cast(ops.sinh(ops.cast(x, "float64")), "float32")))
    plan = Plan(float32=True, substitutes={"Sinh": lambda inputs, _: inputs[0] * 2.0})
    other = traced.retraced(plan)
    assert {node.attr["T"].type for node in other.nodes() if node.op == "Mul"} == {tf.float32.as_datatype_enum}
    (found,) = run(other, {"x": X}).values()
    np.testing.assert_array_equal(found, 2 * X)


def test_everything_is_undone_after_an_error():
    x = keras.Input((3,), name="x")
    model = keras.Model(x, layers.Dense(2, dtype="float16", name="d")(x))
    before = {name: getattr(module, name) for name, (module, _) in STAND_INS.items()}
    policy, own = model.layers[-1].dtype_policy, tf.function
    plan = Plan(tuple(STAND_INS), float32=True, inline=True, substitutes={"Sinh": lambda inputs, _: inputs[0]})
    with plan.applied(model):
        assert {name: getattr(module, name) for name, (module, _) in STAND_INS.items()} != before
        assert tf.function is not own
        assert model.layers[-1].compute_dtype == "float32"
    with pytest.raises(ZeroDivisionError), plan.applied(model):
        raise ZeroDivisionError
    assert {name: getattr(module, name) for name, (module, _) in STAND_INS.items()} == before
    assert tf.function is own
    assert model.layers[-1].dtype_policy is policy
    assert "Sinh" in trace(keras.Model(x, ops.sinh(x))).op_types
    assert backend.numpy.signbit is not sign_bit
