"""Backbones of KerasHub, built from small configurations: nothing is fetched."""

from zoo.registry import kind


def keras_hub():
    """Imported late: it takes as long as TensorFlow."""
    import keras_hub

    return keras_hub.models


@kind(slow=True)
def bert_backbone():
    """BERT, an encoder: tokens, segments and a mask of what is padding."""
    return keras_hub().BertBackbone(
        vocabulary_size=50, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=24, max_sequence_length=16
    )


@kind(slow=True)
def gpt2_backbone():
    """GPT-2, a decoder with learned positions."""
    return keras_hub().GPT2Backbone(
        vocabulary_size=50, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=24, max_sequence_length=16
    )


@kind(slow=True)
def llama_backbone():
    """Llama, a decoder with rotary positions, grouped queries and gated networks."""
    return keras_hub().LlamaBackbone(
        vocabulary_size=50,
        num_layers=2,
        num_query_heads=4,
        num_key_value_heads=2,
        hidden_dim=16,
        intermediate_dim=24,
    )


@kind(slow=True)
def gemma_backbone():
    """Gemma, a decoder with one key for all queries."""
    return keras_hub().GemmaBackbone(
        vocabulary_size=50,
        num_layers=2,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=16,
        intermediate_dim=24,
        head_dim=8,
    )


@kind(slow=True)
def resnet_backbone():
    """ResNet, an image backbone."""
    return keras_hub().ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(32, 32, 3),
    )


@kind(slow=True)
def vit_backbone():
    """ViT, an image backbone of transformer blocks."""
    return keras_hub().ViTBackbone(
        image_shape=(32, 32, 3), patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=24
    )
