"""The inputs that a model is checked on: seeded, and drawn so that they make sense to the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xorexport import segments
from xorexport.dtypes import known, numpy_dtype
from xorexport.errors import ModelError, UsageError
from xorexport.spec import TensorSpec

SIZES = (32, 64, 16, 8, 128, 224, 256)
"""What a dynamic dimension other than the batch gets in drawn inputs: the first two of these that the model takes."""


HELD_BACK = 5
"""One in so many given rows is not calibrated with, but checked on."""
LARGEST_SET = 256
"""Rows of a golden set."""


@dataclass(frozen=True)
class Domain:
    """The values that an input may take: uniform between two bounds, both included for integers."""

    low: float
    high: float
    integer: bool = False


@dataclass(frozen=True)
class Words:
    """The strings that an input may take: some of the words that a layer knows, and some that it does not.

    Attributes:
        most: how many words a string has at most.
    """

    words: tuple[str, ...] = ("alpha", "beta", "gamma", "delta")
    most: int = 1


UNKNOWN = 0.125
"""The share of drawn words that no layer knows."""
Values = Domain | Words


@dataclass(frozen=True)
class SampleSet:
    """Inputs to check on, and in which batches.

    Attributes:
        inputs: by canonical name, each of shape (rows, ...).
        batch_sizes: each divides the number of rows.
    """

    name: str
    description: str
    inputs: dict[str, np.ndarray]
    batch_sizes: tuple[int, ...]
    row_names: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows, the same for all inputs."""
        return len(next(iter(self.inputs.values())))


def segment_sets(input_name: str, seed: int, rows: int = 256, reach: float = 3.0) -> tuple[SampleSet, ...]:
    """The four customer segments, and seeded points of the plane around them.

    The corners alone prove little: on them XOR is symmetric, which hides swapped inputs, and its outputs are
    saturated, which hides errors. So there are points off the corners too.

    Args:
        reach: the points fill the square [-reach, reach]^2.
    """
    points = np.random.default_rng(seed).uniform(-reach, reach, (rows, 2)).astype(np.float32)
    return (
        SampleSet(
            name="segments",
            description="the four customer segments",
            inputs={input_name: segments.INPUTS},
            batch_sizes=(1, len(segments.INPUTS)),
            row_names=segments.SEGMENTS,
        ),
        SampleSet(
            name="off-corner",
            description=f"{rows} points drawn uniformly from [-{reach:g}, {reach:g}]^2 with seed {seed}",
            inputs={input_name: points},
            batch_sizes=(rows,),
        ),
    )


def calibration_points(input_name: str, seed: int, rows: int = 256, reach: float = 3.0) -> dict[str, np.ndarray]:
    """Other points of the plane around the segments, to calibrate with."""
    points = np.random.default_rng([seed, 1]).uniform(-reach, reach, (rows, 2)).astype(np.float32)
    return {input_name: points}


def drawn_sets(
    specs: Sequence[TensorSpec], domains: Mapping[str, Values], seed: int, sizes: Sequence[int] = SIZES[:2]
) -> tuple[SampleSet, ...]:
    """Two sets for any model: three rows, run one at a time and as a batch, and seventeen in one batch.

    A model whose batch is fixed gets rows in multiples of it.

    Args:
        sizes: of the dynamic dimensions other than the batch, in the first set and in the second.
    """
    fixed = {spec.shape[0] for spec in specs if spec.shape and spec.shape[0] is not None}
    batch = next(iter(fixed), None)
    few, many = (3, 17) if batch is None else (batch, 4 * batch)
    small = draw(specs, domains, few, seed, sizes[0])
    large = draw(specs, domains, many, seed + 1, sizes[-1])
    return (
        SampleSet("samples", f"{few} rows drawn with seed {seed}", small, (1, few) if batch is None else (few,)),
        SampleSet(
            "more-samples",
            f"{many} rows drawn with seed {seed + 1}",
            large,
            (many,) if batch is None else (batch,),
        ),
    )


