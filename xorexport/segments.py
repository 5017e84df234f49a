"""The default network's data: a shop's four customer segments, of which the loyal ones are an exclusive or.

Source: the tutorial "Building a simple Neural Network with Keras and Tensorflow" (2017). A segment is an age
(0 old, 1 young) and an income (0 middle, 1 high); its customers are loyal where exactly one of them is 1.
"""

import numpy as np

SEGMENTS = ("old, middle income", "young, middle income", "old, high income", "young, high income")
LABELS = ("not loyal", "loyal")

INPUTS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=np.float32)
"""Shape (4, 2), float32: one row a segment, in the order of `SEGMENTS`."""
TARGETS = np.array([[0], [1], [1], [0]], dtype=np.float32)
"""Shape (4, 1), float32: 1 where the segment is loyal."""
