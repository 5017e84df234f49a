"""Writes a traced model, one file a format. Imports TensorFlow."""

from xorexport.tensorflow_start import start

start()
