"""Units turn into each other only where that is true, and read as a radiologist expects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser_model.errors import ToolError
from tools.units import UNITS, convert, display_unit, format_value, parse_unit

SAME_KIND = [
    ("um", "mm"), ("um", "cm"), ("mm", "cm"), ("mm2", "cm2"), ("um2", "mm2"), ("mm3", "mL"),
    ("1", "percent"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (12.0, "mm", "cm", 1.2),
        (250.0, "um", "mm", 0.25),
        (412.0, "mm2", "cm2", 4.12),
        (1500.0, "mm3", "mL", 1.5),
        (0.25, "1", "percent", 25.0),
        (-40.0, "HU", "HU", -40.0),
    ],
)
def test_convert_known_values(value, unit, to, expected):
    assert convert(value, unit, to) == pytest.approx(expected)


@given(
    st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-9),
    st.sampled_from(SAME_KIND + [pair[::-1] for pair in SAME_KIND]),
)
def test_convert_there_and_back(value, pair):
    here, there = pair
    assert convert(convert(value, here, there), there, here) == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "to"), [("px", "mm"), ("mm", "px"), ("px2", "cm2"), ("px2", "px")]
)
def test_pixels_need_the_scale(unit, to):
    with pytest.raises(ToolError, match="scale of the image"):
        convert(10.0, unit, to)


@pytest.mark.parametrize(("unit", "to"), [("mm", "mm2"), ("HU", "1"), ("mL", "cm"), ("1", "HU")])
def test_different_kinds_never_convert(unit, to):
    with pytest.raises(ToolError, match="can't be turned into"):
        convert(10.0, unit, to)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12.0, "mm", "mm"), (99.9, "mm", "mm"), (100.0, "mm", "cm"), (0.008, "mm", "um"),
        (0.0, "mm", "mm"), (999.0, "mm2", "mm2"), (1000.0, "mm2", "cm2"), (5.0, "mm3", "mL"),
        (0.00999, "mm2", "um2"), (0.01, "mm2", "mm2"), (0.0, "mm2", "mm2"),
        (5000.0, "px2", "px2"), (-50.0, "HU", "HU"), (-2000.0, "mm2", "cm2"),
    ],
)  # fmt: skip
def test_display_unit(value, unit, expected):
    assert display_unit(value, unit) == expected


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((412.0, "mm2"), "412 mm²"),
        ((412.0, "mm2", 380.0, 450.0), "412 mm² (380–450)"),
        ((12.345, "mm"), "12.3 mm"),
        ((12.0, "mm"), "12.0 mm"),
        ((0.9996, "cm"), "1.00 cm"),
        ((9.996, "cm"), "10.0 cm"),
        ((1234.5, "px2"), "1234 px²"),
        ((100.0, "px2"), "100 px²"),
        ((7.0, "1"), "7"),
        ((0.8431, "1"), "0.843"),
        ((12.34, "percent"), "12.3 %"),
        ((-85.25, "HU"), "-85.2 HU"),
        ((0.00503, "mm2"), "0.00503 mm²"),
        ((0.0, "mm"), "0 mm"),
        ((5.15, "mm", 4.642, 5.665), "5.15 mm (4.64–5.67)"),
        ((-3.0, "percent", -20.0, 14.0), "-3.00 % (-20.00 to 14.00)"),
        ((10.0, "px", 8.6, 11.4), "10 px (8.6–11.4)"),
        (((9.5, 14.25), "px"), "9.50, 14.25 px"),
        (((5.0, 5.0), "px"), "5, 5 px"),
    ],
)
def test_format_value(given_, expected):
    assert format_value(*given_) == expected


@given(st.floats(-1e12, 1e12), st.sampled_from(UNITS))
def test_shown_number_is_within_half_of_its_last_digit(value, unit):
    number = format_value(value, unit).split(" ")[0]
    decimals = len(number.partition(".")[2])
    assert abs(float(number) - value) <= 0.5000001 * 10**-decimals


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_only_finite_values_are_shown(bad):
    with pytest.raises(ValueError, match="finite"):
        format_value(bad, "mm")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("µm²", "um2"), ("sq um", "um2"),
        ("cm", "cm"), ("mm^2", "mm2"), ("mm²", "mm2"), ("cm2", "cm2"), ("sq cm", "cm2"),
        ("ml", "mL"), ("mL", "mL"), ("cc", "mL"), ("µm", "um"), ("\u03bcm", "um"),
        ("microns", "um"), ("percent", "percent"), ("%", "percent"), ("per cent", "percent"),
        ("pixels", "px"), (" Millimetres ", "mm"), ("square  mm", "mm2"), ("hounsfield", "HU"),
        ("px²", "px2"), ("mm³", "mm3"), ("1/mm²", "1/mm2"), ("mm⁻²", "1/mm2"), ("cm.", "cm"),
    ],
)  # fmt: skip
def test_parse_unit_takes_what_people_write(text, expected):
    assert parse_unit(text) == expected


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_reads_back_by_name_and_symbol(unit):
    assert parse_unit(unit) == unit
    shown = format_value(0.5, unit)
    if unit not in ("1", "1/mm2"):
        assert parse_unit(shown.split(" ", 1)[1]) == unit


def test_unknown_unit_says_what_can_be_used():
    with pytest.raises(ToolError, match=r"furlong.*cm"):
        parse_unit("furlong")
