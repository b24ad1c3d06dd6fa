"""The benchmark's yardstick computes what our own way computes: only then is a ratio fair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.substitute import substitute_entries
from tests.bench import biomedparse, reference_way
from tests.bench.biomedparse import Figures, Result
from tests.bench.timing import medians_in_turns
from tests.parser_model.biomedparse.conftest import TINY
from tests.parser_model.biomedparse.test_parser import WordsToIds, make


def test_the_public_way_gives_the_same_answer():
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in BiomedParseNetwork(TINY).state_dict().items()}
    network = network_from_entries(substitute_entries(shapes.items()), TINY)
    pixels = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    words: Any = WordsToIds()
    square = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    theirs = reference_way.prompt(network, words, square, "liver in abdomen CT")[0, 0].numpy()
    ours = make(network).parse([pixels], ["liver"], modality="CT", site="abdomen")[0][0]
    assert np.abs(theirs - ours.probability).max() < 2e-3  # half precision is kept


def test_medians_are_taken_in_turns():
    calls: list[str] = []
    names = ("a", "b")
    actions = {name: (lambda name=name: calls.append(name)) for name in names}
    said: list[str] = []
    medians = medians_in_turns(actions, 2, between=lambda: calls.append("|"), say=said.append)
    assert "".join(calls) == "|ab|ab|ab"
    assert [line.endswith("(warm-up)") for line in said] == [True, True, *[False] * 4]
    assert all(medians[name] >= 0 for name in names)


def test_the_table_says_why_a_column_is_missing(monkeypatch):
    monkeypatch.setattr(biomedparse, "bfloat16_gain", lambda: 0.02)
    assert biomedparse.precisions() == ("fp32",)
    monkeypatch.setattr(biomedparse, "bfloat16_gain", lambda: 2.3)
    assert biomedparse.precisions() == ("fp32", "bf16")
    public = Figures(20.0, 20.0, 260.0, 3.0, 3 * 2.0**30)
    mine = Figures(10.0, 0.5, 13.0, 3.0, 2.0**31)
    both = "\n".join(biomedparse.lines(Result(public, {"fp32": mine, "bf16": mine}, 20.0, 2.3)))
    assert both.count("(40.0x)") == 2
    one = "\n".join(biomedparse.lines(Result(public, {"fp32": mine}, 20.0, 0.02)))
    assert "bf16 is left out: on this machine its products are 50 times slower" in one


@pytest.mark.parametrize(("predicted", "fair"), [(20.0, True), (16.1, True), (15.9, False)])
def test_a_public_way_that_is_too_slow_or_too_fast_is_not_trusted(predicted, fair):
    public = Figures(20.0, 20.0, 260.0, 3.0, 1.0)
    assert Result(public, {}, predicted, 1.0).reference_is_fair is fair
    assert not Result(public, {}, 40.0, 1.0).reference_is_fair
