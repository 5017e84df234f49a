"""One trace of the model for all formats, and what is done to a trace for one format alone. Imports TensorFlow."""

from xorexport.tensorflow_start import start

start()
