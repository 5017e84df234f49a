"""The registry of the zoo's kinds, in the order of their definition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import keras

from xorexport.registry import FORMATS
from zoo.randomise import randomise

SEED = 20


@dataclass(frozen=True)
class Kind:
    """One kind of model.

    Attributes:
        name: unique in the zoo.
        group: the module in `zoo.models` that it is defined in.
        purpose: what it exercises, in one line.
        create: makes the model, with whatever weights Keras gives it.
        slow: takes more than a few seconds, so that it is no part of the ordinary tests.
        sample: part of the quarter that runs in the ordinary tests.
        refused: formats that have to be refused, each with a part of the reason.
    """

    name: str
    group: str
    purpose: str
    create: Callable[[], keras.Model]
    slow: bool = False
    sample: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    def build(self) -> keras.Model:
        """The model with random weights: the same ones every time."""
        keras.utils.set_random_seed(SEED)
        try:
            return randomise(self.create(), SEED)
        finally:
            keras.config.set_dtype_policy("float32")


ZOO: dict[str, Kind] = {}


def everywhere(reason: str) -> dict[str, str]:
    """The same refusal by every format: of the model itself."""
    return dict.fromkeys(FORMATS, reason)


def kind(**options):
    """Registers the function that makes a model: its name is the kind's, its module the group."""

    def register(create: Callable[[], keras.Model]) -> Callable[[], keras.Model]:
        name, group = create.__name__, create.__module__.rpartition(".")[2]
        assert name not in ZOO, f"two kinds are called {name}"
        ZOO[name] = Kind(name, group, (create.__doc__ or "").partition("\n")[0], create, **options)
        return create

    return register
