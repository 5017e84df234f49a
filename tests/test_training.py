from concurrent.futures import ThreadPoolExecutor
from functools import cache

import keras
import numpy as np
import pytest

from xorexport import segments
from xorexport.errors import TrainingError, UsageError
from xorexport.network import training
from xorexport.network.architecture import Architecture
from xorexport.network.training import TrainingSettings, train

EPOCHS = 60
CASES = [
    ((16,), "mean_squared_error"),
    ((16,), "binary_crossentropy"),
    ((16, 16), "mean_squared_error"),
    ((16, 16), "binary_crossentropy"),
]


def network(hidden=(16,), seed=2):
    keras.utils.set_random_seed(seed)
    return Architecture(hidden=hidden).sequential()


def run(model, progress=None, chunk_epochs=1_000, **settings):
    settings = TrainingSettings(**settings)
    return train(model, segments.INPUTS, segments.TARGETS, settings, progress, chunk_epochs=chunk_epochs)


def fit(model, loss, epochs):
    """What `model.fit` logs, with the batch and the order of `train`."""
    model.compile(optimizer=keras.optimizers.Adam(), loss=loss, metrics=[keras.metrics.BinaryAccuracy()])
    logged = model.fit(segments.INPUTS, segments.TARGETS, batch_size=4, shuffle=False, epochs=epochs, verbose=0)
    return np.array(logged.history["loss"]), np.array(logged.history["binary_accuracy"])


@cache
def fitted(hidden, loss):
    return fit(network(hidden), loss, EPOCHS)


def weight_bytes(model):
    return [weight.tobytes() for weight in model.get_weights()]


def largest_error(model):
    return np.abs(model.predict(segments.INPUTS, verbose=0) - segments.TARGETS).max()


@pytest.mark.parametrize(("hidden", "loss"), CASES)
def test_curve_is_that_of_fit(hidden, loss):
    history = run(network(hidden), loss=loss, margin=0.45)
    loss_of_fit, accuracy_of_fit = fitted(hidden, loss)
    assert history.epochs >= EPOCHS
    assert history.loss.dtype == history.accuracy.dtype == np.float32
    np.testing.assert_allclose(history.loss[:EPOCHS], loss_of_fit, rtol=2e-6, atol=0)
    np.testing.assert_array_equal(history.accuracy[:EPOCHS], accuracy_of_fit)


@pytest.mark.parametrize(("hidden", "loss"), CASES)
def test_the_comparison_with_fit_notices_another_learning_rate(hidden, loss, monkeypatch):
    adam = keras.optimizers.Adam
    monkeypatch.setattr(training.keras.optimizers, "Adam", lambda: adam(learning_rate=0.00101))
    history = run(network(hidden), loss=loss, margin=0.45)
    loss_of_fit, _ = fitted(hidden, loss)
    assert not np.allclose(history.loss[:EPOCHS], loss_of_fit, rtol=2e-5, atol=0)


def test_weights_are_those_of_as_many_epochs_of_fit():
    trained, other = network(), network()
    history = run(trained, margin=0.5)
    fit(other, "mean_squared_error", history.epochs)
    for mine, theirs in zip(trained.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)
    # One update more would be out of that tolerance by far.
    fit(other, "mean_squared_error", 1)
    assert np.abs(trained.get_weights()[0] - other.get_weights()[0]).max() > 1e-4


def test_default_network_learns_the_segments():
    model = network()
    history = run(model)
    assert largest_error(model) <= 0.05
    assert history.first_right == int(np.flatnonzero(history.accuracy == 1.0)[0]) + 1
    assert 1 < history.first_right < history.epochs
    assert len(history.loss) == len(history.accuracy) == history.epochs
    assert set(np.unique(history.accuracy)) <= {0.0, 0.25, 0.5, 0.75, 1.0}
    # It stops as soon as it may: the weights before were still out of the margin, since its curve ends there.
    mean_squared_error = np.mean((model.predict(segments.INPUTS, verbose=0) - segments.TARGETS) ** 2)
    assert mean_squared_error == pytest.approx(history.loss[-1], rel=0.01)


@pytest.mark.parametrize("hidden", [(32,), (16, 16)])
def test_other_networks_learn_the_segments_too(hidden):
    model = network(hidden)
    assert run(model, loss="bce").epochs > 1
    assert largest_error(model) <= 0.05


