"""Numbers of every kind, made of a model's inputs: what functions of `keras.ops` are called with."""

from collections.abc import Callable

from keras import ops


def numbers(x):
    """Drawn ones, and whole ones with zeros among them, none of which is negative."""
    near = ops.abs(x) < 0.25
    return ops.concatenate([2.0 * x, ops.where(near, 0.0, ops.round(2.0 * x))], axis=-1)


def others(x):
    """Other numbers, some equal to the first; none is zero."""
    return ops.concatenate([x[..., ::-1], ops.where(ops.abs(x) > 0.3, ops.round(2.0 * x), -3.0)], axis=-1)


def inner(x):
    """Between -1 and 1, the ends left out."""
    return 0.95 * ops.tanh(x)


def positive(x):
    """Above zero."""
    return ops.softplus(x) + 0.01


def whole(x, dtype="int32"):
    """Whole numbers, of both signs where the dtype has two."""
    rounded = ops.round(20.0 * x)
    return ops.cast(ops.abs(rounded) if dtype.startswith("u") else rounded, dtype)


def divisors(x, dtype="int32"):
    """Small odd numbers, likewise."""
    return whole(ops.round(3.0 * x[..., ::-1]) / 10.0, dtype) + ops.cast(1, dtype)


def small(x, dtype="int32"):
    """Whole numbers from 0 to 5."""
    return ops.cast(ops.floor(ops.clip(x + 3.0, 0.0, 5.0)), dtype)


def truth(x):
    """Truth values."""
    return x > 0.1


def gaps(x):
    """With NaN among the numbers; the first is always one."""
    there = ops.concatenate([ops.ones_like(x[..., :1]), ops.cast(x[..., 1:] < 0.7, "float32")], axis=-1)
    return ops.sqrt(there - 0.5) * x


def infinite(x):
    """With infinities of both signs and NaN among the numbers."""
    least = ops.log(ops.relu(x))
    return ops.concatenate([least, -least, ops.log(x)], axis=-1)


def chances(x):
    """Rows that sum up to one."""
    return ops.softmax(x, axis=-1)


def definite(x):
    """A positive definite matrix a row, of rows of shape (4, 4) or more."""
    x = x[..., :4]
    return ops.matmul(x, ops.transpose(x, (0, 2, 1))) + 4.0 * ops.eye(4)


def side_by_side(parts):
    """Several results as one tensor."""
    return ops.concatenate([ops.cast(part, "float32") for part in parts], axis=-1)


def plain(names: str, *prepared: Callable, suffix: str = "", **options) -> dict[str, Callable]:
    """Functions of `keras.ops` by name, each called with what `prepared` makes of the input."""

    def called(name):
        return lambda x: getattr(ops, name)(*(prepare(x) for prepare in prepared), **options)

    return {f"{name}{suffix}": called(name) for name in names.split()}


def rowwise(names: str, prepare: Callable, suffix: str = "") -> dict[str, Callable]:
    """Functions that are called with an axis: the last."""
    return plain(names, prepare, suffix=suffix, axis=-1)
