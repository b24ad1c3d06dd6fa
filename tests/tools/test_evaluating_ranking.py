"""How sure it is that present objects are told from absent ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model.ontology import ontology
from parser_model.training.data import read_folder
from parser_model.training.ranking import auroc, auroc_interval
from tests.outlined import Blurred, disc, write_outlined
from tools.evaluating import presence_report


def test_the_interval_is_as_wide_as_the_theory_says():
    """Every patient gives one object: Hanley and McNeil know the spread of such an AUROC."""
    rng = np.random.default_rng(0)
    present = np.arange(400) < 200
    score = rng.normal(np.where(present, 1.0, 0.0))
    area = auroc(score, present)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = ((area * (1 - area) + 199 * (q1 + q2 - 2 * area**2)) / 200**2) ** 0.5
    low, high = auroc_interval(score, present, [str(k) for k in range(400)]) or (0, 0)
    assert low < area < high
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)


def test_ties_and_repeated_objects_of_patients_are_drawn_together():
    rng = np.random.default_rng(1)
    present = np.arange(40) < 20
    score = np.round(rng.normal(np.where(present, 0.7, 0.0)), 1)
    alone = auroc_interval(score, present, [str(k) for k in range(40)])
    # Each object ten times, all of one patient: no more is known than before.
    ten = auroc_interval(
        np.repeat(score, 10), np.repeat(present, 10), [str(k) for k in range(40) for _ in "x" * 10]
    )
    assert alone is not None
    assert ten == pytest.approx(alone, abs=0.05)
    assert auroc_interval(score, present, ["one"] * 40) is None


def test_a_modality_with_present_and_absent_objects_has_a_line_of_its_own(tmp_path):
    write_outlined(tmp_path, 24)
    for number in range(0, 12, 2):  # six of the CTs show no liver
        empty = Image.fromarray(np.zeros_like(disc(1), np.uint8))
        empty.save(tmp_path / "val_mask" / f"{number:03}_CT_abdomen_liver.png")
    report = presence_report(Blurred(), read_folder(tmp_path, "val"), ontology())
    assert set(report["modalities"]) == {"CT"}  # dermoscopy has lesions in all its images
    entry = report["modalities"]["CT"]
    assert (entry["present"]["objects"], entry["same_site"]["objects"]) == (6, 6)
    low, area, high = (entry["same_site"][key] for key in ("low", "auroc", "high"))
    assert 0 <= low < area < high <= 1
    assert report["other_sites"]["low"] is not None
