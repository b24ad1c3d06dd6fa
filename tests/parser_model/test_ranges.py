"""Ranges are true for patients they were not fitted on, and belong to one set of weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parser_model import SetupError
from parser_model.range_calibration import (
    QUANTITIES,
    RANGE_EVIDENCE,
    RangeCalibration,
    family,
    ranges_file,
    ranges_of,
    read_ranges,
    to_ratio,
    to_scatter,
    write_ranges,
)
from parser_model.range_fitting import (
    RangeTable,
    cross_fitted_ends,
    fit_ranges,
    fit_spread,
    patient_folds,
)

SHA = "ab" * 32


def table(n=240, *, missed=0.0, seed=0, per_patient=3, wrong=1.0):
    """Sizes with a known law: wrong by a spread that the first evidence tells, times `wrong`."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(size=(n, len(RANGE_EVIDENCE)))
    kinds = tuple(("CT", "liver") if i % 2 else ("MRI", "tumor") for i in range(n))
    bias = np.array([0.3 if target == "tumor" else 0.0 for _, target in kinds])
    error = bias + wrong * np.exp(-2.0 + 0.7 * evidence[:, 0]) * rng.laplace(size=n)
    ratio = to_ratio(error)
    ratio[rng.random(n) < missed] = np.nan
    patients = tuple(f"{kinds[i][0]}-{i // (2 * per_patient)}" for i in range(n))
    return RangeTable(evidence, ratio, np.full(n, 0.01), kinds, patients)


@pytest.fixture(scope="module")
def fitted():
    return fit_ranges(table())


def covered(some, low, high):
    """Share of all objects that lies inside, by modality."""
    inside = (some.ratio >= low) & (some.ratio <= high)
    return {str(m): float(inside[some.modalities == m].mean()) for m in set(some.modalities)}


@pytest.mark.parametrize("missed", [0.0, 0.08])
def test_the_true_size_is_inside_as_often_as_promised(missed):
    some = table(n=600, missed=missed)  # of fewer a share of 0.93 may well come out at 0.96
    low, high = cross_fitted_ends(some, folds=3)
    assert np.isnan(low).sum() == np.isnan(some.ratio).sum()
    assert all(0.80 <= share <= 0.95 for share in covered(some, low, high).values())


def test_it_holds_for_objects_never_seen(fitted):
    new = table(n=600, seed=1)
    low, high = fitted.ends(new.evidence, new.kinds, new.pixel)
    assert all(0.80 <= share <= 0.96 for share in covered(new, low, high).values())


def test_the_evidence_makes_ranges_tighter_than_a_constant(fitted):
    new = table(n=600, seed=1)
    low, high = fitted.ends(new.evidence, new.kinds, new.pixel)
    inside = (new.ratio >= low) & (new.ratio <= high)
    k = np.sort(np.abs(new.ratio - 1))[inside.sum() - 1]
    assert np.median(high - low) <= 0.8 * (k + min(k, 1))


def test_images_that_were_trained_on_teach_the_spread_and_never_the_reach():
    # Of them the parser is only half as far off: with their reach, a quarter would lie outside.
    spread = fit_spread(table(n=1200, seed=2, wrong=0.5))
    few, new = table(), table(n=600, seed=1)
    model = fit_ranges(few, spread=spread)
    assert (model.middle, model.log_spread, model.slopes) == (
        spread.middle,
        spread.log_spread,
        spread.slopes,
    )
    low, high = model.ends(new.evidence, new.kinds, new.pixel)
    assert all(0.80 <= share <= 0.96 for share in covered(new, low, high).values())


def test_a_target_that_is_measured_too_small_gets_a_range_upwards(fitted):
    kinds = [("MRI", "tumor"), ("CT", "liver")]
    low, high = fitted.ends(np.zeros((2, len(RANGE_EVIDENCE))), kinds, np.full(2, 0.01))
    assert high[0] - 1 > 2 * (1 - low[0])
    assert high[1] < high[0]


def test_too_many_missed_cannot_be_made_up_for():
    some = table(missed=0.4)
    low, high = cross_fitted_ends(some, folds=3)
    assert all(share < 0.8 for share in covered(some, low, high).values())


def test_the_worst_object_is_held_only_where_four_of_five_need_it():
    few, many = table(n=600, missed=0.02), table(n=600, missed=0.19)
    worst = {}
    for name, some in (("few", few), ("many", many)):
        low, high = fit_ranges(some).ends(some.evidence, some.kinds, some.pixel)
        outside = some.answered & ((some.ratio < low) | (some.ratio > high))
        worst[name] = int(outside.sum())
    assert worst["few"] > 20  # a good nine of ten are enough
    assert worst["many"] <= 4  # nearly every answer is needed


