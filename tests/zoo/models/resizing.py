"""Images made larger, smaller or cut up: interpolation has a convention of pixel centres that engines differ in."""

import keras
from keras import layers, ops

from zoo.registry import kind


def picture(shape=(8, 6, 3)):
    """An image input, and two channels made of it."""
    x = keras.Input(shape, name="image")
    return x, layers.Conv2D(2, 3, padding="same")(x)


@kind()
def upsampling():
    """UpSampling1D, UpSampling2D (nearest) and UpSampling3D."""
    x, hidden = picture()
    rows = layers.UpSampling1D(3)(layers.Reshape((8, 12))(hidden))
    cube = layers.UpSampling3D((1, 2, 3))(layers.Reshape((2, 4, 6, 2))(hidden))
    return keras.Model(x, {"rows": rows, "plane": layers.UpSampling2D((2, 3))(hidden), "cube": cube})


@kind()
def upsampling_bilinear():
    """UpSampling2D with bilinear interpolation, as segmentation decoders have it."""
    x, hidden = picture()
    return keras.Model(x, layers.Conv2D(1, 3, name="mask")(layers.UpSampling2D(2, interpolation="bilinear")(hidden)))


@kind(sample=True)
def upsampling_bicubic():
    """UpSampling2D with bicubic interpolation, which TFLite has no op for."""
    x, hidden = picture()
    return keras.Model(x, layers.Conv2D(1, 3, name="mask")(layers.UpSampling2D(2, interpolation="bicubic")(hidden)))


@kind()
def resizing():
    """Resizing up and down to odd sizes: nearest and bilinear."""
    x, hidden = picture()
    return keras.Model(
        x,
        {
            "nearest": layers.Resizing(11, 5, interpolation="nearest")(hidden),
            "bilinear": layers.Resizing(11, 5)(hidden),
            "cropped": layers.Resizing(5, 5, crop_to_aspect_ratio=True)(hidden),
            "padded": layers.Resizing(9, 9, pad_to_aspect_ratio=True)(hidden),
        },
    )


@kind()
def resizing_bicubic():
    """Resizing with bicubic interpolation, up and down."""
    x, hidden = picture()
    return keras.Model(
        x,
        {
            "up": layers.Resizing(11, 13, interpolation="bicubic")(hidden),
            "down": layers.Resizing(5, 4, interpolation="bicubic")(hidden),
        },
    )


@kind()
def resizing_lanczos():
    """Resizing with a filter that only TensorFlow has."""
    x, hidden = picture()
    return keras.Model(x, layers.Resizing(12, 9, interpolation="lanczos3", name="up")(hidden))


@kind()
def resizing_antialiased():
    """A resize that averages over the pixels it leaves out."""
    x, hidden = picture((16, 12, 3))
    return keras.Model(x, ops.image.resize(hidden, (5, 4), antialias=True))


@kind()
def resizing_unknown_size():
    """Images of any size brought to one."""
    x = keras.Input((None, None, 3), name="image")
    return keras.Model(x, layers.Conv2D(2, 3, name="y")(layers.Resizing(9, 7)(x)))


@kind()
def center_crop():
    """CenterCrop of a larger image, and of a smaller one, which it enlarges."""
    x, hidden = picture()
    return keras.Model(x, {"cut": layers.CenterCrop(4, 3)(hidden), "enlarged": layers.CenterCrop(9, 10)(hidden)})


@kind(sample=True)
def image_patches():
    """Patches of an image, with and without overlap: an op that ONNX lacks."""
    x, hidden = picture()
    return keras.Model(
        x,
        {
            "apart": ops.image.extract_patches(hidden, (2, 2)),
            "over": ops.image.extract_patches(hidden, (3, 3), strides=2, padding="same"),
        },
    )


@kind()
def depth_to_space():
    """Channels into pixels and back."""
    x = keras.Input((4, 6, 8), name="image")
    hidden = layers.Conv2D(8, 1)(x)
    return keras.Model(x, {"wide": ops.depth_to_space(hidden, 2), "deep": ops.space_to_depth(hidden, 2)})


@kind()
def image_transforms():
    """Colours, a crop by place, and an affine transform."""
    x = keras.Input((8, 6, 3), name="image")
    positive = layers.Activation("sigmoid")(x)
    turned = ops.image.affine_transform(
        positive, ops.array([[0.9, 0.1, 0.2, -0.1, 0.8, 0.3, 0.0, 0.0]], "float32"), interpolation="bilinear"
    )
    return keras.Model(
        x,
        {
            "grey": ops.image.rgb_to_grayscale(positive),
            "hsv": ops.image.rgb_to_hsv(positive),
            "cut": ops.image.crop_images(positive, top_cropping=1, left_cropping=2, target_height=4, target_width=3),
            "turned": turned,
        },
    )
