"""What a table leaves out is not written as absent."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from parser_model.errors import FileError
from parser_model.ontology import ontology
from parser_model.training.data import read_folder
from parser_model.training.survey import survey
from tools.building import Wishes, build


def save(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)


def test_an_empty_mask_goes_on_saying_that_its_target_is_absent(tmp_path):
    light, dark = np.full((64, 64), 255, np.uint8), np.zeros((64, 64), np.uint8)
    for number, tumour in enumerate((light, dark)):
        stem = f"k{number}_CT_kidney"
        save(tmp_path / "in" / "train" / f"{stem}.png", light)
        save(tmp_path / "in" / "train_mask" / f"{stem}_kidney.png", light)
        save(tmp_path / "in" / "train_mask" / f"{stem}_tumour.png", tumour)
    build(tmp_path / "in", tmp_path / "out", ontology())
    found = survey(tmp_path / "out", "train", ontology())
    assert [sample.absent for sample in found.samples] == [(), ("tumor",)]


def test_a_mask_is_read_whatever_kind_of_picture_it_is(tmp_path):
    light = np.full((64, 64), 255, np.uint8)
    save(tmp_path / "in" / "train" / "k_CT_kidney.png", light)
    save(tmp_path / "in" / "train_mask" / "k_CT_kidney_kidney.png", light)
    save(tmp_path / "in" / "train_mask" / "k_CT_kidney_tumor.jpg", light)
    built = build(tmp_path / "in", tmp_path / "out", ontology(), Wishes(complete=True))
    assert built.counts.by_target == {"CT kidney": 1, "CT tumor": 1}
    with pytest.raises(FileError, match=r"^k_CT_kidney_tumor\.jpg is not named .*_TARGET\.png"):
        read_folder(tmp_path / "in", "train")
    save(tmp_path / "in" / "train_mask" / "k_CT_kidney_tumor.png", light)
    assert len(read_folder(tmp_path / "in", "train")[0].masks) == 2


def test_what_is_too_small_for_a_mask_is_not_said_to_be_absent(tmp_path):
    large, small = np.zeros((2, 64, 64), np.uint8)
    large[8:40, 8:40] = 255
    small[10:12, 10:12] = 255
    for number, tumor in enumerate((large, small)):
        stem = f"k{number}_CT_kidney"
        save(tmp_path / "in" / "train" / f"{stem}.png", large)
        for target, mask in (("kidney", large), ("tumor", tumor)):
            save(tmp_path / "in" / "train_mask" / f"{stem}_{target}.png", mask)
    built = build(tmp_path / "in", tmp_path / "out", ontology(), Wishes(source="KiTS19"))
    with (tmp_path / "out" / "triples.csv").open() as table:
        rows = list(csv.DictReader(table))
    said = {(row["image"][6:11], row["present"]) for row in rows if row["target"] == "tumor"}
    assert said == {("c0001", "yes")}
    assert built.counts.small == 1
    assert built.counts.absent.total() == 0
