"""What a table does not use is told, with the reason."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
from PIL import Image

from parser_model import FileError
from parser_model.ontology import ontology
from tools.building import Wishes, build


def write_pictures(root, stem, *masks, split="train"):
    """A grey picture, and a mask of its upper half under each name."""
    half = np.zeros((32, 32), np.uint8)
    half[:16] = 255
    for folder in (split, f"{split}_mask"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), 90, np.uint8)).save(root / split / f"{stem}.png")
    for name in masks:
        Image.fromarray(half).save(root / f"{split}_mask" / f"{stem}_{name}.png")


def test_a_target_of_another_site_is_told_with_the_sites_that_hold_it(tmp_path):
    write_pictures(tmp_path / "in", "a0_CT_chest", "Left+Lung")
    with pytest.raises(FileError) as refused:
        build(tmp_path / "in", tmp_path / "out", ontology())
    assert str(refused.value) == (
        "Nothing could be used of 1 cases: no target is one of its place: "
        "'left lung' in chest CT (it is known in lung CT)."
    )


def test_targets_beside_those_of_the_site_are_counted_once_a_picture(tmp_path):
    labels = np.zeros((24, 24, 3), np.uint8)
    for value, columns in ((1, slice(0, 8)), (2, slice(8, 16)), (3, slice(16, 24))):
        labels[:12, columns] = value
    for name, array in (("x_seg", labels), ("x", 100 * labels.astype(np.int16))):
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), tmp_path / f"{name}.nii.gz")
    names = {1: "left lung", 2: "right lung", 3: "liver"}
    out = tmp_path / "out"
    built = build(tmp_path, out, ontology(), Wishes(site="lung"), modality="CT", names=names)
    assert built.counts.elsewhere == {"'liver' in lung CT (it is known in abdomen CT, chest CT)": 3}
    assert not built.counts.unknown
    assert {path.stem.rpartition("_")[2] for path in (out / "train_mask").iterdir()} == {
        "left+lung", "right+lung", "lung",
    }  # fmt: skip


def test_files_that_are_not_used_are_named_on_the_screen_and_nowhere_else(tmp_path):
    root = tmp_path / "in"
    write_pictures(root, "a_CT_abdomen", "liver", "left_kidney")
    write_pictures(root, "my_doe_CT_abdomen", "liver")
    write_pictures(root, "b_CT_abdomen")
    write_pictures(root, "._a_CT_abdomen", "liver")  # of macOS
    write_pictures(root, "z_CT_abdomen", "liver")
    (root / "train" / "z_CT_abdomen.png").write_bytes(b"no picture")
    built = build(root, tmp_path / "out", ontology())
    assert [sentence.split()[0] for sentence in built.unused] == [
        "train/b_CT_abdomen.png",
        "train/my_doe_CT_abdomen.png",
        "train_mask/a_CT_abdomen_left_kidney.png",
        "train_mask/my_doe_CT_abdomen_liver.png",
    ]
    assert built.files == ("train/z_CT_abdomen.png",)
    assert built.problems[0].startswith("Case 2 is left out: a picture cannot be read")
    assert "doe" not in str(built)
    assert "doe" not in "".join(path.read_text() for path in (tmp_path / "out").glob("*.csv"))


@pytest.mark.parametrize(("more", "held_out"), [((), 2), (("test",), 0)])
def test_patients_are_set_aside_of_a_folder_that_holds_train_alone(tmp_path, more, held_out):
    for split in ("train", *more):
        for number in range(4):
            write_pictures(tmp_path / "in", f"{split}{number}_CT_abdomen", "liver", split=split)
    build(tmp_path / "in", tmp_path / "out", ontology(), Wishes(val=0.5))
    assert len(list((tmp_path / "out").glob("val/*.png"))) == held_out
    assert len(list((tmp_path / "out").glob("train/*.png"))) == 4 - held_out
