"""Presence is calibrated for exactly one set of weights, or null."""

import dataclasses

import numpy as np
import pytest

from parser_model import SetupError
from parser_model.presence import (
    EVIDENCE,
    balanced,
    fit_calibration,
    fitted_calibration,
    read_calibration,
    write_calibration,
)
from parser_model.weights_store.places import calibration_file


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    present = rng.random(400) < 0.5
    evidence = rng.normal(size=(400, len(EVIDENCE)))
    evidence[:, 0] += np.where(present, 2.0, -2.0)
    return evidence, present


def test_fit_separates_and_keeps_the_wanted_share(table):
    evidence, present = table
    fitted = fit_calibration(
        evidence, present, name="t", weights_sha256="w", fitted_on="x", keep=0.95
    )
    probability = fitted.probability(evidence)
    assert (probability[present] >= fitted.threshold).mean() >= 0.94
    assert (probability[~present] < fitted.threshold).mean() >= 0.9
    assert fitted.threshold <= 0.5


def test_absent_objects_of_the_same_kind_of_image_count_however_few_they_are():
    # One number tells images of another kind apart (500 rows), the other absence in images of
    # the same kind (20 rows): both must be refused.
    rng = np.random.default_rng(1)
    present, alike = np.zeros(820, bool), np.zeros(820, bool)
    present[:300], alike[300:320] = True, True
    evidence = rng.normal(size=(820, 2))
    evidence[320:, 0] -= 6
    evidence[300:320, 1] -= 3.5
    fitted, flat = (
        fit_calibration(
            evidence,
            present,
            name="t",
            weights_sha256="w",
            fitted_on="x",
            names=("far", "near"),
            alike=some,
            keep=0.96,
        )
        for some in (alike, None)
    )
    decided, before = (c.probability(evidence) >= c.threshold for c in (fitted, flat))
    assert decided[present].mean() >= 0.955
    assert (~decided[320:]).mean() > 0.95
    assert (~decided[alike]).mean() >= 0.7
    assert (~decided[alike]).mean() > (~before[alike]).mean() + 0.2
    assert fitted.threshold <= 0.5  # so a presence above one half always means "there"


def test_some_evidence_speaks_one_way_only():
    # In these data chance has it the other way round; then it does not count at all.
    rng = np.random.default_rng(2)
    present = rng.random(400) < 0.5
    evidence = rng.normal(size=(400, 3)) + np.where(present, 1.0, -1.0)[:, None] * [2, -1, 1]
    fitted = fit_calibration(
        evidence,
        present,
        name="t",
        weights_sha256="w",
        fitted_on="x",
        names=("network_logit", "place_support", "sibling_overlap"),
    )
    assert fitted.coefficients[0] > 0
    assert fitted.coefficients[1:] == (0.0, 0.0)


def test_nothing_present_is_lost_where_all_can_be_told_apart():
    present = np.arange(100) < 50
    evidence = np.where(present, 3.0, -3.0)[:, None] + np.linspace(-1, 1, 100)[:, None]
    fitted = fit_calibration(
        evidence, present, name="t", weights_sha256="w", fitted_on="x", names=("clear",)
    )
    assert ((fitted.probability(evidence) >= fitted.threshold) == present).all()


def test_kinds_of_objects_weigh_the_same_however_many_they_are():
    present = np.array([True] * 4 + [False] * 10)
    alike = np.array([False] * 4 + [True] * 2 + [False] * 8)
    weight = balanced(present, alike)
    sums = [weight[rows].sum() for rows in (present, alike, ~present & ~alike)]
    assert sums == pytest.approx([0.5, 0.1, 0.4])
    cut = np.zeros(len(present), bool)
    cut[np.flatnonzero(~present & ~alike)[:2]] = True
    weight = balanced(present, alike, cut)
    assert weight.sum() == pytest.approx(1)
    assert weight[alike].sum() == pytest.approx(0.1)
    assert weight[cut].sum() == pytest.approx(0.02)
    assert balanced(present)[~present].sum() == pytest.approx(0.5)
    assert balanced(present, ~present)[~present].sum() == pytest.approx(0.5)


def test_calibration_of_other_weights_is_not_borrowed(table, tmp_path):
    fitted = fit_calibration(*table, name="t", weights_sha256="mine", fitted_on="x")
    write_calibration(tmp_path / "c.json", fitted)
    assert read_calibration(tmp_path / "c.json", "mine") == fitted
    assert read_calibration(tmp_path / "c.json", "other") is None
    assert read_calibration(tmp_path / "none.json", "mine") is None


def test_fits_for_several_weights_of_a_parser_are_kept_beside_each_other(
    table, tmp_path, monkeypatch
):
    monkeypatch.setenv("PARSECHAT_HOME", str(tmp_path))
    (tmp_path / "calibrations").mkdir()
    fits = {
        sha256: fit_calibration(*table, name=sha256[:2], weights_sha256=sha256, fitted_on="x")
        for sha256 in ("ab" * 32, "cd" * 32, "ef" * 32)
    }
    for sha256 in ("ab" * 32, "cd" * 32):
        write_calibration(calibration_file("compact", sha256), fits[sha256])
    # As it was kept before: one file for all.
    write_calibration(tmp_path / "calibrations" / "compact.json", fits["ef" * 32])
    for sha256, fitted in fits.items():
        assert fitted_calibration("compact", sha256) == fitted
    assert fitted_calibration("compact", "00" * 32) is None
    assert fitted_calibration("biomedparse", "ab" * 32) is None


def test_damaged_file_is_said_to_be_damaged(tmp_path):
    (tmp_path / "c.json").write_text("{", encoding="utf-8")
    with pytest.raises(SetupError, match="damaged"):
        read_calibration(tmp_path / "c.json", "w")


def test_a_calibration_has_a_coefficient_for_each_kind_of_evidence(table):
    fitted = fit_calibration(*table, name="t", weights_sha256="w", fitted_on="x")
    with pytest.raises(ValueError, match="one coefficient"):
        dataclasses.replace(fitted, coefficients=(1.0,))
