"""Pure measuring functions on masks; every convention is written down in docs/measuring.md.

`measure` and `measure_mask` measure by name. The functions themselves take a mask ((H, W) bool)
and the size of a pixel in millimetres ((row, column), or None); intensities take pixel values.
"""

from tools.measuring.between import dice, distance, fraction_inside, fraction_of
from tools.measuring.by_name import measure, measure_mask
from tools.measuring.callipers import (
    Diameters,
    Segment,
    diameters,
    longest_diameter,
    perpendicular_diameter,
)
from tools.measuring.checks import Mask, Spacing
from tools.measuring.compare import change, ratio, relative_change
from tools.measuring.intensity import (
    max_intensity,
    mean_intensity,
    median_intensity,
    min_intensity,
    p10_intensity,
    p90_intensity,
    sd_intensity,
)
from tools.measuring.parts import Parts, find_parts
from tools.measuring.position import bounding_box, centroid
from tools.measuring.ranges import RangeRule
from tools.measuring.registry import INTENSITIES, MASK_PAIRS, SHAPES, VALUE_PAIRS
from tools.measuring.roundness import circularity, perimeter
from tools.measuring.sizes import area, count, fraction_of_image
from tools.measuring.value import Value

__all__ = [
    "INTENSITIES",
    "MASK_PAIRS",
    "SHAPES",
    "VALUE_PAIRS",
    "Diameters",
    "Mask",
    "Parts",
    "RangeRule",
    "Segment",
    "Spacing",
    "Value",
    "area",
    "bounding_box",
    "centroid",
    "change",
    "circularity",
    "count",
    "diameters",
    "dice",
    "distance",
    "find_parts",
    "fraction_inside",
    "fraction_of",
    "fraction_of_image",
    "longest_diameter",
    "max_intensity",
    "mean_intensity",
    "measure",
    "measure_mask",
    "median_intensity",
    "min_intensity",
    "p10_intensity",
    "p90_intensity",
    "perimeter",
    "perpendicular_diameter",
    "ratio",
    "relative_change",
    "sd_intensity",
]
