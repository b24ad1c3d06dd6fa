"""The backbone: four stages of focal modulation.

Maps are kept as (N, H, W, C). Then linear layers and layer norms run on the last axis as they
are, and a permuted view is what convolutions call channels-last, so no step copies. Layers cast
their input to the type of their weights, which may differ from that of the sums between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.biomedparse.config import BackboneConfig


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """Apply a convolution to (N, H, W, C) and give the same layout."""
    return conv(x.to(conv.weight.dtype).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class FocalModulation(nn.Module):
    """Each place is multiplied by a gated sum of ever wider surroundings.

    Parameters
    ----------
    width : int
    levels : int
        Number of surroundings, the whole image not counted.
    window : int
        Kernel size of the narrowest.
    """

    def __init__(self, width: int, levels: int, window: int) -> None:
        super().__init__()
        self.width, self.levels = width, levels
        self.f = nn.Linear(width, 2 * width + levels + 1)
        self.h = nn.Conv2d(width, width, 1)
        self.proj = nn.Linear(width, width)
        kernels = [window + 2 * level for level in range(levels)]
        # Wrapped one by one because the checkpoint calls them focal_layers.0.0, .1.0, ...
        self.focal_layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, k, padding=k // 2, groups=width, bias=False))
            for k in kernels
        )

    def forward(self, x: Tensor) -> Tensor:
        """Modulate (N, H, W, C)."""
        c = self.width
        weight, bias = self.f.weight, self.f.bias
        x = x.to(weight.dtype)
        # Three products instead of one and a split: each result is contiguous.
        query = F.linear(x, weight[:c], bias[:c])
        context = F.linear(x, weight[c : 2 * c], bias[c : 2 * c])
        # Dividing the few gate channels does what dividing the sum of the wide maps would.
        gates = F.linear(x, weight[2 * c :], bias[2 * c :]) / (self.levels + 1)
        total: Tensor | None = None
        for level, layer in enumerate(cast(Iterable[nn.Sequential], self.focal_layers)):
            context = F.gelu(_convolve(cast(nn.Conv2d, layer[0]), context))
            gated = context * gates[..., level : level + 1]
            total = gated if total is None else total + gated
        whole = F.gelu(context.mean((1, 2), keepdim=True))
        total = whole * gates[..., self.levels :] + (0 if total is None else total)
        modulator = F.linear(total.to(self.h.weight.dtype), self.h.weight.flatten(1), self.h.bias)
        return self.proj((query * modulator).to(self.proj.weight.dtype))


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x.to(self.fc1.weight.dtype))))


class FocalBlock(nn.Module):
    """Modulation and MLP, each normalised after the fact, scaled and added."""

    def __init__(self, width: int, levels: int, window: int, mlp_ratio: float) -> None:
        super().__init__()
        self.modulation = FocalModulation(width, levels, window)
        self.mlp = FeedForward(width, int(width * mlp_ratio))
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.gamma_1 = nn.Parameter(self.norm1.weight.new_empty(width))
        self.gamma_2 = nn.Parameter(self.norm1.weight.new_empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (N, H, W, C)."""
        kind = self.gamma_1.dtype
        x = x + self.gamma_1 * self.norm1(self.modulation(x).to(kind))
        return x + self.gamma_2 * self.norm2(self.mlp(x).to(kind))


class ConvolvedEmbedding(nn.Module):
    """A strided convolution and a layer norm: the stem, and the step between stages."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inside, outside, kernel, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, inside) to (N, H / stride, W / stride, outside)."""
        return self.norm(_convolve(self.proj, x).to(self.norm.weight.dtype))


class Stage(nn.Module):
    """Blocks of one resolution, and the way down to the next."""

    def __init__(self, config: BackboneConfig, index: int) -> None:
        super().__init__()
        width = config.widths[index]
        self.blocks = nn.ModuleList(
            FocalBlock(
                width, config.focal_levels[index], config.focal_windows[index], config.mlp_ratio
            )
            for _ in range(config.depths[index])
        )
        last = index == len(config.depths) - 1
        self.downsample = None if last else ConvolvedEmbedding(width, 2 * width, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Backbone(nn.Module):
    """Pixels to maps at strides 4, 8, 16 and 32.

    Parameters
    ----------
    config : BackboneConfig
    """

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.patch_embed = ConvolvedEmbedding(3, config.width, 7, 4, 2)
        self.layers = nn.ModuleList(Stage(config, i) for i in range(len(config.depths)))
        for i, width in enumerate(config.widths):
            # Named as in the checkpoint: norm0 ... norm3 beside the stages, not in them.
            self.add_module(f"norm{i}", nn.LayerNorm(width))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Encode normalised pixels.

        Parameters
        ----------
        pixels : (N, 3, H, W) Tensor
            H and W multiples of 32.

        Returns
        -------
        tuple of (N, C, H / s, W / s) Tensor
            Finest first, channels-last in memory.
        """
        x = self.patch_embed(pixels.permute(0, 2, 3, 1))
        maps: list[Tensor] = []
        for i, stage in enumerate(cast(Iterable[Stage], self.layers)):
            x = stage(x)
            maps.append(self.get_submodule(f"norm{i}")(x).permute(0, 3, 1, 2))
            if stage.downsample is not None:
                x = stage.downsample(x)
        return tuple(maps)
