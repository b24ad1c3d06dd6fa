"""From backbone maps to the features that masks and queries are made of.

A plain transformer looks over the coarsest map, then a feature pyramid goes back up to stride 4.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.biomedparse.config import BiomedParseConfig, PixelDecoderConfig
from parser_model.biomedparse.layers import Attention, sine_position

_GROUPS = 32


class NormedConv(nn.Conv2d):
    """A convolution without bias and the group norm that belongs to it.

    A subclass, because the checkpoint names the norm as a part of the convolution.
    """

    def __init__(self, inside: int, outside: int, kernel: int, *, activate: bool) -> None:
        super().__init__(inside, outside, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, outside)
        self.activate = activate

    def forward(self, input: Tensor) -> Tensor:
        x = super().forward(input.to(self.weight.dtype))
        x = self.norm(x.to(self.norm.weight.dtype))
        return F.relu_(x) if self.activate else x


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, normalised after each; positions enter queries and keys."""

    def __init__(self, config: PixelDecoderConfig) -> None:
        super().__init__()
        width = config.width
        self.self_attn = Attention(width, config.heads)
        self.linear1 = nn.Linear(width, config.feed_forward)
        self.linear2 = nn.Linear(config.feed_forward, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        """Transform (N, L, C) with positions (L, C)."""
        x = self.norm1(x + self.self_attn(x + position, x))
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))


class Encoder(nn.Module):
    """The transformer's layers."""

    def __init__(self, config: PixelDecoderConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.layers))

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, position)
        return x


class Transformer(nn.Module):
    """Runs the encoder on a map; exists for the checkpoint's name ``transformer.encoder``."""

    def __init__(self, config: PixelDecoderConfig) -> None:
        super().__init__()
        self.encoder = Encoder(config)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, C, H, W)."""
        _, channels, height, width = x.shape
        position = sine_position(height, width, channels, x.device).to(x.dtype)
        tokens = self.encoder(x.flatten(2).transpose(1, 2), position)
        return tokens.transpose(1, 2).unflatten(2, (height, width))


class PixelDecoder(nn.Module):
    """Backbone maps to mask features and three coarser maps.

    Parameters
    ----------
    config : BiomedParseConfig
    """

    def __init__(self, config: BiomedParseConfig) -> None:
        super().__init__()
        sizes = config.pixel_decoder
        res2, res3, res4, res5 = config.backbone.widths
        width = sizes.width
        self.input_proj = nn.Conv2d(res5, width, 1)
        self.transformer = Transformer(sizes)
        self.adapter_1 = NormedConv(res2, width, 1, activate=False)
        self.adapter_2 = NormedConv(res3, width, 1, activate=False)
        self.adapter_3 = NormedConv(res4, width, 1, activate=False)
        self.layer_1 = NormedConv(width, width, 3, activate=True)
        self.layer_2 = NormedConv(width, width, 3, activate=True)
        self.layer_3 = NormedConv(width, width, 3, activate=True)
        self.layer_4 = NormedConv(width, width, 3, activate=True)
        self.mask_features = nn.Conv2d(width, sizes.mask_width, 3, padding=1)

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Decode the backbone's maps.

        Parameters
        ----------
        maps : tuple of (N, C, H / s, W / s) Tensor
            At strides 4, 8, 16 and 32.

        Returns
        -------
        mask_features : (N, mask_width, H / 4, W / 4) Tensor
        multi_scale : tuple of (N, width, H / s, W / s) Tensor
            At strides 32, 16 and 8.
        """
        res2, res3, res4, res5 = maps
        at32 = self.layer_4(
            self.transformer(self.input_proj(res5.to(self.input_proj.weight.dtype)))
        )
        at16 = self.layer_3(_add_coarser(self.adapter_3(res4), at32))
        at8 = self.layer_2(_add_coarser(self.adapter_2(res3), at16))
        at4 = self.layer_1(_add_coarser(self.adapter_1(res2), at8))
        features = self.mask_features(at4.to(self.mask_features.weight.dtype))
        return features.to(at4.dtype), (at32, at16, at8)


def _add_coarser(fine: Tensor, coarse: Tensor) -> Tensor:
    return fine + F.interpolate(coarse, size=fine.shape[-2:], mode="nearest")
