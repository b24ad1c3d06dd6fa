"""Ranges: inside which the true size should lie, from the probability map and the pixel limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parser_model.range_calibration import QUANTITIES, Groups, RangeCalibration, RangeModel
from tools.measuring import RangeRule, area, diameters, find_parts, measure, measure_mask
from tools.measuring.ranges import pixel_share, range_evidence
from tools.measuring.value import Value

MASKS = arrays(bool, st.tuples(st.integers(2, 12), st.integers(2, 12))).filter(np.any)
SIZES = ("area", "fraction_of_image", "longest_diameter", "perpendicular_diameter")


def calibration(down=1.0, up=1.0, **log_spread):
    """The spread is the band between the thresholds; liver is measured too small."""
    model = RangeModel(
        middle=Groups(0.0, {"CT liver": 0.2}),
        log_spread=Groups(0.0, log_spread),
        slopes=(1.0, 0.0, 0.0, 0.0, -0.25),
        reach={"": (down, up), "CT": (down, up), "MRI": (2 * down, 2 * up)},
    )
    return RangeCalibration("test", "0" * 64, "nothing", dict.fromkeys(QUANTITIES, model))


def two_parts():
    mask = np.zeros((60, 60), dtype=bool)
    mask[5:25, 5:25] = mask[40:50, 30:50] = True
    return mask


def soft_disc(radius=15.0, softness=4.0, size=60):
    """Probability falling from 1 to 0 over about twice `softness` around a circle."""
    y, x = np.mgrid[:size, :size] - size / 2
    return np.clip(0.5 + (radius - np.hypot(x, y)) / (2 * softness), 0, 1).astype(np.float16)


def ranged(probability, mask, name="area", spacing=None, rule=None):
    rule = rule or RangeRule(calibration())
    return measure(name, mask, spacing, probability=probability, ranges=rule)[0]


def ends(value: Value) -> tuple[float, float]:
    assert value.low is not None
    assert value.high is not None
    return value.low, value.high


def width(value):
    low, high = ends(value)
    return (high - low) / value.number


def test_sizes_get_ranges_and_other_measurements_none():
    probability = soft_disc()
    rule = RangeRule(calibration())
    values = measure_mask(
        probability >= 0.5,
        [*SIZES, "centroid", "perimeter", "count"],
        (0.5, 0.5),
        probability=probability,
        ranges=rule,
    )
    for value in values[:4]:
        low, high = ends(value)
        assert low < value.number < high
    assert all(value.low is None for value in values[4:])
    share, size = values[1], values[0]
    assert ends(share)[0] == pytest.approx(ends(size)[0] / 0.25 / 3600 * 100)


@pytest.mark.parametrize("rule", [None, RangeRule(None, "CT", "liver")])
def test_without_a_calibration_there_is_no_range(rule):
    probability = soft_disc()
    value = measure("area", probability >= 0.5, probability=probability, ranges=rule)[0]
    assert (value.low, value.high) == (None, None)
    assert measure("area", probability >= 0.5, ranges=RangeRule(calibration()))[0].low is None


def test_softer_edges_give_wider_ranges():
    maps = [soft_disc(softness=softness) for softness in (2.0, 8.0, 16.0)]
    for name in SIZES:
        widths = [width(ranged(p, p >= 0.5, name)) for p in maps]
        assert widths == sorted(widths)
        assert widths[0] < widths[2]


def test_sharp_edges_leave_the_pixel_limit():
    """Half a pixel along the outline, inside and outside: a ring one pixel wide around 40 × 40."""
    mask = np.zeros((60, 60), dtype=bool)
    mask[10:50, 10:50] = True
    sharp = RangeRule(calibration(down=0.0, up=0.0))
    found = ranged(mask.astype(np.float32), mask, "area", (0.5, 0.5), sharp)
    assert (found.high - found.low) / 0.25 == pytest.approx(160, rel=0.06)
    longest = ranged(mask.astype(np.float32), mask, "longest_diameter", None, sharp)
    # On the diagonal, a pixel takes sqrt(2); less that, it is the distance between end pixels.
    assert (longest.low, longest.high) == pytest.approx((39 * np.sqrt(2), 41 * np.sqrt(2)))


@pytest.mark.parametrize("radius", [5, 10.5, 20, 33.3])
def test_the_true_size_of_a_sharp_disc_lies_within_the_pixel_limit(radius):
    y, x = np.mgrid[-40:41, -40:41]
    mask = np.hypot(x, y) <= radius
    sharp = RangeRule(calibration(down=0.0, up=0.0))
    for name in ("longest_diameter", "perpendicular_diameter"):
        found = ranged(mask.astype(np.float32), mask, name, None, sharp)
        assert found.low - 1e-6 <= 2 * radius <= found.high
    found = ranged(mask.astype(np.float32), mask, "area", None, sharp)
    assert found.low <= np.pi * radius**2 <= found.high


def test_modality_and_target_count():
    probability = soft_disc()
    mask = probability >= 0.5
    by_modality = [
        ranged(probability, mask, rule=RangeRule(calibration(), modality, "kidney"))
        for modality in ("CT", "MRI", "MRI-FLAIR", None, "unheard of")
    ]
    widths = [width(value) for value in by_modality]
    assert widths[0] < widths[1] == widths[2]
    assert widths[0] == widths[3] == widths[4]
    liver = ranged(probability, mask, rule=RangeRule(calibration(), "CT", "liver"))
    assert liver.high > by_modality[0].high
    assert liver.low > by_modality[0].low


def test_a_neighbouring_part_is_not_counted_as_possible():
    probability = np.full((20, 41), 0.2)
    probability[5:15, 2:18] = 0.9
    alone = range_evidence(probability, find_parts(probability >= 0.5).part(1))
    probability[5:15, 23:39] = 0.9
    beside = range_evidence(probability, find_parts(probability >= 0.5).part(1))
    assert beside[1] < alone[1]  # its pixels are no longer possible ones


def test_what_is_far_from_a_part_is_not_looked_at():
    probability = soft_disc(radius=10, softness=2, size=200)
    mask = probability >= 0.5
    before = range_evidence(probability, mask)
    probability[:30, :30] = 0.3
    assert (range_evidence(probability, mask) == before).all()


def test_nothing_sure_is_less_sure():
    pale = np.where(two_parts(), 0.6, 0.2)
    bright = np.where(two_parts(), 0.9, 0.02)
    assert width(ranged(pale, two_parts())) > 3 * width(ranged(bright, two_parts()))


def test_what_is_hardly_there_has_a_wider_range_and_the_unknown_lies_between():
    probability = soft_disc()
    mask = probability >= 0.5
    doubtful, unknown, sure = (
        width(ranged(probability, mask, rule=RangeRule(calibration(), "CT", "liver", presence)))
        for presence in (0.3, None, 0.99)
    )
    assert doubtful > unknown > sure
    for extreme in (0.0, 1.0):
        assert np.isfinite(range_evidence(probability, mask, extreme)).all()


def test_an_area_is_never_larger_than_the_image():
    mask = np.ones((10, 10), bool)
    mask[0] = False
    value = ranged(np.where(mask, 0.55, 0.4), mask, rule=RangeRule(calibration(9.0, 9.0)))
    assert (value.low, value.high) == (0.0, 100.0)


@given(MASKS, st.integers(0, 2**31), st.floats(0, 5), st.floats(-2, 2))
def test_the_measured_size_always_lies_within(mask, seed, reach, middle):
    noise = np.random.default_rng(seed).random(mask.shape)
    probability = np.where(mask, 0.5 + noise / 2, noise / 2).astype(np.float16)
    part = find_parts(mask).part(1)
    shifted = calibration(reach, reach)
    models = {
        name: replace(model, middle=Groups(middle, {})) for name, model in shifted.models.items()
    }
    rule = RangeRule(replace(shifted, models=models), "CT", "liver")
    for name in SIZES:
        value = ranged(probability, part, name, (0.5, 0.8), rule)
        assert 0 <= value.low <= value.number <= value.high


@given(MASKS, st.floats(0.01, 100))
def test_scaling_the_spacing_scales_the_range(mask, k):
    probability = np.where(mask, 0.8, 0.2).astype(np.float32)
    part = find_parts(mask).part(1)
    for name, power in (("area", 2), ("longest_diameter", 1), ("perpendicular_diameter", 1)):
        one = ranged(probability, part, name, (1.0, 1.0))
        scaled = ranged(probability, part, name, (k, k))
        expected = (one.low * k**power, one.high * k**power)
        assert (scaled.low, scaled.high) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_stack_of_equal_slices_is_as_sure_as_one_of_them():
    """A volume follows the rule of the area, slice by slice."""
    probability = soft_disc()
    mask = probability >= 0.5
    stack = np.repeat(probability[..., None], 5, axis=2)
    empty = np.zeros((*probability.shape, 2), np.float16)
    volume = np.concatenate([empty, stack, empty], axis=2)
    assert range_evidence(volume, volume >= 0.5) == pytest.approx(
        range_evidence(probability, mask), abs=2e-3
    )
    assert pixel_share(volume >= 0.5) == pytest.approx(pixel_share(mask))
    flat = RangeRule(calibration(), "CT")
    litre = flat.ranged(Value("volume", 2.0, "mL"), volume, volume >= 0.5, (1.0, 1.0, 1.0))
    size = ranged(probability, mask, rule=flat)
    assert ends(litre)[0] / 2.0 == pytest.approx(ends(size)[0] / size.number, rel=1e-2)
    length = flat.ranged(
        Value("max_3d_diameter", 30.0, "mm"), volume, volume >= 0.5, (1.0, 1.0, 3.0)
    )
    assert ends(length)[0] < 30 - 3
    assert ends(length)[1] > 30 + 3


def test_a_probability_of_another_image_is_refused():
    with pytest.raises(ValueError, match="probability"):
        range_evidence(np.zeros((3, 3)), two_parts())
    with pytest.raises(ValueError, match="probability"):
        range_evidence(two_parts(), two_parts())


def test_measured_sizes_are_not_touched():
    probability = soft_disc()
    mask = probability >= 0.5
    assert ranged(probability, mask).number == area(mask).number
    found = ranged(probability, mask, "longest_diameter")
    assert found.number == diameters(mask).longest.length


@pytest.mark.parametrize(("name", "most"), [("area", 3600.0), ("longest_diameter", 60 * 2**0.5)])
def test_nothing_is_larger_than_its_image(name, most):
    probability = soft_disc()
    value = ranged(probability, probability > 0.5, name, rule=RangeRule(calibration(up=1000.0)))
    assert ends(value)[1] == pytest.approx(most)
