"""Presence is calibrated for exactly one set of weights, or null."""

import dataclasses

import numpy as np
import pytest

from parser_model import SetupError
from parser_model.presence import (
    EVIDENCE,
    fit_calibration,
    read_calibration,
    write_calibration,
)


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


def test_calibration_of_other_weights_is_not_borrowed(table, tmp_path):
    fitted = fit_calibration(*table, name="t", weights_sha256="mine", fitted_on="x")
    write_calibration(tmp_path / "c.json", fitted)
    assert read_calibration(tmp_path / "c.json", "mine") == fitted
    assert read_calibration(tmp_path / "c.json", "other") is None
    assert read_calibration(tmp_path / "none.json", "mine") is None


def test_damaged_file_is_said_to_be_damaged(tmp_path):
    (tmp_path / "c.json").write_text("{", encoding="utf-8")
    with pytest.raises(SetupError, match="damaged"):
        read_calibration(tmp_path / "c.json", "w")


def test_a_calibration_has_a_coefficient_for_each_kind_of_evidence(table):
    fitted = fit_calibration(*table, name="t", weights_sha256="w", fitted_on="x")
    with pytest.raises(ValueError, match="one coefficient"):
        dataclasses.replace(fitted, coefficients=(1.0,))
