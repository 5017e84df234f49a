import keras
import numpy as np
import pytest
import sample_models
from graph_models import branches, convolution, nested, shifted
from keras import layers

from xorexport import segments
from xorexport.errors import ModelError, UsageError
from xorexport.network import equivalence
from xorexport.network.architecture import Architecture
from xorexport.network.equivalence import compare, compare_training
from xorexport.network.interface import call_structure
from xorexport.network.responses import drawn_batches, predictions
from xorexport.network.training import History
from xorexport.results import Outcome

PASS, FAIL, SKIPPED, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.SKIPPED, Outcome.ERROR


def rows(*args, **kwargs):
    """By check: outcome and detail."""
    return {row.check: (row.outcome, row.detail) for row in compare(*args, **kwargs)}


def outcomes(*args, **kwargs):
    return [row.outcome for row in compare(*args, **kwargs)]


def with_weights_of(source, model):
    model.set_weights(source.get_weights())
    return model


def xor_pair():
    sequential = sample_models.randomised(Architecture().sequential())
    return sequential, with_weights_of(sequential, Architecture().functional())


def test_sequential_and_functional_are_alike():
    details = rows(*xor_pair(), inputs={"x": segments.INPUTS})
    assert details == {
        "topology": (PASS, "3 layers with the same classes, configs and dtypes, wired alike"),
        "weights": (PASS, "65 values in 4 weights, bit for bit"),
        "predictions": (PASS, "the 4 given rows and random batches of 1, 3, 17 rows, bit for bit"),
        "gradients": (PASS, "of 4 trainable weights on random rows (batch of 3), bit for bit"),
    }


@pytest.mark.parametrize(
    "build",
    [
        sample_models.convnet,
        sample_models.two_by_two,
        sample_models.dict_outputs,
        sample_models.embedding,
        sample_models.attention,
        sample_models.recurrent,
        branches,
        nested,
    ],
    ids=lambda build: build.__name__,
)
def test_a_model_and_its_copy_from_a_file_are_alike(build, tmp_path):
    model = build()
    model.save(tmp_path / "model.keras")
    assert outcomes(model, keras.models.load_model(tmp_path / "model.keras")) == [PASS] * 4


@pytest.mark.parametrize("build", [sample_models.convnet, sample_models.two_by_two, sample_models.embedding])
def test_predictions_are_those_of_predict(build):
    model = build()
    batches = drawn_batches(model, seed=4)
    for batch, outputs in zip(batches, predictions(model, batches), strict=True):
        expected = keras.tree.flatten(model.predict(call_structure(model, batch.tensors), verbose=0))
        assert [output.tobytes() for output in outputs] == [array.tobytes() for array in expected]


@pytest.mark.parametrize(
    "second",
    [
        {"names": "ba"},
        {"names": ("left", "right")},
        {"reverse": True},
    ],
)
def test_names_and_the_order_of_building_do_not_count(second):
    first = branches()
    other = branches(**second)
    for path in ("p", "q"):
        other.get_layer(path).set_weights(first.get_layer(path).get_weights())
    names = second.get("names", "ab")
    for mine, theirs in zip("ab", names, strict=True):
        other.get_layer(theirs).set_weights(first.get_layer(mine).get_weights())
    assert outcomes(first, other) == [PASS] * 4


def test_an_inner_model_may_be_of_either_api():
    assert outcomes(nested(), nested(functional=True)) == [PASS] * 4


def test_swapped_outputs_of_equal_heads_are_seen_in_the_weights():
    def heads(swap):
        source = keras.Input((3,))
        outputs = [layers.Dense(2, name="p")(source), layers.Dense(2, name="q")(source)]
        return sample_models.randomised(keras.Model(source, outputs[::-1] if swap else outputs))

    first, second = heads(False), heads(True)
    for name in "pq":
        second.get_layer(name).set_weights(first.get_layer(name).get_weights())
    details = rows(first, second)
    assert details["topology"][0] is PASS
    assert details["weights"][0] is FAIL
    assert "layer 2 Dense 'p' / 'q', weight 'kernel': 6 of 6 values differ" in details["weights"][1]
    assert details["predictions"][0] is FAIL


