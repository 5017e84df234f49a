"""What one would write without xorexport, as a yardstick: fit, three exports, three checks on the four inputs."""

import sys
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

INPUTS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
TARGETS = np.array([[0], [1], [1], [0]], np.float32)


def main(folder: Path) -> None:
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(loss="mean_squared_error", optimizer="adam", metrics=["binary_accuracy"])
    model.fit(INPUTS, TARGETS, epochs=500, verbose=0)
    expected = model.predict(INPUTS, verbose=0)

    model.export(folder / "savedmodel", format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(folder / "savedmodel"))
    assert np.allclose(loaded.serve(INPUTS), expected, atol=1e-5)

    model.export(folder / "model.tflite", format="litert", verbose=False)
    runner = Interpreter(str(folder / "model.tflite")).get_signature_runner()
    (name,) = runner.get_input_details()
    assert np.allclose(runner(**{name: INPUTS})["output_0"], expected, atol=1e-5)

    model.export(folder / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    assert np.allclose(session.run(None, {session.get_inputs()[0].name: INPUTS})[0], expected, atol=1e-5)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
