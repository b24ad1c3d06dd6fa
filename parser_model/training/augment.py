"""Random changes of images that simulate other scanners, windows, crops and colours.

All work on a whole batch at once with torch, on the device of the generator; masks follow the
geometry.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Flips:
    """Which mirrorings keep the meaning of an image of a place."""

    horizontal: bool
    vertical: bool


_FREE = Flips(True, True)
_SIDEWAYS = Flips(True, False)
_NONE = Flips(False, False)


def flips_for(modality: str, site: str) -> Flips:
    """Mirrorings allowed in training: none where left and right have names."""
    if modality in ("pathology", "dermoscopy", "endoscope"):
        return _FREE
    if modality in ("ultrasound", "fundus", "OCT"):
        return _SIDEWAYS
    if modality == "X-Ray":
        return _SIDEWAYS if site == "breast" else _NONE
    return _SIDEWAYS if site in ("brain", "spine", "prostate", "body") else _NONE


class Draws:
    """Random numbers for the images of a batch, one of each for every image.

    Parameters
    ----------
    images : int
    generator : torch.Generator
        Its device is where the numbers are made.
    share : float
        What every chance is multiplied by.
    """

    def __init__(self, images: int, generator: torch.Generator, share: float = 1.0) -> None:
        self._n, self._generator, self.device = images, generator, generator.device
        self._share = share

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Numbers (N, *shape) between two bounds."""
        numbers = torch.rand(self._n, *shape, generator=self._generator, device=self.device)
        return low + (high - low) * numbers

    def normal(self, *shape: int) -> Tensor:
        """Numbers (N, *shape) around zero, with a deviation of one."""
        return torch.randn(self._n, *shape, generator=self._generator, device=self.device)

    def chance(self, share: float, *shape: int) -> Tensor:
        """True (N, *shape) for a share of the images."""
        return self.uniform(0, 1, *shape) < share * self._share


def geometry(
    flips: Sequence[Flips], generator: torch.Generator, *, strength: float = 1.0
) -> Tensor:
    """Random affine maps, one per image: rotation, scale, aspect, shift, mirroring.

    Returns
    -------
    (N, 2, 3) Tensor
        For `torch.nn.functional.affine_grid`.
    """
    n = len(flips)
    draw = Draws(n, generator)
    angle = draw.uniform(-25, 25) * (math.pi / 180) * strength
    scale = torch.exp(draw.uniform(-0.42, 0.30) * strength)
    aspect = torch.exp(draw.uniform(-0.15, 0.15) * strength)
    sx, sy = scale * aspect, scale / aspect
    allowed = torch.tensor([(f.horizontal, f.vertical) for f in flips]).to(draw.device)
    mirror = torch.where(draw.chance(0.5, 2) & allowed, -1.0, 1.0)
    matrix = torch.zeros(n, 2, 3, device=draw.device)
    matrix[:, 0, 0] = mirror[:, 0] * sx * torch.cos(angle)
    matrix[:, 0, 1] = -mirror[:, 0] * sx * torch.sin(angle)
    matrix[:, 1, 0] = mirror[:, 1] * sy * torch.sin(angle)
    matrix[:, 1, 1] = mirror[:, 1] * sy * torch.cos(angle)
    matrix[:, :, 2] = draw.uniform(-0.12, 0.12, 2) * strength
    identity = torch.eye(2, 3, device=draw.device).expand(n, 2, 3)
    return torch.where(draw.chance(0.15, 1, 1), identity, matrix)


