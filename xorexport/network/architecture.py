"""The default network as a value, from which both of Keras' APIs build the same model."""

from __future__ import annotations

from dataclasses import dataclass

import keras

from xorexport.errors import UsageError


@dataclass(frozen=True)
class Architecture:
    """A stack of Dense layers.

    The defaults are the network of the tutorial "Building a simple Neural Network with Keras and Tensorflow"
    (2017): two inputs, 16 hidden neurons, one output.

    Attributes:
        inputs: number of features of a row.
        hidden: neurons of each hidden layer, in order; empty for a network without one.
        activation: of every hidden layer, by Keras' name.
        outputs: number of outputs of a row.
        output_activation: of the last layer, by Keras' name.
        input_name: the name of the `keras.Input`.
        output_name: the name of the last layer.
        name: the model's name.

    Raises:
        UsageError: a value from which no model can be built.
    """

    inputs: int = 2
    hidden: tuple[int, ...] = (16,)
    activation: str = "relu"
    outputs: int = 1
    output_activation: str = "sigmoid"
    input_name: str = "x"
    output_name: str = "y"
    name: str = "xor"

    def __post_init__(self) -> None:
        _check_size("inputs", self.inputs)
        _check_size("outputs", self.outputs)
        for size in self.hidden:
            _check_size("hidden layer", size)
        _check_activation("activation", self.activation)
        _check_activation("output activation", self.output_activation)
        _check_names(self.input_name, *self.hidden_names, self.output_name)

    @property
    def hidden_names(self) -> tuple[str, ...]:
        """`hidden` where there is one hidden layer, else `hidden_1`, `hidden_2` and so on."""
        if len(self.hidden) == 1:
            return ("hidden",)
        return tuple(f"hidden_{position}" for position in range(1, len(self.hidden) + 1))

    def sequential(self) -> keras.Sequential:
        """Build the network with Keras' Sequential API.

        Returns:
            A built model, float32, (batch, inputs) to (batch, outputs). Its weights come from Keras' global
            random state: call `keras.utils.set_random_seed` before for repeatable ones.
        """
        return keras.Sequential([self._input(), *self._layers()], name=self.name)

    def functional(self) -> keras.Model:
        """Build the same network with Keras' Functional API.

        Returns:
            As `sequential`, with the same layers, names and shapes, and weights of its own.
        """
        inputs = outputs = self._input()
        for layer in self._layers():
            outputs = layer(outputs)
        return keras.Model(inputs, outputs, name=self.name)

    def both(self, seed: int) -> tuple[keras.Sequential, keras.Model]:
        """Build it with both APIs, with equal weights.

        Args:
            seed: of the weights; Keras' global random state is set to it.
        """
        keras.utils.set_random_seed(seed)
        sequential, functional = self.sequential(), self.functional()
        functional.set_weights(sequential.get_weights())
        return sequential, functional

    def _input(self) -> keras.KerasTensor:
        return keras.Input((self.inputs,), name=self.input_name)

    def _layers(self) -> list[keras.layers.Layer]:
        hidden = [
            keras.layers.Dense(size, activation=self.activation, name=name)
            for size, name in zip(self.hidden, self.hidden_names, strict=True)
        ]
        last = keras.layers.Dense(self.outputs, activation=self.output_activation, name=self.output_name)
        return [*hidden, last]


def _check_size(what: str, size: object) -> None:
    # A bool is an int to Python, and nobody means True neurons.
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise UsageError(
            what,
            expected="a whole number of at least 1",
            found=repr(size),
            remedy="give the number of neurons, for example 16",
        )


def _check_activation(what: str, activation: str) -> None:
    try:
        keras.activations.get(activation)
    except ValueError as error:
        raise UsageError(
            what,
            expected="the name of an activation of Keras",
            found=repr(activation),
            remedy="take one from keras.activations, for example relu, tanh or sigmoid",
        ) from error


def _check_names(*names: str) -> None:
    for position, name in enumerate(names):
        # TensorFlow, TFLite and ONNX agree on identifiers and on little else.
        if not (name.isascii() and name.isidentifier()):
            raise UsageError(
                "layer name",
                expected="letters, digits and underscores, without a digit in front",
                found=repr(name),
                remedy="choose a name that every format can carry",
            )
        if name in names[:position]:
            raise UsageError(
                "layer name",
                expected="a different name for each layer and the input",
                found=f"{name!r} twice",
                remedy="rename the input or the output",
            )
