"""How much of the image a mask covers, and how much space it fills."""

from __future__ import annotations

import numpy as np

from tools.measuring.checks import (
    Mask,
    Spacing,
    area_unit,
    checked,
    checked_stack,
    pixel_size,
    voxel_size,
)
from tools.measuring.parts import find_parts
from tools.measuring.slices import largest_section, on_slice
from tools.measuring.value import Value


def area(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of pixels times the area of one (mm2, or px2 without spacing). Holes do not count.

    In a stack, on the slice where the mask covers most.
    """
    section, at = largest_section(checked(mask))
    height, width = pixel_size(spacing_mm)
    return Value(
        "area",
        float(np.count_nonzero(section) * height * width),
        area_unit(spacing_mm),
        convention=f"pixels in the mask × area of a pixel{on_slice(at)}",
    )


def volume(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of voxels times the volume of one, in mm3 (IBSI YEKZ); px3 without any spacing.

    Raises
    ------
    ToolError
        For a picture, and where the pixel size is known but the distance between slices is not.
    """
    voxels = float(np.count_nonzero(checked_stack(mask, "volume")))
    if spacing_mm is None:
        return Value("volume", voxels, "px3", convention="voxels in the mask")
    return Value(
        "volume",
        voxels * float(np.prod(voxel_size(spacing_mm, "volume"))),
        "mm3",
        convention="voxels in the mask × volume of a voxel, IBSI YEKZ",
    )


def fraction_of_image(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Per cent of the image, of a stack all its slices, in the mask (the spacing cancels)."""
    mask = checked(mask)
    what = "pixels" if mask.ndim == 2 else "voxels"
    whole = "image" if mask.ndim == 2 else "whole stack"
    return Value(
        "fraction_of_image",
        100.0 * np.count_nonzero(mask) / mask.size,
        "percent",
        convention=f"{what} in the mask / {what} of the {whole}",
    )


def count(mask: Mask, spacing_mm: Spacing = None) -> Value:
    """Number of connected parts that are large enough to count; 0 for an empty mask.

    Touching objects are one; `tools.measuring.objects` tells them apart.
    """
    neighbours = 8 if np.ndim(mask) == 2 else 26
    return Value(
        "count",
        float(len(find_parts(mask))),
        "1",
        convention=f"{neighbours}-connected parts, too small ones ignored",
    )
