"""Sequential models that were built by their first call: its batch does not count, one that was fixed does."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sample_models import randomised
from support import manifest_of

from xorexport.cli import run
from xorexport.network.first_call import with_free_batch
from xorexport.network.interface import interface_of, parse_spec
from xorexport.pipeline import ExportRequest, export
from xorexport.progress import Listener

X = np.random.default_rng(4).uniform(-1, 1, (7, 3)).astype(np.float32)


class PerBatch(layers.Layer):
    """A weight for each row of a batch."""

    def build(self, shape):
        self.rows = self.add_weight(shape=shape, initializer="ones")

    def call(self, x):
        return x + self.rows


class Plain(keras.Sequential):
    """A subclass that adds nothing."""


def called(*stack, rows=7, kind=keras.Sequential):
    model = kind([*(stack or (layers.Dense(4, activation="tanh"),)), layers.Dense(2)], name="called")
    model(X[:rows])
    return randomised(model)


def with_input(**options):
    return randomised(keras.Sequential([keras.Input(**options), layers.Dense(2)], name="fixed"))


def shape_of(model):
    return interface_of(model).inputs[0].shape


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_the_batch_of_the_first_call_does_not_count(rows):
    model = called(rows=rows)
    assert shape_of(model) == (rows, 3)
    free, note = with_free_batch(model)
    assert shape_of(free) == (None, 3)
    assert f"{rows} is that of the model's first call; --signature can fix it" in note
    assert free.layers == model.layers
    assert all(one is other for one, other in zip(free.weights, model.weights, strict=True))
    np.testing.assert_array_equal(free.predict(X, batch_size=7, verbose=0), model.predict(X, batch_size=7, verbose=0))
    # The user's own model is as it was.
    assert shape_of(model) == (rows, 3)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_nor_does_it_after_saving(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    called().save(path)
    assert shape_of(with_free_batch(keras.models.load_model(path))[0]) == (None, 3)


def test_text_has_a_batch_as_well():
    model = keras.Sequential([layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)])
    model(ops.convert_to_tensor([["a b"], ["b"], ["c"]]))
    assert shape_of(model) == (3, 1)
    assert shape_of(with_free_batch(model)[0]) == (None, 1)


def test_a_sequential_in_a_sequential_and_a_subclass_that_adds_nothing_are_no_exceptions():
    inner = keras.Sequential([layers.Dense(3), layers.Dense(4)])
    assert shape_of(with_free_batch(called(inner))[0]) == (None, 3)
    assert shape_of(with_free_batch(called(kind=Plain))[0]) == (None, 3)


@pytest.mark.parametrize(
    "options", [{"shape": (3,), "batch_size": 7}, {"batch_shape": (7, 3)}, {"batch_shape": (7, 3), "name": "x"}]
)
def test_a_batch_that_was_fixed_on_purpose_stays(options):
    model = with_input(**options)
    assert with_free_batch(model) == (model, "")


def test_a_file_tells_it_by_the_inputs_name(tmp_path):
    for name, expected in (("x", (7, 3)), (None, (None, 3))):
        with_input(batch_shape=(7, 3), name=name).save(tmp_path / "m.keras")
        assert shape_of(with_free_batch(keras.models.load_model(tmp_path / "m.keras"))[0]) == expected


@pytest.mark.parametrize(
    "layer",
    [
        PerBatch,
        lambda: layers.Lambda(lambda x: ops.reshape(x, (x.shape[0], -1))),
        lambda: keras.Sequential([layers.Reshape((3, 1)), layers.LSTM(4, stateful=True)]),
    ],
)
def test_layers_that_need_the_batch_keep_it(layer):
    model = called(layer())
    kept, note = with_free_batch(model)
    assert kept is model
    assert note == "the batch is fixed at 7, as in the model's first call: its layers take no other"


class Notes(Listener):
    def __init__(self):
        self.steps = []

    def step(self, text):
        self.steps.append(text)


@pytest.mark.parametrize(
    ("model", "signature", "shape", "batches"),
    [
        (called, None, [None, 3], {1, 3, 17}),
        (called, "input float32[5, 3]", [5, 3], {5}),
        (lambda: with_input(batch_shape=(7, 3), name="x"), "x float32[batch, 3]", [None, 3], {1, 3, 17}),
        (lambda: with_input(shape=(3,), name="x"), "x float32[5, 3]", [5, 3], {5}),
    ],
)
def test_a_bundle_has_the_batch_that_the_user_means(tmp_path, model, signature, shape, batches):
    listener = Notes()
    given = (parse_spec(signature),) if signature else ()
    report = export(ExportRequest(model=model(), inputs=given, formats=("keras", "onnx")), tmp_path / "m", listener)
    assert report.exit_code == 0
    assert {row.outcome for row in report.equivalence} == {"PASS"}
    content = manifest_of(tmp_path / "m")
    assert content["signature"]["inputs"][0]["shape"] == shape
    assert {size for golden in content["golden"] for size in golden["batch_sizes"]} == batches
    assert [step for step in listener.steps if step.startswith("note:")] == (
        ["note: the batch may have any size, since 7 is that of the model's first call; --signature can fix it"]
        if model is called and signature is None
        else []
    )


def test_a_bundles_keras_file_compares_with_what_it_was_made_from(tmp_path):
    path = tmp_path / "m.keras"
    called().save(path)
    assert run(["export", str(path), "-o", str(tmp_path / "m"), "--format", "keras"]) == 0
    assert run(["compare", str(path), str(tmp_path / "m" / "m.keras")]) == 0
