"""Presence is fitted through the seam, for any parser that gives evidence, and honestly told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from parser_model.biomedparse.evidence import (
    BIOMEDPARSE_EVIDENCE,
    evidence_of,
    reference_log_score,
)
from parser_model.calibrating import Refusals, calibrate, calibration_samples, told
from parser_model.errors import FileError, RequestError
from parser_model.ontology import ontology
from parser_model.presence import read_calibration, write_calibration
from parser_model.types import ParserInfo


class Brightest:
    """Evidence of its own kind: how bright the brightest pixel is, and a number without use."""

    evidence_names = ("brightness", "nothing")
    info = ParserInfo("brightest", "ab" * 32, None, ("liver",), (8, 8))

    def evidence(self, image, target, *, modality=None):
        assert modality == "CT"
        return np.array([float(image.max()) if target == "liver" else 0.0, 0.5])


@pytest.fixture
def folder(tmp_path):
    """Livers that are bright, and as many abdomens without one: their masks are empty."""
    for name in ("val", "val_mask"):
        (tmp_path / name).mkdir()
    for i in range(60):
        there = i % 2 == 0
        image = np.full((9, 7), 200 if there else 20, np.uint8)
        Image.fromarray(image).save(tmp_path / "val" / f"{i:02}_CT_abdomen.png")
        mask = np.full((9, 7), 255 * there, np.uint8)
        Image.fromarray(mask).save(tmp_path / "val_mask" / f"{i:02}_CT_abdomen_liver.png")
    return tmp_path


def test_any_parser_with_evidence_can_be_calibrated(folder, tmp_path):
    steps: list[tuple[int, int]] = []
    report = calibrate(
        Brightest(),
        calibration_samples(folder),
        ontology(),
        label="x",
        progress=lambda *step: steps.append(step),
    )
    assert (report.present, report.patients, report.kept) == (30, 60, 1.0)
    assert (report.same_site.objects, report.same_site.auroc) == (30, 1.0)
    assert report.same_site.refused == 1.0
    assert report.other_sites.objects == 60 * 12
    assert report.calibration.evidence == ("brightness", "nothing")
    assert report.calibration.coefficients[1] == 0
    assert report.notes == []
    assert steps[-1] == (60, 60)
    assert any("same site" in line and "AUROC 1.000" in line for line in told(report))
    write_calibration(tmp_path / "c.json", report.calibration)
    mine = ("brightness", "nothing")
    assert read_calibration(tmp_path / "c.json", "ab" * 32, mine) == report.calibration
    assert read_calibration(tmp_path / "c.json", "ab" * 32) is None  # other evidence
    assert read_calibration(tmp_path / "c.json", "cd" * 32, mine) is None  # other weights


def test_how_likely_is_said_beside_how_often_it_is_there(folder):
    report = calibrate(Brightest(), calibration_samples(folder), ontology(), label="x")
    assert [(b.low, b.high) for b in report.reliability] == [
        (k / 10, (k + 1) / 10) for k in range(10)
    ]
    assert sum(b.objects for b in report.reliability) == 30 + 30 + 60 * 12
    for some in report.reliability:
        assert (some.said is None) == (some.there is None) == (some.objects == 0)
        assert some.said is None or some.low <= some.said <= some.high
    # All can be told apart here, so whoever is said to be there is.
    assert {b.there for b in report.reliability if b.objects and b.low >= 0.5} == {1.0}
    assert {b.there for b in report.reliability if b.objects and b.high <= 0.5} == {0.0}


def test_nonsense_is_judged_and_never_fitted_on(folder):
    samples = calibration_samples(folder)
    plain, with_nonsense = (
        calibrate(Brightest(), samples, ontology(), label="x", nonsense=some)
        for some in ((), ("spaceship", "banana", "?"))
    )
    assert plain.nonsense == Refusals(0, None, None)
    assert (with_nonsense.nonsense.objects, with_nonsense.nonsense.refused) == (120, 1.0)
    assert with_nonsense.calibration == plain.calibration
    assert with_nonsense.other_sites.objects == plain.other_sites.objects


def test_data_sets_and_folders_are_chosen_by_name(folder):
    assert len(calibration_samples(folder, splits=("val",))) == 60
    with pytest.raises(RequestError, match="'X'; known: none, as there is no manifest"):
        calibration_samples(folder, sources=("X",))
    with pytest.raises(FileError, match="train is missing"):
        calibration_samples(folder, splits=("val", "train"))


def test_without_absent_objects_of_the_same_kind_there_is_a_warning(folder):
    for mask in (folder / "val_mask").glob("*[13579]_CT*"):
        mask.unlink()
    report = calibrate(Brightest(), calibration_samples(folder), ontology(), label="x")
    assert report.same_site.objects == 0
    assert report.same_site.auroc is None
    assert "mostly tells kinds of images apart" in report.notes[0]
    assert any("none in the data" in line for line in told(report))


def test_limits_take_from_all_kinds_of_images(folder):
    image, mask = (next(folder.glob(f"{name}/00_*")) for name in ("val", "val_mask"))
    for i in range(3):
        (folder / "val" / f"x{i}_MRI_heart.png").write_bytes(image.read_bytes())
        (folder / "val_mask" / f"x{i}_MRI_heart_myocardium.png").write_bytes(mask.read_bytes())
    chosen = calibration_samples(folder, 6)
    assert sorted(s.place.modality for s in chosen) == ["CT"] * 3 + ["MRI"] * 3
    assert chosen == calibration_samples(folder, 6)
    assert len(calibration_samples(folder, 1000)) == 63


def test_too_few_objects_and_no_folder_are_said_so(folder, tmp_path):
    with pytest.raises(FileError, match="at least 20 present and 20 absent"):
        calibrate(Brightest(), calibration_samples(folder, 8), ontology(), label="x")
    with pytest.raises(FileError, match="neither val/ nor test/"):
        calibration_samples(tmp_path / "val")


def test_a_parser_without_evidence_or_weights_is_refused(folder):
    class Mute:
        info = Brightest.info

    class Weightless(Brightest):
        info = ParserInfo("weightless", None, None, ("liver",), (8, 8))

    for parser in (Mute(), Weightless()):
        with pytest.raises(RequestError, match="cannot be calibrated"):
            calibrate(parser, calibration_samples(folder), ontology(), label="x")  # type: ignore[arg-type]


def test_the_evidence_of_biomedparse():
    similarity = torch.tensor([3.0, 9.0, 7.5])
    probability = np.zeros((10, 10))
    probability[:3] = 0.9
    found = dict(
        zip(BIOMEDPARSE_EVIDENCE, evidence_of(similarity, probability, -0.5, 0.25), strict=True)
    )
    assert found == pytest.approx(
        {
            "similarity": 9.0,
            "margin": 1.5,
            "mask_confidence": 0.9,
            "mask_log_area": math.log(0.31),
            "reference_log_score": -0.5,
            "sibling_overlap": 0.25,
        }
    )
    nothing = evidence_of(similarity, np.full((10, 10), 0.2), -0.5, 0.0)
    assert nothing[2:4] == pytest.approx([0.2, math.log(0.01)])


def test_the_public_score_counts_where_its_table_knows_the_target():
    probability = np.full((8, 8), 0.98)
    typical = np.full((8, 8, 3), 150, np.uint8)
    table = {
        "CT-Abdomen": {"liver": [[50.0, 1.5], [5.0, 3.0], [5.0, 3.0], [5.0, 3.0]]},
        "CT-Liver": {"liver": [[1.0, 50.0], [5.0, 3.0], [5.0, 3.0], [5.0, 3.0]]},
    }
    best = reference_log_score(probability, typical, "CT", "liver", table)
    assert -1 < best <= 0
    black = reference_log_score(probability, typical * 0, "CT", "liver", table)
    assert black == pytest.approx(math.log(1e-4))
    unknown = (("CT", "spleen", table), (None, "liver", table), ("CT", "liver", None))
    for modality, target, known in unknown:
        assert reference_log_score(probability, typical, modality, target, known) == -1.0
