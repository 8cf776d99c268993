"""Lists blocks of timm that pad inside their own forward, where no child shows it.

A test runs a model of every file of timm and compares each padding operation with this list and the converted layers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class PaddingBlock(NamedTuple):
    """How a block pads; `feeds_convolution` if a convolution reads the zeros, which the conversion then misses."""

    feeds_convolution: bool
    reason: str
    applies: Callable[[Any], bool] = lambda block: True


_WINDOWS = PaddingBlock(False, "pads the windows or tokens of an attention, which no convolution reads")
_MERGING = PaddingBlock(False, "pads maps of odd size in front of a linear layer that merges patches")
_POOLING = PaddingBlock(False, "an average pool inside its forward, which counts its padding as zeros")
_PATCHES = PaddingBlock(
    True,
    "pads images that are no multiple of the patch with zeros inside its forward; other images not at all",
    lambda block: getattr(block, "dynamic_img_pad", False),  # older versions of timm lack this option
)

PADDING_BLOCKS: dict[str, PaddingBlock] = {
    "timm.layers.gather_excite.GatherExcite": PaddingBlock(
        False,
        "an average pool inside its forward, which counts valid positions only, as partial padding does",
        lambda block: block.gather is None and block.extent != 0,
    ),
    "timm.layers.halo_attn.HaloAttn": _WINDOWS,
    "timm.layers.hybrid_embed.HybridEmbed": _PATCHES,
    "timm.layers.patch_embed.PatchEmbed": _PATCHES,
    "timm.models.coat.ConvRelPosEnc": _WINDOWS,
    "timm.models.cpubone.ConvAttention": PaddingBlock(
        True,
        "pads maps of odd size with zeros inside its forward, in front of conv_proj; even ones not at all",
        lambda block: block.small_kernels and block.att_stride > 1,
    ),
    "timm.models.davit.Downsample": PaddingBlock(
        True,
        "pads maps that are no multiple of its kernel with zeros inside its forward; other maps not at all",
        lambda block: block.even_k,
    ),
    "timm.models.davit.SpatialBlock": _WINDOWS,
    "timm.models.davit.Stem": PaddingBlock(
        True,
        "pads images that are no multiple of its stride with zeros inside its forward, before its convolution",
    ),
    "timm.models.deepseek_vit.DeepseekVitAligner": _MERGING,
    "timm.models.efficientvit_msra.LocalWindowAttention": _WINDOWS,
    "timm.models.hgnet.StemV2": PaddingBlock(
        True, "F.pad inside its forward feeds both a pool and the 2x2 convolution of stem2a, then that of stem2b"
    ),
    "timm.models.hieradet_sam2.MultiScaleBlock": _WINDOWS,
    "timm.models.iformer.SHMA": _WINDOWS,
    "timm.models.inception_v3.InceptionA": _POOLING,
    "timm.models.inception_v3.InceptionC": _POOLING,
    "timm.models.inception_v3.InceptionE": _POOLING,
    "timm.models.naflexvit.NaFlexEmbeds": _PATCHES,
    "timm.models.swin_transformer.PatchMerging": _MERGING,
    "timm.models.swin_transformer.SwinTransformerBlock": _WINDOWS,
    "timm.models.swin_transformer_v2.PatchMerging": _MERGING,
    "timm.models.swin_transformer_v2.SwinTransformerV2Block": _WINDOWS,
    "timm.models.swin_transformer_v2_cr.PatchMerging": _MERGING,
    "timm.models.swin_transformer_v2_cr.SwinTransformerV2CrBlock": _WINDOWS,
    "timm.models.tiny_vit.TinyVitBlock": _WINDOWS,
    "timm.models.twins.LocallyGroupedAttn": _WINDOWS,
    "timm.models.vision_transformer_sam.Block": _WINDOWS,
}