def given_sets(
    arrays: Mapping[str, np.ndarray], specs: Sequence[TensorSpec], seed: int, names: Sequence[str] = ()
) -> tuple[tuple[SampleSet, ...], dict[str, np.ndarray]]:
    """Sets of a user's own rows, in an order that the seed decides, and the rows to calibrate with.

    One row in five is held back from calibration, to check on; only where there are fewer than five, or than two
    fixed batches, the same ones have to do for both.

    Args:
        arrays: by canonical name, each of shape (rows, ...).
        specs: the model's inputs, whose batch may be fixed.
        names: of the rows, or empty.

    Raises:
        UsageError: there are fewer rows than a fixed batch takes.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UsageError(
                "--samples",
                expected="finite numbers",
                found=f"others in input '{name}', row {int(np.argwhere(~np.isfinite(array))[0][0])}",
                remedy="leave those rows out",
            )
    rows = len(next(iter(arrays.values())))
    fixed = next((spec.shape[0] for spec in specs if spec.shape and spec.shape[0] is not None), None)
    unit = fixed or 1
    if rows < unit:
        raise UsageError(
            "--samples",
            expected=f"at least {unit} rows",
            found=str(rows),
            remedy="give more: the model takes batches of that size",
        )
    order = np.random.default_rng(seed).permutation(rows)
    held = max(rows // HELD_BACK, unit) // unit * unit
    enough = rows >= HELD_BACK and rows - held >= unit
    checked, rest = order[:held], order[held:] if enough else order
    few, many = (3, 17) if fixed is None else (fixed, 4 * fixed)
    # A batch of its own size is always run, with rows that come again where there are too few.
    more = checked[few : few + many] if len(checked) > few else checked
    parts = {"samples": checked[:few], "more-samples": np.resize(more, many), "held-back": checked[few + many :]}
    also = "" if rows >= HELD_BACK else ", which it is calibrated with as well"
    sets = tuple(
        SampleSet(
            name,
            f"{len(np.unique(chosen))} of {rows} given rows, chosen with seed {seed}{also}",
            {of: array[chosen] for of, array in arrays.items()},
            (fixed,) if fixed else tuple(dict.fromkeys((1, len(chosen)) if name == "samples" else (len(chosen),))),
            tuple(names[row] for row in chosen) if names else (),
        )
        for name, chosen in ((name, chosen[: max(LARGEST_SET // unit, 1) * unit]) for name, chosen in parts.items())
        if len(chosen)
    )
    return sets, {name: array[rest] for name, array in arrays.items()}


def draw(
    specs: Sequence[TensorSpec], domains: Mapping[str, Values], rows: int, seed: int, size: int = SIZES[0]
) -> dict[str, np.ndarray]:
    """Draw `rows` rows for every input, by canonical name.

    Inputs without a domain are standard normal where they are floats, 0 or 1 where they are integers or bools, and
    one of a few words where they are strings.

    Args:
        size: of dynamic dimensions other than the batch.

    Raises:
        ModelError: an input has a dtype that cannot be drawn, for example complex numbers.
    """
    check_dtypes(specs)
    generator = np.random.default_rng(seed)
    return {spec.name: _draw(spec, domains.get(spec.name), rows, size, generator) for spec in specs}


def check_dtypes(specs: Sequence[TensorSpec]) -> None:
    """Refuse inputs that few consumers could give.

    Raises:
        ModelError: it names the input.
    """
    for spec in specs:
        if not known(spec.dtype):
            raise ModelError(
                f"input '{spec.name}'",
                expected="numbers, truth values or strings",
                found=f"dtype {spec.dtype}",
                remedy="split it into inputs of such dtypes, for example real and imaginary parts",
            )


def _draw(
    spec: TensorSpec, domain: Values | None, rows: int, size_of_dynamic: int, generator: np.random.Generator
) -> np.ndarray:
    shape = (rows, *(size_of_dynamic if size is None else size for size in spec.shape[1:]))
    kind = numpy_dtype(spec.dtype).kind
    if kind == "O":
        return _strings(shape, domain if isinstance(domain, Words) else Words(), generator)
    if not isinstance(domain, Domain):
        values = generator.standard_normal(shape) if kind == "f" else generator.integers(0, 2, shape)
    elif domain.integer:
        values = generator.integers(int(domain.low), int(domain.high) + 1, shape)
    else:
        values = generator.uniform(domain.low, domain.high, shape)
    return values.astype(spec.dtype)


def _strings(shape: tuple[int, ...], domain: Words, generator: np.random.Generator) -> np.ndarray:
    unknown = "unheard"
    while unknown in domain.words:
        unknown += "-of"

    def word() -> str:
        return unknown if generator.random() < UNKNOWN else domain.words[generator.integers(len(domain.words))]

    count = generator.integers(1, domain.most + 1, math.prod(shape))
    return np.array([" ".join(word() for _ in range(words)) for words in count], dtype=object).reshape(shape)
