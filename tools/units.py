"""Units of measurements: their names, how they turn into each other, how a person reads them.

A unit is one of the strings in `UNITS`. Pixels never turn into millimetres here: that takes the
spacing of the image, and then the mask is measured again (`tools.measuring.measure`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from parser_model.errors import ToolError

Unit = Literal[
    "px",
    "px2",
    "px3",
    "um",
    "mm",
    "cm",
    "um2",
    "mm2",
    "cm2",
    "mm3",
    "mL",
    "HU",
    "1",
    "percent",
    "1/mm2",
]


class _Kind(NamedTuple):
    """What a unit measures, its size in the base unit of that dimension, and how it is printed."""

    dimension: str
    factor: float
    symbol: str


_KINDS: Final[dict[Unit, _Kind]] = {
    "px": _Kind("length in pixels", 1.0, "px"),
    "px2": _Kind("area in pixels", 1.0, "px²"),
    # Shown as what it is: a number of voxels, not of cubes.
    "px3": _Kind("volume in pixels", 1.0, "voxels"),
    "um": _Kind("length", 1e-3, "µm"),
    "mm": _Kind("length", 1.0, "mm"),
    "cm": _Kind("length", 10.0, "cm"),
    "um2": _Kind("area", 1e-6, "µm²"),
    "mm2": _Kind("area", 1.0, "mm²"),
    "cm2": _Kind("area", 100.0, "cm²"),
    "mm3": _Kind("volume", 1.0, "mm³"),
    "mL": _Kind("volume", 1000.0, "mL"),
    "HU": _Kind("CT density", 1.0, "HU"),
    "1": _Kind("plain number", 1.0, ""),
    "percent": _Kind("plain number", 0.01, "%"),
    "1/mm2": _Kind("number per area", 1.0, "/mm²"),
}
UNITS: Final[tuple[Unit, ...]] = tuple(_KINDS)

_SPELLINGS: Final[dict[Unit, tuple[str, ...]]] = {
    "px": ("px", "pixel", "pixels", "pix"),
    "px2": ("px2", "sq px", "square pixel", "square pixels", "pixel2", "pixels2"),
    "px3": ("px3", "voxel", "voxels", "pixel3", "pixels3"),
    "um": ("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    "mm": ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    "cm": ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    "um2": ("um2", "sq um", "square um", "square micron", "square microns", "micron2", "microns2"),
    "mm2": (
        "mm2", "sq mm", "square mm", "sqmm", "square millimeter", "square millimeters",
        "square millimetre", "square millimetres",
    ),
    "cm2": (
        "cm2", "sq cm", "square cm", "sqcm", "square centimeter", "square centimeters",
        "square centimetre", "square centimetres",
    ),
    "mm3": ("mm3", "cubic mm", "cu mm", "cubic millimeters", "cubic millimetres"),
    "mL": (
        "ml", "cc", "cm3", "cubic cm", "milliliter", "milliliters", "millilitre", "millilitres",
        "cubic centimeters", "cubic centimetres",
    ),
    "HU": ("hu", "hounsfield", "hounsfield unit", "hounsfield units"),
    "1": ("1", "", "none"),
    "percent": ("percent", "%", "per cent", "pct"),
    "1/mm2": ("1/mm2", "/mm2", "mm-2", "per mm2", "per sq mm", "per square millimetre"),
}  # fmt: skip
_BY_SPELLING: Final[dict[str, Unit]] = {
    spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings
}
# ASCII for what people type or paste: powers, both micro signs (U+00B5, U+03BC), signs.
_PLAIN = str.maketrans({"²": "2", "³": "3", "^": "", "µ": "u", "μ": "u", "⁻": "-", "−": "-"})


def parse_unit(text: str) -> Unit:
    """The unit a person means by `text`, e.g. ``"mm^2"``, ``"sq cm"``, ``"µm"``, ``"ml"``.

    Raises
    ------
    ToolError
        If the spelling is not known; the text lists what can be used.
    """
    plain = " ".join(text.translate(_PLAIN).lower().split())
    unit = _BY_SPELLING.get(plain) or _BY_SPELLING.get(plain.removesuffix("."))
    if unit is None:
        known = ", ".join(_KINDS[name].symbol or "1" for name in UNITS)
        raise ToolError(f"I don't know the unit {text!r}; I can use {known}.")
    return unit


def convert(value: float, unit: Unit, to: Unit) -> float:
    """`value` given in `unit`, expressed in `to`.

    Raises
    ------
    ToolError
        If the two units measure different things, e.g. px and mm.
    """
    here, there = _KINDS[unit], _KINDS[to]
    if here.dimension == there.dimension:
        return value if unit == to else value * here.factor / there.factor
    names = (here.symbol or "a plain number", there.symbol or "a plain number")
    if "pixels" in here.dimension + there.dimension:
        raise ToolError(
            f"{names[0]} can't be turned into {names[1]} without the scale of the image; "
            "tell me the size of a pixel and I measure again."
        )
    raise ToolError(
        f"{names[0]} can't be turned into {names[1]}: "
        f"one is a {here.dimension}, the other a {there.dimension}."
    )


def display_unit(value: float, unit: Unit) -> Unit:
    """The unit a radiologist would read `value` in.

    Lengths: µm below 0.1 mm, mm below 100 mm, then cm. Areas: µm² below 0.01 mm², mm² below
    1000 mm² (10 cm²), then cm². Volumes: always mL. Anything else stays as it is.
    """
    dimension = _KINDS[unit].dimension
    if dimension == "length":
        size = abs(convert(value, unit, "mm"))
        return "um" if 0 < size < 0.1 else "mm" if size < 100 else "cm"
    if dimension == "area":
        extent = abs(convert(value, unit, "mm2"))
        return "um2" if 0 < extent < 0.01 else "mm2" if extent < 1000 else "cm2"
    return "mL" if dimension == "volume" else unit


def format_value(
    value: float | Sequence[float],
    unit: Unit,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """A measurement as a person reads it, e.g. ``"412 mm² (380–450)"``.

    Three significant figures, but digits before the point are never rounded away and whole
    numbers of things (plain numbers, pixels) carry no decimals. The range has the decimals of
    the value. One space stands before the symbol; a plain number has none. Several numbers
    (a centroid) are joined with commas. The unit is not changed: see `display_unit`.

    Raises
    ------
    ValueError
        If a number is not finite: such a value must not have become a measurement.
    """
    numbers = [float(v) for v in value] if isinstance(value, Sequence) else [float(value)]
    if not all(math.isfinite(v) for v in (*numbers, low or 0.0, high or 0.0)):
        raise ValueError(f"only finite values can be shown, got {value} ({low}, {high})")
    decimals = max(_decimals(v, unit) for v in numbers)
    text = ", ".join(_fixed(v, decimals) for v in numbers)
    symbol = _KINDS[unit].symbol
    if symbol:
        text += f" {symbol}"
    if low is None or high is None:
        return text
    if decimals == 0 and (low, high) != (round(low), round(high)) and abs(numbers[0]) < 100:
        decimals = _decimals(max(abs(low), abs(high)), "mm")  # a whole value in a fine range
    # "-5–3" is hard to read, so a range below zero is spelled out.
    dash = " to " if low < 0 else "–"
    return f"{text} ({_fixed(low, decimals)}{dash}{_fixed(high, decimals)})"


def _decimals(value: float, unit: Unit) -> int:
    """How many decimals give three significant figures."""
    if unit in ("1", "px", "px2", "px3") and value == round(value):
        return 0
    if value == 0:
        return 0
    exponent = Decimal(f"{value:.2e}").adjusted()  # after rounding: 0.9996 counts as 1.00
    return max(0, 2 - exponent)


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
