"""A mask that is not used is no proof that its object is absent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from parser_model.errors import FileError
from parser_model.ontology import Place, ontology
from parser_model.training.data import Sample, absent_targets, same_site_absent
from parser_model.training.licences import licensed
from parser_model.training.survey import survey
from parser_model.training.synthetic import SyntheticTumors

STEM = "k_CT_kidney"
LIGHT = Image.new("L", (64, 64), 255)


@pytest.fixture
def kidney(tmp_path):
    """An image of a source that outlines all kidneys and tumors, with a mask of the kidney."""
    for name in ("train", "train_mask"):
        (tmp_path / name).mkdir()
    LIGHT.save(tmp_path / "train" / f"{STEM}.png")
    LIGHT.save(tmp_path / "train_mask" / f"{STEM}_kidney.png")
    rows = [f"train/{STEM}.png,train_mask/{STEM}_kidney.png,KiTS19,p,no"]
    rows += [f"train/{STEM}.png,train_mask/{STEM}_tumor.png,KiTS19,p,yes"]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,mask,source,patient,nc", *rows]))
    return tmp_path


def only(folder):
    (sample,) = survey(folder, "train", ontology()).samples
    return sample


def test_what_has_no_mask_where_all_is_outlined_is_absent(kidney):
    assert same_site_absent(only(kidney)) == ["tumor"]


@pytest.mark.parametrize(
    ("name", "mask"),
    [
        ("tumor.png", LIGHT.crop((0, 0, 9, 64))),
        ("tumor.png", LIGHT.point(lambda _: 1)),
        ("tumor.png", None),
        ("tumor.jpg", LIGHT),
        ("tumour.png", LIGHT),
        ("the_tumor.png", LIGHT),
        ("what+is+this.png", LIGHT),
    ],
)
def test_a_mask_that_cannot_be_used_leaves_it_open(kidney, name, mask):
    path = kidney / "train_mask" / f"{STEM}_{name}"
    path.write_bytes(b"no picture")
    if mask:
        mask.save(path)
    sample = only(kidney)
    assert set(sample.masks) == {"kidney"}
    assert "tumor" in sample.unknown
    assert same_site_absent(sample) == []
    assert "tumor" not in absent_targets(sample, ontology())
    with pytest.raises(FileError, match="outlined organ"):  # where there may be a real one
        SyntheticTumors([replace(sample, masks={"liver": Path()})], ontology())


def test_a_mask_of_another_kind_that_is_lost_leaves_the_rest_absent(kidney):
    LIGHT.save(kidney / "train_mask" / f"{STEM}_polyp.png")
    sample = only(kidney)
    assert same_site_absent(sample) == ["tumor"]
    assert "polyp" not in absent_targets(sample, ontology())


def test_an_empty_mask_says_absent_whatever_else_is_lost(kidney):
    Image.new("L", (64, 64)).save(kidney / "train_mask" / f"{STEM}_tumor.png")
    LIGHT.save(kidney / "train_mask" / f"{STEM}_what+is+this.png")
    assert same_site_absent(only(kidney)) == ["tumor"]


def test_a_mask_that_the_licence_takes_away_leaves_it_open(kidney):
    LIGHT.save(kidney / "train_mask" / f"{STEM}_tumor.png")
    (sample,) = licensed(kidney, [only(kidney)], "permissive").samples
    assert set(sample.masks) == {"kidney"}
    assert same_site_absent(sample) == []
    assert "tumor" not in absent_targets(sample, ontology())


def test_only_what_is_unknown_is_left_open():
    sample = Sample(Path("x"), Place("CT", "kidney"), {}, "KiTS19")
    told = set(absent_targets(sample, ontology()))
    open_one = replace(sample, unknown=frozenset({"tumor"}))
    assert told - set(absent_targets(open_one, ontology())) == {"tumor"}
