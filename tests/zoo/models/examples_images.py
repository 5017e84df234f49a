"""Networks of Keras' code examples on images, with fewer and narrower layers."""

import keras
from keras import layers, ops

from zoo.registry import kind


@kind()
def mnist_convnet():
    """Simple MNIST convnet."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1), name="digit"),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(12, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax", name="class"),
        ]
    )


@kind(sample=True)
def mini_xception():
    """Image classification from scratch: a small Xception."""
    x = keras.Input((24, 24, 3), name="image")
    hidden = layers.Rescaling(1.0 / 255)(x)
    hidden = layers.Activation("relu")(
        layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(hidden))
    )
    way = hidden
    for size in (12, 16):
        for _ in range(2):
            hidden = layers.Activation("relu")(hidden)
            hidden = layers.BatchNormalization()(layers.SeparableConv2D(size, 3, padding="same")(hidden))
        hidden = layers.MaxPooling2D(3, strides=2, padding="same")(hidden)
        way = hidden = layers.add([hidden, layers.Conv2D(size, 1, strides=2, padding="same")(way)])
    hidden = layers.Dropout(0.25)(layers.GlobalAveragePooling2D()(hidden))
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="is_dog")(hidden))


@kind()
def unet_xception():
    """Image segmentation with a U-Net of separable convolutions."""
    x = keras.Input((32, 32, 3), name="image")
    hidden = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2, padding="same")(x)))
    way = hidden
    for filters in (8, 12):
        hidden = layers.Activation("relu")(hidden)
        hidden = layers.BatchNormalization()(layers.SeparableConv2D(filters, 3, padding="same")(hidden))
        hidden = layers.MaxPooling2D(3, strides=2, padding="same")(hidden)
        way = hidden = layers.add([hidden, layers.Conv2D(filters, 1, strides=2, padding="same")(way)])
    for filters in (12, 8, 6):
        hidden = layers.Activation("relu")(hidden)
        hidden = layers.BatchNormalization()(layers.Conv2DTranspose(filters, 3, padding="same")(hidden))
        hidden = layers.UpSampling2D(2)(hidden)
        way = hidden = layers.add([hidden, layers.Conv2D(filters, 1, padding="same")(layers.UpSampling2D(2)(way))])
    return keras.Model(x, layers.Conv2D(3, 3, activation="softmax", padding="same", name="mask")(hidden))


def mixer_block(x, filters):
    hidden = layers.BatchNormalization()(layers.Activation("gelu")(layers.DepthwiseConv2D(5, padding="same")(x)))
    hidden = layers.Add()([hidden, x])
    return layers.BatchNormalization()(layers.Activation("gelu")(layers.Conv2D(filters, 1)(hidden)))


@kind()
def conv_mixer():
    """ConvMixer."""
    x = keras.Input((16, 16, 3), name="image")
    hidden = layers.Conv2D(8, 2, strides=2)(layers.Rescaling(1.0 / 255)(x))
    hidden = layers.BatchNormalization()(layers.Activation("gelu")(hidden))
    for _ in range(2):
        hidden = mixer_block(hidden, 8)
    return keras.Model(x, layers.Dense(5, activation="softmax", name="class")(layers.GlobalAvgPool2D()(hidden)))


@keras.saving.register_keras_serializable("zoo")
class PatchEncoder(layers.Layer):
    """Projects patches and adds where they are."""

    def __init__(self, patches, width, **options):
        super().__init__(**options)
        self.patches, self.width = patches, width
        self.projection, self.position = layers.Dense(width), layers.Embedding(patches, width)

    def build(self, shape):
        self.projection.build(shape)
        self.position.build((1, self.patches))

    def call(self, patches):
        places = ops.expand_dims(ops.arange(self.patches), 0)
        return self.projection(patches) + self.position(places)

    def get_config(self):
        return {**super().get_config(), "patches": self.patches, "width": self.width}


@kind(sample=True)
def vision_transformer():
    """Image classification with a Vision Transformer."""
    x = keras.Input((16, 16, 3), name="image")
    patches = layers.Reshape((16, 48))(ops.image.extract_patches(x, (4, 4)))
    hidden = PatchEncoder(16, 12)(patches)
    for _ in range(2):
        normal = layers.LayerNormalization(epsilon=1e-6)(hidden)
        hidden = layers.Add()([layers.MultiHeadAttention(2, 6, dropout=0.1)(normal, normal), hidden])
        normal = layers.LayerNormalization(epsilon=1e-6)(hidden)
        hidden = layers.Add()([layers.Dense(12)(layers.Dense(24, activation=keras.activations.gelu)(normal)), hidden])
    hidden = layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(hidden))
    return keras.Model(x, layers.Dense(5, name="logits")(layers.Dropout(0.5)(hidden)))


@kind(sample=True)
def super_resolution():
    """Image super-resolution by an efficient sub-pixel network, for images of any size."""
    x = keras.Input((None, None, 1), name="low")
    options = {"activation": "relu", "padding": "same"}
    hidden = layers.Conv2D(8, 5, **options)(x)
    hidden = layers.Conv2D(6, 3, **options)(layers.Conv2D(8, 3, **options)(hidden))
    hidden = layers.Conv2D(9, 3, padding="same")(hidden)
    return keras.Model(x, ops.depth_to_space(hidden, 3), name="espcn")


@kind()
def captcha_ocr():
    """OCR model for reading captchas: convolutions, then two bidirectional LSTM over the columns."""
    x = keras.Input((40, 16, 1), name="image")
    hidden = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, activation="relu", padding="same")(x))
    hidden = layers.MaxPooling2D(2)(layers.Conv2D(6, 3, activation="relu", padding="same")(hidden))
    hidden = layers.Dropout(0.2)(layers.Dense(8, activation="relu")(layers.Reshape((10, 24))(hidden)))
    for units in (6, 4):
        hidden = layers.Bidirectional(layers.LSTM(units, return_sequences=True, dropout=0.25))(hidden)
    return keras.Model(x, layers.Dense(8, activation="softmax", name="characters")(hidden))


@kind()
def video_classifier():
    """Video classification with a CNN-RNN: features of frames, of which a mask says which are there."""
    features, mask = keras.Input((6, 10), name="features"), keras.Input((6,), dtype="bool", name="mask")
    hidden = layers.GRU(4)(layers.GRU(6, return_sequences=True)(features, mask=mask))
    hidden = layers.Dense(5, activation="relu")(layers.Dropout(0.4)(hidden))
    return keras.Model([features, mask], layers.Dense(3, activation="softmax", name="action")(hidden))


@kind()
def next_frame():
    """Next-frame video prediction with ConvLSTM2D, over any number of frames."""
    x = keras.Input((None, 8, 8, 1), name="frames")
    hidden = x
    for size in (3, 1):
        hidden = layers.ConvLSTM2D(3, size, padding="same", return_sequences=True, activation="relu")(hidden)
        hidden = layers.BatchNormalization()(hidden)
    return keras.Model(x, layers.Conv3D(1, 3, activation="sigmoid", padding="same", name="next")(hidden))


@kind()
def scan_classifier():
    """3D image classification from CT scans."""
    x = keras.Input((16, 16, 16, 1), name="scan")
    hidden = x
    for filters in (4, 6):
        hidden = layers.Conv3D(filters, 3, activation="relu")(hidden)
        hidden = layers.BatchNormalization()(layers.MaxPool3D(2)(hidden))
    hidden = layers.Dropout(0.3)(layers.Dense(8, activation="relu")(layers.GlobalAveragePooling3D()(hidden)))
    return keras.Model(x, layers.Dense(1, activation="sigmoid", name="pneumonia")(hidden))


def transform_net(x, size, name):
    """A small network that finds the matrix which its input is multiplied with."""
    hidden = layers.ReLU()(layers.BatchNormalization(momentum=0.0)(layers.Conv1D(8, 1)(x)))
    hidden = layers.Dense(8, activation="relu")(layers.GlobalMaxPooling1D()(hidden))
    matrix = layers.Reshape((size, size))(layers.Dense(size * size, name=name)(hidden))
    return layers.Dot(axes=(2, 1))([x, matrix])


@kind()
def point_net():
    """Point cloud classification with PointNet."""
    x = keras.Input((32, 3), name="points")
    hidden = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(6, 1)(transform_net(x, 3, "first"))))
    hidden = layers.ReLU()(layers.BatchNormalization()(layers.Conv1D(12, 1)(transform_net(hidden, 6, "second"))))
    hidden = layers.Dropout(0.3)(layers.Dense(8, activation="relu")(layers.GlobalMaxPooling1D()(hidden)))
    return keras.Model(x, layers.Dense(4, activation="softmax", name="class")(hidden))


@kind()
def deeplab():
    """Multiclass segmentation with DeepLabV3+: dilated convolutions side by side, and bilinear upsampling."""
    x = keras.Input((32, 32, 3), name="image")
    low = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(6, 3, strides=2, padding="same")(x)))
    deep = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3, strides=2, padding="same")(low)))
    pooled = layers.Conv2D(6, 1)(layers.AveragePooling2D(8)(deep))
    branches = [layers.UpSampling2D(8, interpolation="bilinear")(pooled)]
    for rate in (1, 2, 4):
        branches.append(layers.Conv2D(6, 3, dilation_rate=rate, padding="same", use_bias=False)(deep))
    deep = layers.Conv2D(6, 1)(layers.Concatenate()(branches))
    both = layers.Concatenate()([layers.UpSampling2D(2, interpolation="bilinear")(deep), layers.Conv2D(4, 1)(low)])
    mask = layers.UpSampling2D(2, interpolation="bilinear")(layers.Conv2D(6, 3, padding="same")(both))
    return keras.Model(x, layers.Conv2D(3, 1, name="mask")(mask))


@kind()
def siamese_images():
    """Image similarity by a siamese network with a contrastive loss: the distance of two embeddings."""
    tower = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.BatchNormalization(),
            layers.Conv2D(4, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.BatchNormalization(),
            layers.Dense(6, activation="tanh"),
        ],
        name="tower",
    )
    left, right = keras.Input((16, 16, 1), name="left"), keras.Input((16, 16, 1), name="right")
    squares = ops.sum(ops.square(tower(left) - tower(right)), axis=1, keepdims=True)
    distance = ops.sqrt(ops.maximum(squares, keras.config.epsilon()))
    hidden = layers.BatchNormalization()(distance)
    return keras.Model([left, right], layers.Dense(1, activation="sigmoid", name="same")(hidden))
