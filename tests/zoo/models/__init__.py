"""All kinds of the zoo, by theme; importing this fills the registry."""

from zoo.models import (  # noqa: F401
    activations,
    applications,
    attention,
    convolution,
    examples_generative,
    examples_images,
    examples_sequences,
    examples_tables,
    hub,
    keras_ops,
    names,
    normalization,
    operations,
    pooling,
    precision,
    preprocessing,
    recurrent,
    resizing,
    structure,
    wiring,
)