def test_the_last_bit_of_one_weight_is_found_and_named():
    first, second = xor_pair()
    kernel = second.layers[1].kernel.numpy()
    kernel[1, 5] = np.nextafter(kernel[1, 5], np.float32(9))
    second.layers[1].kernel.assign(kernel)
    details = rows(first, second)
    assert details["topology"][0] is PASS
    outcome, detail = details["weights"]
    assert outcome is FAIL
    assert detail.startswith(
        "layer 2 Dense 'hidden' / 'hidden', weight 'kernel': 1 of 32 values differ, first at [1, 5]"
    )
    assert f"is {first.layers[0].kernel.numpy()[1, 5]!s} in the first model, {kernel[1, 5]!s} in the second" in detail


def test_weights_that_training_does_not_touch_count_too():
    first = convolution()
    second = with_weights_of(first, convolution())
    variance = second.layers[1].moving_variance.numpy()
    second.layers[1].moving_variance.assign(np.nextafter(variance, np.float32(9)))
    details = rows(first, second)
    assert "'batch_normalization" in details["weights"][1]
    assert "weight 'moving_variance': 4 of 4 values differ, first at [0]" in details["weights"][1]


def test_nan_equals_itself_and_zero_is_not_minus_zero():
    first, second = xor_pair()
    for model, layer in ((first, first.layers[0]), (second, second.layers[1])):
        layer.bias.assign(np.full(16, np.nan, np.float32))
        model.layers[-1].bias.assign([0.0])
    assert outcomes(first, second)[:3] == [PASS] * 3
    second.layers[-1].bias.assign([-0.0])
    assert "weight 'bias': it is 0.0 in the first model, -0.0 in the second" in rows(first, second)["weights"][1]


def test_models_that_cannot_be_run_on_the_same_inputs_are_skipped():
    details = rows(Architecture().sequential(), Architecture(inputs=3).sequential())
    assert details["weights"][0] is FAIL
    assert "weight 'kernel': shape is (2, 16) in the first model, (3, 16) in the second" in details["weights"][1]
    assert details["predictions"] == (SKIPPED, "the two models do not take the same inputs")
    assert details["gradients"][0] is SKIPPED
    details = rows(Architecture().sequential(), Architecture(hidden=(16, 16)).sequential())
    assert details["predictions"][0] is FAIL
    assert details["gradients"] == (
        SKIPPED,
        "the trainable weights of the two models do not have the same shapes",
    )


def test_models_without_weights_are_skipped_there():
    details = rows(shifted(0.5), shifted(0.5))
    assert details["weights"] == (SKIPPED, "neither model has weights")
    assert details["gradients"] == (SKIPPED, "neither model has trainable weights")
    assert details["predictions"][0] is PASS


def test_gradients_differ_where_predictions_do_not():
    """A dead neuron stays dead in both models, but only one of them can learn."""

    def model(slope):
        stack = [layers.Dense(2, name="d"), layers.LeakyReLU(negative_slope=slope)]
        built = keras.Sequential([keras.Input((2,)), *stack])
        built.set_weights([np.zeros((2, 2)), np.zeros(2)])
        return built

    details = rows(model(0.1), model(0.2))
    assert details["predictions"][0] is PASS
    outcome, detail = details["gradients"]
    assert outcome is FAIL
    assert detail.startswith("layer 2 Dense 'd' / 'd', weight 'kernel': of the gradient, 4 of 4 values differ")


