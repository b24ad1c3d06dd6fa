"""Pure measuring functions on masks; every convention is written down in docs/measuring.md.

`measure` and `measure_mask` measure by name. The functions themselves take a mask ((H, W) bool, or
(H, W, S) of a stack) and the size of a pixel in millimetres ((row, column[, slice]), or None);
intensities take pixel values.
"""

from tools.measuring.axes import (
    elongation,
    flatness,
    least_axis,
    major_axis,
    minor_axis,
)
from tools.measuring.between import dice, distance, fraction_inside, fraction_of
from tools.measuring.by_name import measure, measure_mask
from tools.measuring.callipers import Diameters, Segment
from tools.measuring.checks import Mask, Spacing
from tools.measuring.compare import change, ratio, relative_change
from tools.measuring.diameters import (
    diameters,
    longest_diameter,
    perpendicular_diameter,
    short_axis,
)
from tools.measuring.intensity import (
    max_intensity,
    mean_intensity,
    median_intensity,
    min_intensity,
    p10_intensity,
    p90_intensity,
    sd_intensity,
)
from tools.measuring.objects import (
    count_objects,
    density,
    density_of_parts,
    mean_area,
    mean_area_of_parts,
    split_touching,
)
from tools.measuring.parts import Parts, find_parts
from tools.measuring.position import bounding_box, centroid
from tools.measuring.ranges import RangeRule
from tools.measuring.ratios import (
    asymmetry,
    cardiothoracic,
    cup_to_disc_area,
    cup_to_disc_vertical,
    ejection_fraction,
)
from tools.measuring.registry import (
    ALL_SHAPES,
    INTENSITIES,
    SHAPES,
    STACK_SHAPES,
)
from tools.measuring.response import Response, response, sum_of_diameters
from tools.measuring.roundness import circularity, perimeter
from tools.measuring.sizes import area, count, fraction_of_image, volume
from tools.measuring.slices import key_slice, slice_of_largest_extent
from tools.measuring.solids import max_3d_diameter, sphericity, surface_area, volume_mesh
from tools.measuring.thickness import thickness
from tools.measuring.value import Value

__all__ = [
    "ALL_SHAPES",
    "INTENSITIES",
    "SHAPES",
    "STACK_SHAPES",
    "Diameters",
    "Mask",
    "Parts",
    "RangeRule",
    "Response",
    "Segment",
    "Spacing",
    "Value",
    "area",
    "asymmetry",
    "bounding_box",
    "cardiothoracic",
    "centroid",
    "change",
    "circularity",
    "count",
    "count_objects",
    "cup_to_disc_area",
    "cup_to_disc_vertical",
    "density",
    "density_of_parts",
    "diameters",
    "dice",
    "distance",
    "ejection_fraction",
    "elongation",
    "find_parts",
    "flatness",
    "fraction_inside",
    "fraction_of",
    "fraction_of_image",
    "key_slice",
    "least_axis",
    "longest_diameter",
    "major_axis",
    "max_3d_diameter",
    "max_intensity",
    "mean_area",
    "mean_area_of_parts",
    "mean_intensity",
    "measure",
    "measure_mask",
    "median_intensity",
    "min_intensity",
    "minor_axis",
    "p10_intensity",
    "p90_intensity",
    "perimeter",
    "perpendicular_diameter",
    "ratio",
    "relative_change",
    "response",
    "sd_intensity",
    "short_axis",
    "slice_of_largest_extent",
    "sphericity",
    "split_touching",
    "sum_of_diameters",
    "surface_area",
    "thickness",
    "volume",
    "volume_mesh",
]
