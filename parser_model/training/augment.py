"""Random changes of images that simulate other scanners, windows, crops and colours.

All work on a whole batch at once with torch; masks follow the geometry.
"""

from __future__ import annotations

import math
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


def geometry(flips: list[Flips], generator: torch.Generator, *, strength: float = 1.0) -> Tensor:
    """Random affine maps, one per image: rotation, scale, aspect, shift, mirroring.

    Returns
    -------
    (N, 2, 3) Tensor
        For `torch.nn.functional.affine_grid`.
    """
    n = len(flips)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle = uniform(-25, 25) * (math.pi / 180) * strength
    scale = torch.exp(uniform(-0.42, 0.30) * strength)
    aspect = torch.exp(uniform(-0.15, 0.15) * strength)
    sx, sy = scale * aspect, scale / aspect
    mirror_x = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    mirror_y = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    mirror_x = torch.where(torch.tensor([f.horizontal for f in flips]), mirror_x, torch.ones(n))
    mirror_y = torch.where(torch.tensor([f.vertical for f in flips]), mirror_y, torch.ones(n))
    matrix = torch.zeros(n, 2, 3)
    matrix[:, 0, 0] = mirror_x * sx * torch.cos(angle)
    matrix[:, 0, 1] = -mirror_x * sx * torch.sin(angle)
    matrix[:, 1, 0] = mirror_y * sy * torch.sin(angle)
    matrix[:, 1, 1] = mirror_y * sy * torch.cos(angle)
    matrix[:, 0, 2] = uniform(-0.12, 0.12) * strength
    matrix[:, 1, 2] = uniform(-0.12, 0.12) * strength
    plain = uniform(0, 1) < 0.15
    identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).expand(n, 2, 3)
    return torch.where(plain[:, None, None], identity, matrix)


def warp(x: Tensor, matrix: Tensor, size: int) -> Tensor:
    """Resample (N, C, S, S) by affine maps to (N, C, size, size), zeros outside."""
    grid = F.affine_grid(matrix, [x.shape[0], 1, size, size], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def appearance(x: Tensor, colour: Tensor, generator: torch.Generator) -> Tensor:
    """Random window, gamma, contrast, colour cast, blur and noise.

    Parameters
    ----------
    x : (N, 3, S, S) Tensor
        Values 0 to 1.
    colour : (N,) Tensor of bool
        True for colour images, whose channels may drift apart.
    """
    n = x.shape[0]

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, 1, generator=generator)

    def chance(p: float) -> Tensor:
        return torch.rand(n, 1, 1, 1, generator=generator) < p

    grey = ~colour.view(n, 1, 1, 1)
    low, high = uniform(0, 0.25), uniform(0.55, 1.0)
    x = torch.where(grey & chance(0.4), ((x - low) / (high - low)).clamp(0, 1), x)
    gamma = torch.exp(uniform(-0.5, 0.5))
    x = torch.where(chance(0.6), x.clamp(min=1e-4) ** gamma, x)
    mean = x.mean((2, 3), keepdim=True)
    x = torch.where(chance(0.6), (x - mean) * uniform(0.65, 1.4) + mean + uniform(-0.12, 0.12), x)
    cast = 1 + 0.18 * (2 * torch.rand(n, 3, 1, 1, generator=generator) - 1)
    luminance = x.mean(1, keepdim=True)
    saturated = luminance + (x - luminance) * uniform(0.3, 1.5)
    x = torch.where(~grey & chance(0.7), saturated * cast, x)
    blurred = F.interpolate(
        F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
        scale_factor=2.0,
        mode="bilinear",
    )
    x = torch.where(chance(0.15), blurred, x)
    noise = torch.randn(x.shape, generator=generator) * uniform(0.0, 0.06)
    return torch.where(chance(0.3), x + noise, x).clamp(0, 1)
