"""Networks of `keras.applications`, at the smallest sizes that make sense, with random weights."""

from keras import applications

from zoo.registry import kind


def classifier(build, size, **options):
    """The whole network, with few classes."""
    return build(weights=None, input_shape=(size, size, 3), classes=7, **options)


def features(build, size, **options):
    """The network without its head, whose last maps are averaged."""
    return build(weights=None, input_shape=(size, size, 3), include_top=False, pooling="avg", **options)


@kind(slow=True)
def mobilenet():
    """MobileNet: depthwise convolutions and ReLU6."""
    return classifier(applications.MobileNet, 64, alpha=0.5)


@kind(slow=True)
def mobilenet_v2():
    """MobileNetV2: inverted residual blocks."""
    return classifier(applications.MobileNetV2, 96, alpha=0.5)


@kind(slow=True)
def mobilenet_v3_small():
    """MobileNetV3Small: hard swish, squeeze and excitation."""
    return classifier(applications.MobileNetV3Small, 96)


@kind(slow=True)
def efficientnet_b0():
    """EfficientNetB0: swish, squeeze and excitation, rescaling inside."""
    return classifier(applications.EfficientNetB0, 64)


@kind(slow=True)
def efficientnet_v2_b0():
    """EfficientNetV2B0: fused blocks."""
    return classifier(applications.EfficientNetV2B0, 64)


@kind(slow=True)
def resnet50():
    """ResNet50."""
    return classifier(applications.ResNet50, 64)


@kind(slow=True)
def resnet50_v2():
    """ResNet50V2: normalisation before the convolutions."""
    return classifier(applications.ResNet50V2, 64)


@kind(slow=True)
def densenet121():
    """DenseNet121: every layer's output joined to all before."""
    return classifier(applications.DenseNet121, 64)


@kind(slow=True)
def inception_v3():
    """InceptionV3: windows that are not square, and averages with padding."""
    return classifier(applications.InceptionV3, 96)


@kind(slow=True)
def inception_resnet_v2():
    """InceptionResNetV2: layers of one's own that scale what is added."""
    return features(applications.InceptionResNetV2, 80)


@kind(slow=True)
def xception():
    """Xception: separable convolutions."""
    return classifier(applications.Xception, 72)


@kind(slow=True)
def nasnet_mobile():
    """NASNetMobile: cells with crops and paddings."""
    return classifier(applications.NASNetMobile, 64)


@kind(slow=True)
def vgg16():
    """VGG16 without its head: plain convolutions, many weights."""
    return features(applications.VGG16, 48)


@kind(slow=True)
def convnext_tiny():
    """ConvNeXtTiny: exact GELU, layer normalisation and scales."""
    return features(applications.ConvNeXtTiny, 64)
