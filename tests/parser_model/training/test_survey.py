"""What is wrong with a folder is said for every file, and decides whether training may start."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from parser_model import FileError, RequestError
from parser_model.ontology import ontology
from parser_model.training.data import absent_targets, same_site_absent
from parser_model.training.licences import licensed
from parser_model.training.survey import data_sha256, survey
from tests.parser_model.training.conftest import write_split


def save(path, array):
    Image.fromarray(array).save(path)


def test_a_good_folder_has_no_problems(folder):
    found = survey(folder, "train", ontology())
    assert (found.problems, found.files, found.skipped) == ([], 16, 0)
    assert len(found.samples) == 8
    found.check()


def test_every_bad_file_is_listed_with_its_own_reason(folder):
    images, masks = folder / "train", folder / "train_mask"
    light = np.full((64, 64), 255, np.uint8)
    save(images / "unnamed.png", light)
    save(images / "b_xray_chest.png", light)
    save(images / "b_X-Ray_knee.png", light)
    save(images / "b_X-Ray_chest.png", light)
    (images / "c_X-Ray_chest.png").write_bytes((images / "b_X-Ray_chest.png").read_bytes()[:60])
    save(images / "a-0_X-Ray_chest.jpg", light)
    save(images / "d_X-Ray_chest.png", light)
    save(masks / "b_X-Ray_chest_left+lungs.png", light)
    save(masks / "b_X-Ray_chest_liver.png", light)
    save(masks / "b_X-Ray_chest_lung.png", light[:32])
    save(masks / "b_X-Ray_chest_right+lung.png", light // 255)
    save(masks / "lung.png", light)
    save(masks / "nobody_X-Ray_chest_lung.png", light)
    save(masks / "c_X-Ray_chest_lung.png", light)  # its image is to blame, once
    (masks / "a-0_X-Ray_chest_lung.png").write_bytes(b"no picture")
    save(masks / "a-1_X-Ray_chest_right+lung.png", np.zeros((64, 64), np.uint8))
    found = survey(folder, "train", ontology())
    assert {(p.file.split("/")[1], p.kind) for p in found.problems} == {
        ("unnamed.png", "bad name"),
        ("b_xray_chest.png", "unknown modality"),
        ("b_X-Ray_knee.png", "unknown place"),
        ("c_X-Ray_chest.png", "unreadable"),
        ("a-0_X-Ray_chest.png", "named twice"),
        ("d_X-Ray_chest.png", "image without mask"),
        ("b_X-Ray_chest_left+lungs.png", "unknown target"),
        ("b_X-Ray_chest_liver.png", "unknown target"),
        ("b_X-Ray_chest_lung.png", "sizes differ"),
        ("b_X-Ray_chest_right+lung.png", "no mask values"),
        ("lung.png", "bad name"),
        ("nobody_X-Ray_chest_lung.png", "mask without image"),
        ("a-0_X-Ray_chest_lung.png", "unreadable"),
        ("a-1_X-Ray_chest_right+lung.png", "empty mask"),
    }
    sentences = " ".join(problem.sentence for problem in found.problems)
    assert "write it 'X-Ray'" in sentences
    assert "'left lung' is meant?" in sentences
    assert "32 x 64, its image 64 x 64" in sentences
    assert len(found.samples) == 8  # the eight good ones; b has no usable mask
    with pytest.raises(FileError, match="12 of 32 files cannot be used"):
        found.check()
    found.check(skip_bad=True)


@pytest.mark.parametrize("ending", ["json", "txt", "xml", "aux", "zip"])
def test_a_file_beside_an_image_or_mask_harms_neither(folder, ending):
    before = survey(folder, "train", ontology()).samples
    for path in [*(folder / "train").iterdir(), *(folder / "train_mask").iterdir()]:
        path.with_suffix(f".{ending}").write_text("what somebody noted")
    # What describes an image may lie beside its masks too.
    (folder / "train_mask" / f"a-0_X-Ray_chest.{ending}").write_text("more")
    found = survey(folder, "train", ontology())
    assert found.samples == before
    assert found.counts == {"beside another": 17}
    assert found.problems[0].sentence == (
        f"train/a-0_X-Ray_chest.{ending} lies beside an image or mask of its name and is not used."
    )
    found.check()
    (folder / "train_mask" / "z_X-Ray_chest_lung.png").write_text("no image has its name")
    assert survey(folder, "train", ontology()).problems[0].kind == "mask without image"


def test_an_empty_mask_says_that_its_target_is_absent(folder):
    empty = np.zeros((64, 64), np.uint8)
    save(folder / "train_mask" / "a-1_X-Ray_chest_right+lung.png", empty)
    sample = next(s for s in survey(folder, "train", ontology()).samples if s.absent)
    assert sample.absent == ("right lung",)
    assert set(sample.masks) == {"left lung"}
    assert same_site_absent(sample) == ["right lung"]
    assert "right lung" in absent_targets(sample, ontology())


def test_a_folder_without_a_usable_mask_is_refused(tmp_path):
    write_split(tmp_path, "train", 2, seed=0)
    for path in (tmp_path / "train_mask").iterdir():
        save(path, np.zeros((64, 64), np.uint8))
    with pytest.raises(FileError, match="no usable mask"):
        survey(tmp_path, "train", ontology()).check(skip_bad=True)
    with pytest.raises(FileError, match="missing"):
        survey(tmp_path, "val", ontology())


def manifest(folder, rows, columns=("image", "mask", "source", "patient", "nc")):
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def row(number, nc):
    stem = f"a-{number}_X-Ray_chest"
    mask = f"train_mask/{stem}_left+lung.png"
    return (f"train/{stem}.png", mask, "Somewhere", f"p{number}", nc)


def test_a_permissive_run_keeps_masks_that_say_so_and_names_what_is_gone(folder):
    polyp = np.full((64, 64), 255, np.uint8)
    save(folder / "train" / "e_endoscope_colon.png", polyp)
    save(folder / "train_mask" / "e_endoscope_colon_polyp.png", polyp)
    manifest(folder, [row(0, "no"), row(1, "yes"), row(2, "unclear"), row(3, "No")])
    samples = survey(folder, "train", ontology()).samples
    part = licensed(folder, samples, "permissive")
    assert [s.image.stem for s in part.samples] == ["a-0_X-Ray_chest", "a-3_X-Ray_chest"]
    assert part.samples[0].patient == "p0"
    assert part.left_out == 7
    assert part.missing_modalities == ("endoscope",)
    assert licensed(folder, samples, "all").samples == samples


def test_a_permissive_run_needs_a_manifest_that_tells(folder):
    samples = survey(folder, "train", ontology()).samples
    with pytest.raises(FileError, match=r"needs a manifest\.csv"):
        licensed(folder, samples, "permissive")
    manifest(folder, [row(0, "yes")])
    with pytest.raises(FileError, match="nothing is left"):
        licensed(folder, samples, "permissive")
    manifest(folder, [("train/x.png",)], columns=("image",))
    with pytest.raises(FileError, match="lacks the columns patient, source"):
        licensed(folder, samples, "permissive")
    with pytest.raises(RequestError, match="Unknown licence filter 'mine'"):
        licensed(folder, samples, "mine")


def test_the_hash_of_the_data_follows_names_and_bytes(folder):
    before = data_sha256(folder, survey(folder, "train", ontology()).samples)
    assert before == data_sha256(folder, survey(folder, "train", ontology()).samples[::-1])
    mask = folder / "train_mask" / "a-0_X-Ray_chest_left+lung.png"
    pixels = np.array(Image.open(mask))
    pixels[0, 0] = 255
    save(mask, pixels)
    changed = data_sha256(folder, survey(folder, "train", ontology()).samples)
    for name in ("train/a-0_X-Ray_chest.png", "train_mask/a-0_X-Ray_chest_left+lung.png"):
        path = folder / name
        path.rename(path.with_name(path.name.replace("a-0", "z-0")))
    renamed = data_sha256(folder, survey(folder, "train", ontology()).samples)
    assert len({before, changed, renamed}) == 3
