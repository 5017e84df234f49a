"""A zoo of Keras models: what people have, each kind as small as it can be, from seeded random weights.

`zoo.registry.ZOO` is the ordered registry; importing `zoo.models` fills it. `make zoo` exports and verifies all of it,
one model a process.
"""

from xorexport import tensorflow_start

# Before any module here imports Keras.
tensorflow_start.start()
