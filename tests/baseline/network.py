"""The baseline's network: a U-Net whose channels are scaled and shifted by what is asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (24, 56, 120, 208, 224)
_EMBEDDED = 64
_GROUPS = 8


class Block(nn.Module):
    """Two convolutions with GroupNorm; the second is scaled and shifted (FiLM)."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm_first = nn.GroupNorm(_GROUPS, out)
        self.norm_second = nn.GroupNorm(_GROUPS, out)
        self.film = nn.Linear(_EMBEDDED, 2 * out)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, asked: Tensor) -> Tensor:
        x = F.silu(self.norm_first(self.first(x)))
        scale, shift = self.film(asked)[:, :, None, None].chunk(2, dim=1)
        return F.silu(self.norm_second(self.second(x)) * (1 + scale) + shift)


class Baseline(nn.Module):
    """Logits (N, S, S) of images (N, 3, S, S) for target numbers (N,); S a multiple of 32."""

    def __init__(self, targets: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        self.asked = nn.Embedding(targets, _EMBEDDED)
        self.stem = nn.Conv2d(3, widths[0], 3, 2, 1)
        self.down = nn.ModuleList(
            Block(before, out, 1 if number == 0 else 2)
            for number, (before, out) in enumerate(
                zip((widths[0], *widths[:-1]), widths, strict=True)
            )
        )
        self.up = nn.ModuleList(
            Block(below + out, out)
            for below, out in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, images: Tensor, targets: Tensor) -> Tensor:
        asked = self.asked(targets)
        x = self.stem(images)
        skips = []
        for block in self.down:
            x = block(x, asked)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = block(torch.cat([x, skip], 1), asked)
        logits = self.head(x)
        return F.interpolate(logits, size=images.shape[-2:], mode="bilinear")[:, 0]

    @property
    def parameter_count(self) -> int:
        """How many numbers are learnt."""
        return sum(parameter.numel() for parameter in self.parameters())