def test_same_seed_same_bits():
    models = [network(), network(), network(seed=3)]
    histories = [run(model, margin=0.4) for model in models]
    assert weight_bytes(models[0]) == weight_bytes(models[1])
    assert histories[0].loss.tobytes() == histories[1].loss.tobytes()
    assert weight_bytes(models[0]) != weight_bytes(models[2])


@pytest.mark.parametrize("chunk_epochs", [1, 37])
def test_chunks_do_not_show_in_the_result(chunk_epochs):
    whole, chunked, reports = network(), network(), []
    expected = run(whole, margin=0.45)
    history = run(chunked, lambda epoch, error: reports.append((epoch, error)), chunk_epochs=chunk_epochs, margin=0.45)
    assert weight_bytes(chunked) == weight_bytes(whole)
    assert history.loss.tobytes() == expected.loss.tobytes()
    assert history.accuracy.tobytes() == expected.accuracy.tobytes()
    assert [epoch for epoch, _ in reports] == list(range(chunk_epochs, history.epochs, chunk_epochs))
    assert all(error >= 0.45 for _, error in reports)


def test_two_threads_train_two_models_as_one_after_another():
    alone, *together = network(), network(), network()
    expected = run(alone)
    with ThreadPoolExecutor(2) as pool:
        histories = list(pool.map(run, together))
    assert [weight_bytes(model) for model in together] == [weight_bytes(alone)] * 2
    assert [history.loss.tobytes() for history in histories] == [expected.loss.tobytes()] * 2


@pytest.mark.parametrize("chunk_epochs", [1, 1_000])
def test_the_margin_holds_for_the_weights_that_are_left(chunk_epochs, monkeypatch):
    """Adam's first step is as long as its rate: from 0.96, in the margin around 1, to 1.16, out of it again."""
    adam = keras.optimizers.Adam
    monkeypatch.setattr(training.keras.optimizers, "Adam", lambda: adam(learning_rate=0.2))
    neuron = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(0.96))
    model = keras.Sequential([keras.Input((1,)), neuron])
    one = np.ones((1, 1), np.float32)
    history = train(model, one, one, TrainingSettings(), chunk_epochs=chunk_epochs)
    assert history.epochs > 1
    assert abs(model.get_weights()[0].item() - 1) < 0.05


def test_a_run_that_does_not_converge_says_so_and_what_to_try():
    with pytest.raises(TrainingError) as caught:
        run(network(), max_epochs=100)
    message = str(caught.value)
    assert message.startswith("training with seed 2: expected every prediction within 0.05 of its target, ")
    assert "off after 100 epochs, first all right at epoch " in message
    assert message.endswith("try another --seed, more --max-epochs or --loss binary_crossentropy")


def test_a_run_that_was_never_right_says_so():
    with pytest.raises(TrainingError) as caught:
        run(network(), loss="bce", max_epochs=3, seed=9)
    assert "training with seed 9" in str(caught.value)
    assert "off after 3 epochs, never all right; try another --seed, more --max-epochs" in str(caught.value)
    assert "binary_crossentropy" not in str(caught.value)


def test_the_last_allowed_epoch_may_be_the_one_that_gets_there():
    needed = run(network(), margin=0.45).epochs
    assert run(network(), margin=0.45, max_epochs=needed).epochs == needed
    with pytest.raises(TrainingError):
        run(network(), margin=0.45, max_epochs=needed - 2)


def test_nan_ends_the_run_at_once():
    model = network()
    model.layers[1].bias.assign([np.nan])
    with pytest.raises(TrainingError, match="the furthest nan off after 1 epochs, never all right"):
        run(model)


def test_rows_have_to_match():
    with pytest.raises(UsageError, match="targets: expected 4 rows, as the inputs, found 3; give one a row"):
        train(network(), segments.INPUTS, segments.TARGETS[:3], TrainingSettings())


def test_short_names_of_losses():
    assert TrainingSettings(loss="mse") == TrainingSettings(loss="mean_squared_error")
    assert TrainingSettings(loss="bce").loss == "binary_crossentropy"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "hinge"}, "loss: expected mean_squared_error or binary_crossentropy, found 'hinge'; "),
        ({"max_epochs": 0}, "max_epochs: expected at least 1, found 0; raise --max-epochs"),
        ({"margin": 0.0}, "margin: expected more than 0 and at most 0.5, found 0.0; "),
        ({"margin": 0.6}, "margin: expected more than 0 and at most 0.5, found 0.6; "),
    ],
)
def test_settings_that_cannot_be_meant(values, message):
    with pytest.raises(UsageError) as caught:
        TrainingSettings(**values)
    assert message in str(caught.value)