def grids(matrix: Tensor, size: int, generator: torch.Generator, *, strength: float) -> Tensor:
    """Where each pixel comes from, (N, size, size, 2): affine maps, some of them bent.

    The bends are smooth, up to about a twentieth of the image, in a third of the images.
    """
    n = len(matrix)
    grid = F.affine_grid(matrix, [n, 1, size, size], align_corners=False)
    draw = Draws(n, generator)
    bends = 0.03 * strength * draw.normal(2, 6, 6) * draw.chance(0.33, 1, 1, 1)
    smooth = F.interpolate(bends, (size, size), mode="bicubic", align_corners=False)
    return grid + smooth.permute(0, 2, 3, 1)


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """Resample (N, C, S, S) where a grid (N, size, size, 2) says, zeros outside."""
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def appearance(
    x: Tensor, colour: Tensor, generator: torch.Generator, *, share: float = 1.0
) -> Tensor:
    """Random texture, window, gamma, contrast, shading, colour cast, blur, sharpening and noise.

    Parameters
    ----------
    x : (N, 3, S, S) Tensor
        Values 0 to 1.
    colour : (N,) Tensor of bool
        True for colour images, whose channels may drift apart.
    share : float
        Of the changes that are made, 0 to 1.
    """
    draw = Draws(len(x), generator, share)
    one = (1, 1, 1)
    grey = ~colour.view(-1, 1, 1, 1)
    x = torch.where(draw.chance(0.2, *one), retextured(x, grey, draw), x)
    low, high = draw.uniform(0, 0.25, *one), draw.uniform(0.55, 1.0, *one)
    x = torch.where(grey & draw.chance(0.4, *one), ((x - low) / (high - low)).clamp(0, 1), x)
    gamma = torch.exp(draw.uniform(-0.5, 0.5, *one))
    x = torch.where(draw.chance(0.6, *one), x.clamp(min=1e-4) ** gamma, x)
    shading = F.interpolate(0.22 * draw.normal(1, 4, 4), x.shape[2:], mode="bicubic")
    x = torch.where(draw.chance(0.3, *one), x * torch.exp(shading), x)
    mean = x.mean((2, 3), keepdim=True)
    contrast, brightness = draw.uniform(0.65, 1.4, *one), draw.uniform(-0.12, 0.12, *one)
    x = torch.where(draw.chance(0.6, *one), (x - mean) * contrast + mean + brightness, x)
    x = torch.where(~grey & draw.chance(0.75, *one), _recoloured(x, draw), x)
    blurred = _blurred(x, 2)
    x = torch.where(draw.chance(0.07, *one), _blurred(x, 4), x)
    x = torch.where(draw.chance(0.15, *one), blurred, x)
    x = torch.where(draw.chance(0.1, *one), x + draw.uniform(0.2, 0.8, *one) * (x - blurred), x)
    noise = draw.normal(*x.shape[1:]) * draw.uniform(0.0, 0.06, *one)
    return torch.where(draw.chance(0.3, *one), x + noise, x).clamp(0, 1)


def _blurred(x: Tensor, factor: int) -> Tensor:
    """As from a detector with pixels so many times as wide."""
    small = F.interpolate(x, scale_factor=1 / factor, mode="bilinear", antialias=True)
    return F.interpolate(small, scale_factor=float(factor), mode="bilinear")


def retextured(x: Tensor, grey: Tensor, draw: Draws) -> Tensor:
    """Seen through two random layers of filters, mixed with the image: shapes stay, looks do not.

    As in C. Ouyang et al., "Causality-Inspired Single-Source Domain Generalization for Medical
    Image Segmentation", IEEE TMI 2023: the result has the mean and the contrast of the image.

    Parameters
    ----------
    x : (N, 3, S, S) Tensor
        Values 0 to 1.
    grey : (N, 1, 1, 1) Tensor of bool
        Of these images the channels stay alike.
    draw : Draws
    """
    n, channels, height, width = x.shape
    inside, kernel = 4, 3
    first = draw.normal(inside, channels, kernel, kernel).flatten(0, 1)
    second = draw.normal(channels, inside, kernel, kernel).flatten(0, 1)
    y = (x - 0.5).reshape(1, n * channels, height, width)
    y = F.leaky_relu(F.conv2d(y, first, padding=1, groups=n), 0.2)
    y = F.conv2d(y, second, padding=1, groups=n).view_as(x)
    y = torch.where(grey, y.mean(1, keepdim=True), y)
    y = torch.lerp(_standard(x)[0], _standard(y)[0], draw.uniform(0, 0.7, 1, 1, 1))
    _, mean, deviation = _standard(x)
    return (_standard(y)[0] * deviation + mean).clamp(0, 1)


def _standard(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Images with mean 0 and deviation 1, and what they were."""
    deviation, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
    return (x - mean) / (deviation + 1e-4), mean, deviation


def _recoloured(x: Tensor, draw: Draws) -> Tensor:
    """Other saturation, other strengths of the colours, and some of each colour in the others."""
    luminance = x.mean(1, keepdim=True)
    x = luminance + (x - luminance) * draw.uniform(0.2, 1.5, 1, 1, 1)
    mixing = torch.eye(3, device=x.device) + 0.06 * draw.normal(3, 3)
    mixing = mixing * (1 + draw.uniform(-0.18, 0.18, 3, 1))
    return torch.einsum("nij,njhw->nihw", mixing, x)