def test_one_kind_of_image_does_not_pay_for_the_errors_of_another():
    # Of CT so much is missed that all answers are needed; MRI has one that is absurdly wrong.
    some = table(n=600, missed=0.19)
    absurd = some.ratio.copy()
    absurd[next(i for i, (m, _) in enumerate(some.kinds) if m == "MRI" and some.answered[i])] = 60
    spread = fit_spread(some)
    assert fit_ranges(replace(some, ratio=absurd), spread=spread).reach["CT"] == pytest.approx(
        fit_ranges(some, spread=spread).reach["CT"]
    )


def test_too_few_objects_of_a_kind_have_the_reach_of_all():
    some = table()
    few = np.array([m == "CT" or i < 30 for i, (m, _) in enumerate(some.kinds)])
    assert set(fit_ranges(some.part(few)).reach) == {"CT", ""}  # 15 of MRI
    assert set(fit_ranges(some).reach) == {"CT", "MRI", ""}


def test_a_patient_is_never_on_both_sides():
    some = table()
    folds = patient_folds(some)
    assert sum(held.sum() for held in folds) == len(some.ratio)
    for held in folds:
        inside = {p for p, h in zip(some.patients, held, strict=True) if h}
        outside = {p for p, h in zip(some.patients, held, strict=True) if not h}
        assert not inside & outside
        assert set(some.part(held).modalities) == {"CT", "MRI"}


@given(
    st.floats(-20, 20), st.sampled_from([("CT", "liver"), ("OCT", "?"), ("", "")]), st.floats(0, 2)
)
def test_a_range_always_holds_the_measured_size_and_the_pixel_limit(fitted, x, kind, pixel):
    low, high = fitted.ends(np.full((1, len(RANGE_EVIDENCE)), x), [kind], np.array([pixel]))
    assert 0 <= low[0] <= max(0, 1 - pixel)
    assert 1 + pixel <= high[0] < np.inf


@given(st.floats(0, 100))
def test_ratio_and_scatter_are_inverse(ratio):
    assert float(to_ratio(to_scatter(np.array(ratio)))) == pytest.approx(ratio, abs=1e-9)


def test_mri_sequences_count_as_one():
    assert {family(m) for m in ("MRI", "MRI-FLAIR", "MRI-T1-Gd")} == {"MRI"}
    assert (family("X-Ray"), family(None)) == ("X-Ray", "")


@pytest.fixture
def kept(fitted):
    return RangeCalibration("test", SHA, "shapes", dict.fromkeys(QUANTITIES, fitted))


def test_a_file_gives_back_the_same_ranges(tmp_path, kept, fitted):
    write_ranges(tmp_path / "r.json", kept)
    again = read_ranges(tmp_path / "r.json", SHA)
    assert again is not None
    new = table(n=20, seed=3)
    for quantity in QUANTITIES:
        ends = again.models[quantity].ends(new.evidence, new.kinds, new.pixel)
        assert np.allclose(ends, fitted.ends(new.evidence, new.kinds, new.pixel))
    assert list(tmp_path.iterdir()) == [tmp_path / "r.json"]


def test_ranges_of_other_weights_are_not_borrowed(tmp_path, kept):
    write_ranges(tmp_path / "r.json", kept)
    assert read_ranges(tmp_path / "r.json", "cd" * 32) is None
    assert read_ranges(tmp_path / "none.json", SHA) is None
    write_ranges(tmp_path / "old.json", replace(kept, evidence=("other",)))
    assert read_ranges(tmp_path / "old.json", SHA) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"weights_sha256": "' + SHA + '"}'])
def test_a_damaged_file_is_told(tmp_path, text):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(SetupError, match=r"r\.json is damaged; fit it again"):
        read_ranges(tmp_path / "r.json", SHA)


def test_what_the_user_fitted_is_found_by_the_weights(tmp_path, monkeypatch, kept):
    monkeypatch.setenv("PARSECHAT_HOME", str(tmp_path))
    ranges_of.cache_clear()
    assert ranges_of(SHA) is None
    assert ranges_of(None) is None
    ranges_of.cache_clear()
    ranges_file("biomedparse", SHA).parent.mkdir()
    write_ranges(ranges_file("biomedparse", SHA), kept)
    other = replace(kept, weights_sha256="cd" * 32)
    write_ranges(ranges_file("biomedparse", other.weights_sha256), other)
    before = replace(kept, weights_sha256="ef" * 32)  # as it was kept before: one file for all
    write_ranges(tmp_path / "calibrations" / "biomedparse.ranges.json", before)
    for one in (kept, other, before):
        assert ranges_of(one.weights_sha256) == one
    ranges_of.cache_clear()


def test_the_shipped_ranges_belong_to_the_shipped_weights():
    from parser_model.loading import WEIGHTS

    with (WEIGHTS / "compact.safetensors").open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    assert read_ranges(WEIGHTS / "compact.ranges.json", sha256), (
        "new weights need: parsechat models calibrate compact --data DIR --out parser_model/weights"
    )
