"""Builds, trains, loads and compares Keras models. Imports TensorFlow."""

from xorexport.tensorflow_start import start

start()
