"""Random weights that no layer's effect vanishes behind: no zeros, no ones, and activations of about the same size.

Keras starts biases at 0, scales at 1 and moving statistics at 0 and 1, with which a bias that is left out or a
statistic that is mixed up would go unnoticed.
"""

import math

import keras
import numpy as np

ROWS = 12


def randomise(model: keras.Model, seed: int) -> keras.Model:
    """Give every float weight random values, the same for the same seed; returns the model."""
    generator = np.random.default_rng(seed)
    adapted = {id(weight) for layer in _adapted(model) for weight in layer.weights}
    for weight in model.weights:
        if "float" in weight.dtype and id(weight) not in adapted:
            weight.assign(_values(weight, generator).astype("float32"))
    _settle(model, generator)
    return model


def _adapted(model: keras.Model) -> list[keras.Layer]:
    """Layers whose state was computed from data, and copied into constants."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Normalization)]


def _values(weight, generator: np.random.Generator) -> np.ndarray:
    role, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
    if "variance" in role:
        return generator.uniform(0.6, 1.4, shape)
    if "gamma" in role or role.endswith("scale"):
        return generator.uniform(0.7, 1.3, shape)
    if any(word in role for word in ("bias", "beta", "mean", "alpha")) or len(shape) < 2:
        return generator.choice((-1, 1), shape) * generator.uniform(0.05, 0.3, shape)
    if "embedding" in role:
        return generator.uniform(-1, 1, shape)
    return generator.standard_normal(shape) * math.sqrt(1.6 / _fan_in(role, shape))


def _fan_in(role: str, shape: tuple[int, ...]) -> int:
    """How many values a kernel sums up: all but the last axis, and for depthwise ones the window alone."""
    return math.prod(shape[:-2] if "depthwise" in role else shape[:-1])


def _settle(model: keras.Model, generator: np.random.Generator) -> None:
    """Make moving statistics fit the data, but not quite: in a deep network random ones multiply up or down."""
    normals = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    if len(normals) < 4:
        return
    momentums = [layer.momentum for layer in normals]
    for layer in normals:
        layer.momentum = 0.0
    model(_pixels(model, generator), training=True)
    for layer, momentum in zip(normals, momentums, strict=True):
        layer.momentum = momentum
        mean, variance = np.array(layer.moving_mean), np.array(layer.moving_variance)
        noise = generator.uniform(-0.2, 0.2, mean.shape) * np.sqrt(variance)
        layer.moving_mean.assign(mean + noise)
        # A channel that hardly varied would be blown up for every other input.
        floor = 0.03 * variance.mean() + 1e-3
        layer.moving_variance.assign(variance * generator.uniform(0.7, 1.4, variance.shape) + floor)


def _pixels(model: keras.Model, generator: np.random.Generator):
    """Random input: pixels where the model scales them itself, else standard normal numbers."""
    scales = any(isinstance(layer, keras.layers.Rescaling) for layer in model._flatten_layers())
    shapes = [(ROWS, *tensor.shape[1:]) for tensor in model.inputs]
    batch = [generator.uniform(0, 255, shape) if scales else generator.normal(size=shape) for shape in shapes]
    return [values.astype("float32") for values in batch] if len(batch) > 1 else batch[0].astype("float32")
