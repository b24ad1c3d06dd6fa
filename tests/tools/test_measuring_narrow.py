"""Objects that are a few pixels wide where the parser sees them are told to be rough."""

from __future__ import annotations

import numpy as np
import pytest

from tools.measuring.narrow import narrow_warning, working_width


def strip(width, length=90, side=256):
    mask = np.zeros((side, side), bool)
    mask[40 : 40 + length, 32 : 32 + width] = True
    return mask


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 12])
def test_a_strip_is_as_wide_as_it_is_narrow(width):
    for mask in (strip(width), strip(width).T):
        assert working_width(mask, (256, 256)) == width


def test_a_disc_is_as_wide_as_its_diameter():
    rows, columns = np.mgrid[:256, :256] - 100
    assert working_width(np.hypot(rows, columns) <= 20, (256, 256)) == pytest.approx(40, abs=2)


def test_the_size_that_the_parser_works_at_counts():
    mask = strip(20, 400, 1024)
    assert working_width(mask, (256, 256)) == 5
    assert working_width(mask, (1024, 1024)) == 20
    assert working_width(strip(1, 1, 1024), (256, 256)) == 0  # a sixteenth of a pixel vanishes
    assert narrow_warning("x", mask, (1024, 1024)) is None


def test_of_a_stack_the_slice_that_is_covered_most_counts():
    stack = np.stack([strip(3, 200), strip(9), strip(4, 10)], axis=2)
    assert working_width(stack, (256, 256)) == 9


def test_the_warning_says_what_it_means():
    said = narrow_warning("vessel", strip(5), (256, 256))
    assert said == (
        "vessel: it is under 6 pixels wide where the parser sees it, at 256 × 256; its outline "
        "and sizes are rough."
    )
    assert narrow_warning("liver", strip(6), (256, 256)) is None
    assert narrow_warning("absent", strip(0), (256, 256)) is None
