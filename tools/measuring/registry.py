"""All measurements of one mask by name; a new one is a function in its own file and a line here.

Those of two masks or two sizes are listed where they are asked for, in `tools.actions.compare`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from tools.measuring import (
    axes,
    diameters,
    intensity,
    objects,
    position,
    response,
    roundness,
    sizes,
    slices,
    solids,
    thickness,
)
from tools.measuring.checks import Mask, Spacing
from tools.measuring.intensity import Image
from tools.measuring.value import Value
from tools.units import Unit

ShapeFunction = Callable[[Mask, Spacing], Value | tuple[Value, ...]]
IntensityFunction = Callable[[Mask, Image, Unit], Value]


@dataclass(frozen=True)
class Shape:
    """A measurement of a mask.

    `of` says what it belongs to: the ``whole`` mask, or one connected ``part`` (the largest
    unless another is asked for), because across a gap it would mean nothing.
    """

    function: ShapeFunction
    of: Literal["whole", "part"] = "whole"


SHAPES: Final[dict[str, Shape]] = {
    "area": Shape(sizes.area),
    "fraction_of_image": Shape(sizes.fraction_of_image),
    "count": Shape(sizes.count),
    "longest_diameter": Shape(diameters.longest_diameter, of="part"),
    "perpendicular_diameter": Shape(diameters.perpendicular_diameter, of="part"),
    "short_axis": Shape(diameters.short_axis, of="part"),
    "sum_of_diameters": Shape(response.diameters_summed),
    "perimeter": Shape(roundness.perimeter, of="part"),
    "circularity": Shape(roundness.circularity, of="part"),
    "major_axis": Shape(axes.major_axis, of="part"),
    "minor_axis": Shape(axes.minor_axis, of="part"),
    "elongation": Shape(axes.elongation, of="part"),
    "centroid": Shape(position.centroid),
    "bounding_box": Shape(position.bounding_box),
}
"""Of pictures, slices and stacks."""
STACK_SHAPES: Final[dict[str, Shape]] = {
    "volume": Shape(sizes.volume),
    "volume_mesh": Shape(solids.volume_mesh),
    "slice": Shape(slices.slice_of_largest_extent),
    "max_3d_diameter": Shape(solids.max_3d_diameter, of="part"),
    "surface_area": Shape(solids.surface_area, of="part"),
    "sphericity": Shape(solids.sphericity, of="part"),
    "least_axis": Shape(axes.least_axis, of="part"),
    "flatness": Shape(axes.flatness, of="part"),
}
"""Of stacks alone; a ToolError says so for a picture."""
PICTURE_SHAPES: Final[dict[str, Shape]] = {
    "density": Shape(objects.density_of_parts),
    "mean_area": Shape(objects.mean_area_of_parts),
}
"""Of pictures alone; density where the pixel size is known."""
THIN_SHAPES: Final[dict[str, Shape]] = {"thickness": Shape(thickness.thickness, of="part")}
"""Of layers and walls alone; a ToolError says so for what is round."""
SPLIT: Final[dict[str, ShapeFunction]] = {
    "count": objects.count_objects,
    "density": objects.density,
    "mean_area": objects.mean_area,
}
"""Measured instead of the shapes of the same name where touching objects are told apart."""
ALL_SHAPES: Final[dict[str, Shape]] = {
    **SHAPES,
    **STACK_SHAPES,
    **PICTURE_SHAPES,
    **THIN_SHAPES,
}
INTENSITIES: Final[dict[str, IntensityFunction]] = {
    "mean_intensity": intensity.mean_intensity,
    "sd_intensity": intensity.sd_intensity,
    "min_intensity": intensity.min_intensity,
    "max_intensity": intensity.max_intensity,
    "median_intensity": intensity.median_intensity,
    "p10_intensity": intensity.p10_intensity,
    "p90_intensity": intensity.p90_intensity,
}
