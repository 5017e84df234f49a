import keras
import numpy as np
import pytest
import sample_models
from keras import layers

from xorexport.errors import ModelError
from xorexport.network.architecture import Architecture
from xorexport.network.conversion import to_functional, to_sequential, twin
from xorexport.network.equivalence import compare
from xorexport.results import Outcome


def adapted():
    """Computes with values derived from its weights when it was adapted."""
    normal = layers.Normalization()
    normal.adapt(np.random.default_rng(0).normal(5, 3, (50, 4)).astype(np.float32))
    return keras.Sequential([keras.Input((4,), name="row"), normal, layers.Dense(2, name="out")])


def masked():
    """Keras makes the mask from the tokens: a second way through the graph that nobody built."""
    stack = [layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3), layers.Dense(1)]
    return keras.Sequential([keras.Input((6,), dtype="int32", name="tokens"), *stack])


def nested():
    encoder = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu")], name="encoder")
    return keras.Sequential([keras.Input((4,)), encoder, layers.Dense(2)])


def line(*stack, shape=(4,), **kwargs):
    outputs = inputs = keras.Input(shape)
    for layer in stack:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, **kwargs)


@pytest.mark.parametrize(
    "build",
    [Architecture().sequential, sample_models.convnet, sample_models.unnamed, adapted, masked, nested],
    ids=lambda build: build.__name__,
)
def test_there_and_back_keeps_everything(build):
    sequential = build()
    functional = to_functional(sequential)
    back = to_sequential(functional)
    assert not isinstance(functional, keras.Sequential)
    assert isinstance(back, keras.Sequential)
    for other in (functional, back):
        assert [row.outcome for row in compare(sequential, other)] == [Outcome.PASS] * 4
        assert other.name == sequential.name
        assert [tensor.name for tensor in other.inputs] == [tensor.name for tensor in sequential.inputs]
    assert [layer.name for layer in back.layers] == [layer.name for layer in sequential.layers]


def test_nothing_is_shared_with_the_original():
    sequential = Architecture().sequential()
    sequential.compile(optimizer="adam", loss="mse")
    functional = to_functional(sequential)
    before = [weight.tobytes() for weight in sequential.get_weights()]
    for weight in functional.weights:
        weight.assign(weight + 1)
    assert [weight.tobytes() for weight in sequential.get_weights()] == before
    assert getattr(functional, "optimizer", None) is None
    assert not set(map(id, sequential.layers)) & set(map(id, functional.layers))


def test_twins_with_dropout_train_alike():
    """The states of random generators are copied too."""
    inputs = np.random.default_rng(0).normal(size=(8, 10, 12, 3)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1]]
    one = sample_models.convnet()
    other = to_functional(one)
    losses = []
    for model in (one, other):
        model.compile(optimizer="adam", loss="categorical_crossentropy")
        losses.append([model.train_on_batch(inputs, targets) for _ in range(3)])
    assert losses[0] == losses[1]


def test_twin_is_the_other_api():
    sequential = Architecture().sequential()
    assert not isinstance(twin(sequential), keras.Sequential)
    assert isinstance(twin(Architecture().functional()), keras.Sequential)
    for model in (sample_models.two_by_two(), keras.Sequential([layers.Dense(1)])):
        with pytest.raises(ModelError):
            twin(model)


def branching():
    source = keras.Input((4,))
    hidden = layers.Dense(4, name="fork")(source)
    return keras.Model(source, layers.Add(name="join")([hidden, layers.Dense(4, name="side")(hidden)]))


def skipping():
    source = keras.Input((4,), name="source")
    return keras.Model(source, layers.Add(name="join")([source, layers.Dense(4, name="side")(source)]))


def called_twice():
    again = layers.Dense(4, name="again")
    return line(again, again)


def several_outputs():
    source = keras.Input((5, 4))
    return keras.Model(source, layers.LSTM(3, return_state=True, name="states")(source)[0])


def in_training_mode():
    source = keras.Input((4,))
    return keras.Model(source, layers.Dropout(0.5, name="always")(source, training=True))


def with_an_operation():
    source = keras.Input((4,))
    return keras.Model(source, keras.ops.tanh(source))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            branching,
            "expected one line of layers, found a branch at layer 2 Dense 'fork', "
            "to layer 3 Dense 'side' and layer 4 Add 'join'; ",
        ),
        (skipping, "found a branch at layer 1 InputLayer 'source', to layer 2 Dense 'side' and layer 3 Add 'join'"),
        (called_twice, "expected each layer called once, found layer 2 Dense 'again' called again; "),
        (several_outputs, "expected one tensor from each layer, found 3 from layer 2 LSTM 'states'; "),
        (in_training_mode, "found layer 2 Dropout 'always' called with training too"),
        (with_an_operation, "expected layers alone, found layer 2 Tanh 'tanh"),
        (sample_models.two_by_two, "model 'two_by_two': expected one input tensor, found 2; "),
        (sample_models.dict_outputs, "expected one output tensor, found a dict of 2; "),
    ],
)
def test_a_graph_that_is_no_line_is_refused(build, message):
    with pytest.raises(ModelError) as caught:
        to_sequential(build())
    assert message in str(caught.value)
    assert str(caught.value).endswith("a Sequential model cannot say that: keep the Functional one")


class Unclonable(layers.Layer):
    def __init__(self, table):
        super().__init__(name="table")
        self.table = table

    def call(self, inputs):
        return inputs + self.table


class Forgetful(layers.Layer):
    """Its config leaves out what it computes with."""

    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Rescaling(factor, name="inner")

    def call(self, inputs):
        return self.inner(inputs)

    def get_config(self):
        return {**super().get_config(), "factor": 1.0}


def test_layers_that_cannot_be_cloned_are_refused():
    message = "expected layers that can be made again from their config, found '"
    with pytest.raises(ModelError) as caught:
        to_sequential(line(Unclonable(np.ones(4, np.float32)), name="tabular"))
    assert f"model 'tabular': {message}table', where that fails (" in str(caught.value)
    with pytest.raises(ModelError) as caught:
        to_functional(keras.Sequential([keras.Input((4,)), Unclonable(np.ones(4, np.float32))], name="tabular"))
    assert message in str(caught.value)


def test_a_vocabulary_that_would_be_lost_is_refused():
    lookup = layers.IntegerLookup(output_mode="int", name="lookup")
    lookup.adapt(np.array([3, 5, 7]))
    with pytest.raises(ModelError, match="found 'lookup' with a vocabulary that it learnt with adapt; give the layer"):
        to_functional(keras.Sequential([keras.Input((1,), dtype="int64"), lookup]))


def test_models_that_are_not_of_the_api_are_refused():
    with pytest.raises(ModelError, match=r"model 'xor': expected a keras.Sequential, found a Functional; "):
        to_functional(Architecture().functional())
    with pytest.raises(ModelError, match="expected a model that was built, found a Sequential without an input shape"):
        to_functional(keras.Sequential([layers.Dense(1)]))
    with pytest.raises(ModelError, match="expected a Functional model, found one without a recorded graph"):
        to_sequential(keras.Sequential([layers.Dense(1)]))
