"""The self-test of number types."""

from __future__ import annotations

import time

import torch

from parser_model.biomedparse import speed_test


def test_the_gain_is_the_ratio_of_the_two_times(monkeypatch):
    speed_test.bfloat16_gain.cache_clear()
    monkeypatch.setattr(
        speed_test, "_seconds", lambda a, b: 0.3 if a.dtype == torch.float32 else 0.1
    )
    assert speed_test.bfloat16_gain() == 0.3 / 0.1
    speed_test.bfloat16_gain.cache_clear()


def test_it_measures_this_machine_once():
    speed_test.bfloat16_gain.cache_clear()
    first = speed_test.bfloat16_gain()
    start = time.perf_counter()
    assert speed_test.bfloat16_gain() == first > 0
    assert time.perf_counter() - start < 0.01  # remembered, not measured again
