"""Scores with known answers: agreement, presence, ranges, kinds of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from parser_model.errors import FileError
from parser_model.ontology import ontology
from parser_model.range_calibration import QUANTITIES, RANGE_EVIDENCE
from parser_model.range_fitting import RangeTable
from parser_model.training.data import read_folder
from tests.outlined import Blurred, disc, write_outlined
from tools.evaluating import (
    NONSENSE_PHRASES,
    MaskFolder,
    Overlap,
    ParserAnswers,
    coverage_report,
    cross_fitted_report,
    dice_report,
    difference,
    fit_range_calibration,
    modality_report,
    overlaps,
    presence_report,
    range_tables,
    shipped_report,
    surface_dice,
    tolerance_px,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_outlined(root, 80)
    return root


@pytest.fixture(scope="module")
def samples(data):
    return read_folder(data, "val")


def test_the_reference_agrees_with_itself(data, samples):
    found = overlaps(MaskFolder("reference", data / "val_mask").to(samples))
    assert len(found) == 80
    assert {(s.dice, s.surface_dice, s.failed) for s in found} == {(1.0, 1.0, False)}


def test_a_missing_mask_is_a_failure_and_a_smaller_one_is_brought_to_size(data, samples, tmp_path):
    first, second = (next(iter(s.masks.values())) for s in samples[:2])
    with Image.open(first) as mask:
        mask.resize((32, 32), Image.Resampling.NEAREST).save(tmp_path / first.name)
    found = overlaps(MaskFolder("tool", tmp_path).to(samples[:2]))
    assert second.name not in {path.name for path in tmp_path.iterdir()}
    assert 0.9 < found[0].dice < 1
    assert (found[1].dice, found[1].surface_dice, found[1].failed) == (0, 0, True)
    assert [(s.missing, s.resized) for s in found] == [(False, True), (True, False)]
    report = dice_report(found, {("CT", "liver"), ("dermoscopy", "lesion")})["headline"]
    assert (report["missing"], report["resized"], report["masks"]) == (1, 1, 2)
    (tmp_path / first.name).write_bytes(b"no picture")
    with pytest.raises(FileError, match="cannot be read as a picture"):
        list(MaskFolder("tool", tmp_path).to(samples[:1]))


def test_a_folder_without_such_masks_is_refused(samples, tmp_path):
    with pytest.raises(FileError, match="is not there"):
        list(MaskFolder("tool", tmp_path / "none").to(samples))
    with pytest.raises(FileError, match="No mask in"):
        list(MaskFolder("tool", tmp_path).to(samples))


def test_the_parser_is_asked_for_what_is_outlined(samples):
    for tell, told in ((True, {"CT", "dermoscopy"}), (False, {None})):
        parser = Blurred()
        answers = list(ParserAnswers("blurred", parser, tell).to(samples[:6]))
        assert set(parser.told) == told
        assert [a.target for a in answers] == ["liver", "lesion"] * 3


def test_a_size_is_not_judged_by_outlines_of_some_of_many_objects(samples):
    some = [replace(sample, source="Lizard") for sample in samples[:3]]
    table = range_tables(ParserAnswers("blurred", Blurred()).to([*some, *samples[3:8]]))["area"]
    assert set(table.patients) == {sample.patient for sample in samples[3:8]}
    with pytest.raises(FileError, match="Images of Lizard are left out"):
        range_tables(ParserAnswers("blurred", Blurred()).to(some))


def test_surface_dice_of_shifted_squares():
    square = np.zeros((40, 40), bool)
    square[10:20, 10:20] = True
    shifted = np.roll(square, 2, axis=1)
    assert surface_dice(square, shifted, 2.0) == 1.0
    # At a tolerance of 1, 9 of the 10 pixels above and below stay near, and 2 of the inner side.
    assert surface_dice(square, shifted, 1.0) == pytest.approx((9 + 9 + 2) / 36)
    assert surface_dice(square, np.roll(square, 15, axis=0), 2.0) == 0.0
    nothing = np.zeros_like(square)
    assert (surface_dice(square, nothing, 2.0), surface_dice(nothing, nothing, 2.0)) == (0.0, 1.0)


def round_mask(radius, shift=0.0, side=280):
    rows, columns = np.mgrid[:side, :side] - side / 2
    return np.hypot(rows, columns - shift) <= radius


@pytest.mark.parametrize("shift", [4, 6, 10])
def test_surface_dice_of_a_shifted_disc_follows_the_arc_that_stays_near(shift):
    # A point of a large circle at angle a to the shift moves away from it by shift * cos(a), so
    # within the tolerance t lies the share 2/pi * asin(t / shift) of the circle. Outline pixels
    # sit up to half a diagonal off the circle, and where it runs along rows there are a ninth more
    # of them than on average: max(|sin|, |cos|) of a pixel a unit of length, 0.90 in the mean.
    share = surface_dice(round_mask(100), round_mask(100, shift), 2.0)
    low, high = (2 / np.pi * np.arcsin(t / shift) for t in (1.3, 2.7))
    assert low < share < high / 0.9
    assert share == pytest.approx(2 / np.pi * np.arcsin(2 / shift), abs=0.06)


@pytest.mark.parametrize(("more", "expected"), [(1, 1.0), (2, 1.0), (4, 0.0), (9, 0.0)])
def test_surface_dice_of_discs_in_discs_is_all_or_nothing(more, expected):
    # Circles about one centre are everywhere as far apart as their radii differ.
    share = surface_dice(round_mask(60), round_mask(60 + more), 2.5)
    assert share == pytest.approx(expected, abs=0.02)


def test_the_tolerance_grows_with_the_image_so_that_sizes_of_files_compare():
    assert tolerance_px((256, 256)) == 2
    assert tolerance_px((1024, 512)) == 8
    small = surface_dice(round_mask(50), round_mask(50, 4), 2.0)
    large = surface_dice(round_mask(100, 0, 560), round_mask(100, 8, 560), 4.0)
    assert small == pytest.approx(large, abs=0.05)


def overlap(modality, target, patient, dice, source=""):
    return Overlap(modality, target, patient, dice, dice, refused=False, source=source)


def test_the_headline_is_the_mean_of_the_modalities():
    scores = [
        *(overlap("CT", "liver", f"p{i}", 0.9) for i in range(9)),
        overlap("CT", "rare", "p0", 0.0),
        overlap("MRI", "tumor", "q", 0.5),
    ]
    report = dice_report(scores, {("CT", "liver"), ("MRI", "tumor")})
    assert report["modalities"]["CT"]["dice"] == 0.9
    assert report["headline"]["dice"] == pytest.approx(0.7)
    assert report["targets"]["CT rare"]["failures"] == 1
    assert report["headline"]["failures"] == 0
    assert report["headline"]["masks"] == 10
    assert report["headline"]["modalities"] == 2
    assert len(report["headline"]["without"]) == 7  # of nine
    assert "ultrasound" in report["headline"]["without"]


def test_failures_are_outlines_with_hardly_anything_right():
    scores = [overlap("CT", "liver", f"p{i}", dice) for i, dice in enumerate((0.0, 0.09, 0.1, 1))]
    assert dice_report(scores, {("CT", "liver")})["modalities"]["CT"]["failures"] == 2


def test_intervals_follow_patients_not_masks():
    alike = [overlap("CT", "liver", f"p{i}", d) for i in range(2) for d in [0.2 + 0.6 * i] * 50]
    each = [overlap("CT", "liver", f"p{i}", s.dice) for i, s in enumerate(alike)]
    few, many = (dice_report(s, {("CT", "liver")})["modalities"]["CT"] for s in (alike, each))
    assert few["dice"] == many["dice"] == pytest.approx(0.5)
    assert (few["low"], few["high"]) == (0.2, 0.8)
    assert 0.4 < many["low"] < many["high"] < 0.6


def test_the_interval_is_that_of_the_mean_of_so_many_patients():
    # One mask a patient: the mean of n draws scatters by sd / sqrt(n), and 1.96 of that on both
    # sides holds 95 %. The headline of two such modalities is narrower by the square root of two,
    # as they are drawn apart, though their scores are the same.
    dices = np.random.default_rng(0).uniform(0.4, 1.0, 100)
    scores = [
        overlap(m, "x", f"p{i}", float(d)) for m in ("CT", "MRI") for i, d in enumerate(dices)
    ]
    report = dice_report(scores, {("CT", "x"), ("MRI", "x")})
    half = 1.96 * dices.std() / 10
    for entry, wide in ((report["modalities"]["CT"], half), (report["headline"], half / 2**0.5)):
        assert (entry["high"] - entry["low"]) / 2 == pytest.approx(wide, rel=0.1)
        assert entry["low"] < entry["dice"] < entry["high"]
    assert report == dice_report(scores, {("CT", "x"), ("MRI", "x")})  # the draws are repeatable


def test_a_difference_draws_the_same_patients_for_both():
    dices = np.random.default_rng(1).uniform(0.3, 0.9, 60)
    first = [overlap("CT", "x", f"p{i}", float(d)) for i, d in enumerate(dices)]
    better = [replace(s, dice=s.dice + 0.1) for s in first]
    gap = difference(better, first, {("CT", "x")})
    # Every patient gains 0.1, so the gain is certain though either mean alone is not.
    assert gap == {"dice": 0.1, "low": pytest.approx(0.1), "high": pytest.approx(0.1)}
    assert difference(better, [overlap("MRI", "x", "p", 1.0)], {("CT", "x"), ("MRI", "x")}) is None


def test_sources_are_told_apart():
    scores = [overlap("CT", "liver", f"p{i}", 0.5 + 0.4 * (i % 2), "AB"[i % 2]) for i in range(20)]
    report = dice_report(scores, {("CT", "liver")})
    assert {n: (e["dice"], e["masks"]) for n, e in report["sources"].items()} == {
        "A": (0.5, 10),
        "B": (0.9, 10),
    }


def test_coverage_counts_missed_objects_and_finds_the_best_constant():
    ratio = np.array([1.0, 1.1, 0.8, 1.5, np.nan])
    low = np.array([0.9, 0.9, 0.9, 0.9, np.nan])
    high = np.array([1.2, 1.2, 1.2, 1.6, np.nan])
    evidence = np.zeros((5, len(RANGE_EVIDENCE)))
    table = RangeTable(evidence, ratio, np.zeros(5), (("CT", "liver"),) * 5, tuple("abcde"))
    found = coverage_report(table, low, high)["CT"]
    assert found == coverage_report(table, low, high)["all"]
    assert (found["objects"], found["missed"], found["patients"]) == (5, 1, 5)
    assert (found["coverage"], found["coverage_of_found"]) == (0.6, 0.75)  # 0.8 lies outside
    assert found["median_width"] == pytest.approx(0.3)
    assert found["constant_percent"] == 20  # ±20 % holds 1.0, 1.1 and 0.8: as many
    assert found["width_ratio"] == pytest.approx(0.3 / 0.4)


def test_ranges_of_a_parser_with_a_known_law_are_true_and_tight(samples):
    tables = range_tables(ParserAnswers("blurred", Blurred()).to(samples))
    assert set(tables) == set(QUANTITIES)
    area = {"area": tables["area"]}
    for entry in cross_fitted_report(area)["area"].values():
        assert 0.80 <= entry["coverage"] <= 0.95
    assert cross_fitted_report(area)["area"]["all"]["width_ratio"] < 0.8
    kept = fit_range_calibration(tables, name="x", weights_sha256="ab" * 32)
    assert kept.fitted_on == "80 of 80 objects of 80 patients"
    assert shipped_report(tables, kept)["area"]["all"]["coverage"] >= 0.85


def test_the_ratio_is_true_over_measured(samples):
    answer = next(iter(ParserAnswers("blurred", Blurred()).to(samples)))
    tables = range_tables([answer])
    assert tables["area"].ratio[0] == answer.truth.sum() / answer.mask.sum()
    radii = [np.sqrt(m.sum() / np.pi) for m in (answer.truth, answer.mask)]
    for name in QUANTITIES[1:]:
        assert tables[name].ratio[0] == pytest.approx(radii[0] / radii[1], rel=0.06)


def test_refused_objects_have_no_ratio(samples):
    tables = range_tables(ParserAnswers("blurred", Blurred(least=400)).to(samples))
    missed = ~tables["area"].answered
    assert 0 < missed.sum() < len(samples)
    assert np.isnan(tables["longest_diameter"].ratio).sum() == missed.sum()


def test_too_few_objects_fit_no_ranges(data, samples):
    tables = range_tables(ParserAnswers("blurred", Blurred()).to(samples[:12]))
    with pytest.raises(FileError, match="at least 20 objects that were found"):
        fit_range_calibration(tables, name="x", weights_sha256="ab" * 32)
    with pytest.raises(FileError, match="probability map"):
        range_tables(MaskFolder("tool", data / "val_mask").to(samples[:1]))


def test_presence_counts_kept_and_refused(samples):
    report = presence_report(Blurred(), samples, ontology(), tell=True)
    assert report["present"] == {"objects": 80, "kept": 1.0}
    assert report["same_site"] == {"objects": 0, "refused": None, "auroc": None}
    assert report["other_sites"]["objects"] > 80
    # It outlines a lesion in an abdomen as well as a liver; what it does not know it refuses.
    assert 0.9 < report["other_sites"]["refused"] <= 1.0
    assert report["other_sites"]["auroc"] > 0.9
    assert report["nonsense"] == {"objects": 160, "refused": 1.0}  # two an image
    assert presence_report(Blurred(least=10**6), samples[:4], ontology())["present"]["kept"] == 0.0


def test_nonsense_names_nothing_that_anyone_looks_for():
    assert len(set(NONSENSE_PHRASES)) == len(NONSENSE_PHRASES)
    for phrase in NONSENSE_PHRASES:
        for modality in (None, *ontology().modalities):
            assert ontology().resolve(phrase, modality) is None, phrase


def test_empty_masks_say_that_something_is_absent(tmp_path):
    write_outlined(tmp_path, 4)
    samples = read_folder(tmp_path, "val")
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(samples[0].masks["liver"])
    report = presence_report(Blurred(), samples, ontology(), tell=True)
    assert report["present"]["objects"] == 3
    assert report["same_site"] == {
        "objects": 1,
        "refused": 0.0,
        "auroc": report["same_site"]["auroc"],
    }


def test_kinds_of_images_told_rightly_left_open_and_wrongly(samples):
    class Open(Blurred):
        def recognise(self, image):
            told = super().recognise(image)
            return told if image[32, 32, 0] else type(told)(None, None, 0.1)

    report = modality_report(Open(), samples)
    assert report["CT"]["images"] == report["dermoscopy"]["images"] == 40
    assert report["CT"]["right"] == pytest.approx(1 - report["CT"]["unsure"])
    assert report["dermoscopy"]["right"] == 0
    assert set(report["dermoscopy"]["taken_for"]) == {"CT"}
    assert report["all"]["right"] == pytest.approx(report["CT"]["right"] / 2)


def test_discs_are_discs():
    assert disc(10).sum() == pytest.approx(np.pi * 100, rel=0.02)
