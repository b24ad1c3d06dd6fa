"""What a table leaves out is not written as absent."""

from __future__ import annotations

import csv

import numpy as np
from PIL import Image

from parser_model.ontology import ontology
from tools.building import Wishes, build


def test_what_is_too_small_for_a_mask_is_not_said_to_be_absent(tmp_path):
    for name in ("train", "train_mask"):
        (tmp_path / "in" / name).mkdir(parents=True)
    large, small = np.zeros((2, 64, 64), np.uint8)
    large[8:40, 8:40] = 255
    small[10:12, 10:12] = 255
    for number, tumor in enumerate((large, small)):
        stem = f"k{number}_CT_kidney"
        Image.fromarray(large).save(tmp_path / "in" / "train" / f"{stem}.png")
        for target, mask in (("kidney", large), ("tumor", tumor)):
            path = tmp_path / "in" / "train_mask" / f"{stem}_{target}.png"
            Image.fromarray(mask).save(path)
    built = build(tmp_path / "in", tmp_path / "out", ontology(), Wishes(source="KiTS19"))
    with (tmp_path / "out" / "triples.csv").open() as table:
        rows = list(csv.DictReader(table))
    said = {(row["image"][6:11], row["present"]) for row in rows if row["target"] == "tumor"}
    assert said == {("c0001", "yes")}
    assert built.counts.small == 1
    assert built.counts.absent.total() == 0
