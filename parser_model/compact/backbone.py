"""The image backbone of the compact network: EfficientNet-Lite0.

Inverted residuals (a 1x1 convolution that widens, a depthwise one, a 1x1 that narrows) with ReLU6
and without squeeze-and-excitation, as in M. Tan, Q. Le, "EfficientNet: Rethinking Model Scaling
for Convolutional Neural Networks", ICML 2019, in its "Lite" form of 2020. It was chosen because
what it learnt on ImageNet can be had under Apache-2.0 and starts the training (`imagenet`), and
because it is fast on a CPU. Batch normalisation is written as one factor and one offset a
channel: after the start its statistics stay as they are, so a batch of one is no special case.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNELS = (3, 3, 5, 3, 5, 5, 3)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
TAPS = (0, 1, 2, 4, 6)  # the stages whose output is a map at strides 2, 4, 8, 16 and 32


class ScaledConv(nn.Module):
    """A convolution with a factor and an offset a channel, then ReLU6 where it is not linear.

    Strided ones pad like TensorFlow's "SAME": more on the right and below.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outside, inside // groups, kernel, kernel))
        self.scale = nn.Parameter(torch.ones(outside))
        self.shift = nn.Parameter(torch.zeros(outside))
        nn.init.kaiming_normal_(self.weight, nonlinearity="linear" if linear else "relu")
        self.kernel, self.stride, self.groups, self.linear = kernel, stride, groups, linear

    def forward(self, x: Tensor) -> Tensor:
        strided = self.stride > 1
        padding = self.kernel // 2 + strided
        weight = self.weight * self.scale[:, None, None, None]
        x = F.conv2d(x, weight, self.shift, self.stride, padding, 1, self.groups)
        if strided:  # as "SAME" but for a first row and column: cheaper than a padded copy of x
            x = x[:, :, 1:, 1:]
        if self.linear:
            return x
        # No gradient needs what was before; of a part of a map a whole copy is better.
        return F.relu6(x, inplace=not (strided or torch.is_grad_enabled()))


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; with a shortcut where the shapes allow."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = ScaledConv(inside, wide) if expansion > 1 else nn.Identity()
        self.depthwise = ScaledConv(wide, wide, kernel, stride=stride, groups=wide)
        self.project = ScaledConv(wide, outside, linear=True)
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class Backbone(nn.Module):
    """Images to maps at strides 2, 4, 8, 16 and 32.

    Parameters
    ----------
    widths : tuple of int
        Channels of the stem and of the seven stages.
    depths : tuple of int
        Blocks in each stage.
    """

    def __init__(self, widths: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = ScaledConv(3, widths[0], 3, stride=2)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *_stage(inside, outside, kernel, stride, depth, expansion=6 if number else 1)
            )
            for number, ((inside, outside), kernel, stride, depth) in enumerate(
                zip(pairwise(widths), KERNELS, STRIDES, depths, strict=True)
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of images (N, 3, S, S) with values from -1 to 1."""
        x = self.stem(x)
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number in TAPS:
                maps.append(x)
        return maps


def _stage(
    inside: int, outside: int, kernel: int, stride: int, depth: int, *, expansion: int
) -> Iterator[InvertedResidual]:
    yield InvertedResidual(inside, outside, kernel, stride, expansion)
    for _ in range(depth - 1):
        yield InvertedResidual(outside, outside, kernel, 1, expansion)
