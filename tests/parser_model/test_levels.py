"""The level of an outline: against every level there is, on maps with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from parser_model.compact.levels import best_level, drawn_at


def expected_dice(probability, level):
    inside = probability[probability > level]
    return 2 * inside.sum() / max(len(inside) + probability.sum(), 1e-12)


def test_one_half_where_every_pixel_is_sure():
    sure = torch.zeros(40, 40)
    sure[10:20, 10:20] = 1.0
    assert best_level(sure) == pytest.approx(0.5)


def test_half_of_the_dice_that_is_expected():
    # 100 pixels of 0.4, the others 0: all of them give 2 * 40 / (100 + 40) = 4/7, none gives 0.
    unsure = torch.zeros(40, 40)
    unsure[10:20, 10:20] = 0.4
    assert best_level(unsure) == pytest.approx(2 / 7)
    unsure[0, :4] = 1.0
    # The four sure pixels alone give 2 * 4 / (4 + 44) = 1/6, with the others 2 * 44 / (104 + 44).
    assert best_level(unsure) == pytest.approx(44 / 148, abs=1e-3)


def test_nothing_is_drawn_lower_than_a_quarter():
    assert best_level(torch.full((8, 8), 0.1)) == 0.25
    assert best_level(torch.zeros(8, 8)) == 0.25


@given(arrays(np.float64, (9, 9), elements=st.floats(0, 1)))
def test_no_other_level_from_a_quarter_to_one_half_is_better(probability):
    level = best_level(torch.from_numpy(probability))
    assert 0.25 <= level <= 0.5
    best = max(expected_dice(probability, other) for other in np.linspace(0.25, 0.5, 251))
    assert expected_dice(probability, level) >= best - 1e-3


def test_the_level_becomes_one_half():
    logits = torch.tensor([-3.0, -0.9, -0.8, 0.0, 2.0], dtype=torch.float64)
    level = 0.3  # its logit is -0.847
    moved = torch.sigmoid(drawn_at(logits, level))
    assert torch.equal(moved > 0.5, torch.sigmoid(logits) > level)
    assert float(torch.sigmoid(drawn_at(logits, 0.5))[3]) == pytest.approx(0.5)