class Scaled(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.dense = layers.Dense(units, name="dense")
        self.factor = self.add_weight(shape=(), name="factor")

    def call(self, inputs):
        return self.factor * self.dense(inputs)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def scaled(**kwargs):
    model = Scaled(**kwargs)
    model(np.zeros((1, 4), np.float32))
    return sample_models.randomised(model)


def test_wiring_of_a_subclassed_model_is_not_decided():
    details = rows(scaled(), scaled())
    outcome, detail = details["topology"]
    assert outcome is SKIPPED
    assert "not decided: the wiring of the model 'scaled" in detail
    assert details["weights"][0] is PASS
    assert details["predictions"] == (
        SKIPPED,
        "a subclassed model does not record its inputs, and none are given",
    )
    given = rows(scaled(), scaled(), inputs={"any": np.ones((4, 4), np.float32)})
    assert given["predictions"] == (PASS, "the 4 given rows, bit for bit")
    assert given["gradients"][0] is PASS


def test_what_a_subclassed_model_shows_is_compared():
    assert "units is 3 in the first model, 5 in the second" in rows(scaled(), scaled(units=5))["topology"][1]
    outcome, detail = rows(scaled(), sample_models.unnamed())["topology"]
    assert outcome is FAIL
    assert "class is Scaled in the first model, Sequential in the second" in detail


def test_a_weight_outside_all_layers_counts():
    first, second = scaled(), scaled()
    second.factor.assign(2.0)
    outcome, detail = rows(first, second)["weights"]
    assert outcome is FAIL
    assert detail.startswith("the model itself, weight 'factor': it is ")
    assert detail.endswith(" in the first model, 2.0 in the second")


def test_a_layer_without_config_is_not_decided():
    class Secretive(layers.Layer):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def call(self, inputs):
            return inputs + self.table

    def model(value):
        return keras.Sequential([keras.Input((2,)), Secretive(np.full(2, value, np.float32))])

    details = rows(model(1.0), model(1.0))
    assert details["topology"][0] is SKIPPED
    assert "the config of layer 2 Secretive 'secretive" in details["topology"][1]
    assert rows(model(1.0), model(2.0))["predictions"][0] is FAIL


def test_predictions_that_change_from_call_to_call_decide_nothing():
    class Noisy(layers.Layer):
        def call(self, inputs):
            return inputs + keras.random.normal((4,))

    model = keras.Sequential([keras.Input((4,)), Noisy()])
    details = rows(model, model)
    assert details["predictions"] == (
        SKIPPED,
        "the first model's predictions change from call to call on the same inputs",
    )


def test_a_check_that_breaks_is_an_error_of_its_row(monkeypatch):
    def broken(*args):
        raise RuntimeError("no such\n kernel")

    monkeypatch.setattr(equivalence, "predictions", broken)
    details = rows(*xor_pair())
    assert details["predictions"] == (ERROR, "RuntimeError: no such kernel")
    assert details["gradients"][0] is PASS


def test_what_cannot_be_compared_is_refused():
    model = Architecture().sequential()
    with pytest.raises(ModelError, match=r"the second model '.*': expected a model that was built, .* never built; "):
        compare(model, keras.Sequential([layers.Dense(2)]))
    with pytest.raises(UsageError, match=r"the first model: expected a keras.Model, found str; "):
        compare("a.keras", model)
    with pytest.raises(UsageError, match=r"inputs for model 'xor': expected x, found z; give one array for each input"):
        compare(model, model, {"z": segments.INPUTS})


def history(*loss):
    return History(np.array(loss, np.float32), np.ones(len(loss), np.float32), 1)


def test_training_of_twins_is_compared_epoch_by_epoch():
    first, second = xor_pair()
    row = compare_training(first, second, history(0.3, 0.2), history(0.3, 0.2))
    assert (row.check, row.outcome) == ("training", PASS)
    assert row.detail == "loss and accuracy of 2 epochs and the weights after them"
    other = history(0.3, np.nextafter(np.float32(0.2), np.float32(1)))
    row = compare_training(first, second, history(0.3, 0.2), other)
    assert row.outcome is FAIL
    assert row.detail == "epoch 2: loss is 0.2 in the first model, 0.20000002 in the second"
    row = compare_training(first, second, history(0.3), history(0.3, 0.2))
    assert row.detail == "1 epochs in the first model, 2 in the second"
    second.layers[-1].bias.assign([9.0])
    row = compare_training(first, second, history(0.3), history(0.3))
    assert row.outcome is FAIL
    assert row.detail.startswith("the curves are the same, the weights after them are not: layer 3 Dense 'y' / 'y'")
