"""Data dealt anew: whole patients, enough masks, every file where the new table says."""

from __future__ import annotations

import json
import sys

import pytest

from parser_model.errors import RequestError
from parser_model.training.data import manifest_rows, read_folder
from tests import hold_out
from tests.hold_out import dealt_anew, held_out
from tests.outlined import write_outlined


def rows_of(source, masks, split="train"):
    """One row a mask, of patients with so many masks each."""
    return [
        {
            "image": f"{split}/{source}-{name}-{k}_CT_abdomen.png",
            "mask": f"{split}_mask/{source}-{name}-{k}_CT_abdomen_liver.png",
            "source": source,
            "patient": f"{source}:{name}",
            "split": split,
        }
        for name, count in masks.items()
        for k in range(count)
    ]


def test_a_source_with_enough_masks_in_val_stays_as_it_is():
    rows = rows_of("A", {"a": 90}) + rows_of("A", {"b": 6, "c": 4}, "val")
    assert held_out(rows, "A") == {"A:b", "A:c"}
    assert dealt_anew(rows, ["A"])[0] == rows


def test_half_of_the_masks_are_held_out_by_whole_patients():
    rows = rows_of("A", {str(k): 2 for k in range(15)}) + rows_of("A", {"15": 2}, "val")
    held = held_out(rows, "A")
    assert len(held) == 8  # 16 of 32 masks
    assert held == held_out(rows[::-1], "A")  # whatever the order of the table
    assert held != held_out(rows, "A", seed=1)
    assert len(held_out(rows_of("A", dict.fromkeys("abcdefghijklmnop", 1)), "A")) == 10  # at least


def test_the_patient_with_most_masks_is_held_out_first():
    """As few patients as possible leave train; one of val may go there instead."""
    rows = rows_of("A", {"many": 30}) + rows_of("A", {"x": 3, "y": 2, "z": 2}, "val")
    assert held_out(rows, "A") == {"A:many"}
    moved, files = dealt_anew(rows, ["A"])
    assert {row["patient"] for row in moved if row["split"] == "train"} == {"A:x", "A:y", "A:z"}
    assert files["val/A-x-0_CT_abdomen.png"] == "train/A-x-0_CT_abdomen.png"
    assert files["train_mask/A-many-7_CT_abdomen_liver.png"].startswith("val_mask/")


def test_a_source_that_would_leave_nobody_to_train_on_is_refused():
    with pytest.raises(RequestError, match="B has too few patients"):
        held_out(rows_of("B", {"only": 40}), "B")


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["hold_out", *map(str, words)])
    return hold_out.main()


@pytest.fixture
def data(tmp_path):
    """Livers of A, lesions of B: twelve each in train; of val one image without an outline."""
    root = tmp_path / "data"
    write_outlined(root, 24, train=True)
    write_outlined(root, 3, seed=1)
    lines = ["image,mask,source,patient,split"]
    for split in ("train", "val"):
        for path in sorted((root / split).iterdir()):
            image = path.rename(path.with_name(f"{split}{path.name}"))
            source, target = ("B", "lesion") if "dermoscopy" in path.name else ("A", "liver")
            mask = root / f"{split}_mask" / f"{path.stem}_{target}.png"
            mask = mask.rename(mask.with_name(f"{split}{mask.name}"))
            listed = f"{split}_mask/{mask.name}"
            if image.stem == "val002_CT_abdomen":
                mask.unlink()
                listed = ""
            lines.append(f"{split}/{image.name},{listed},{source},{image.stem},{split}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "paraphrases.json").write_text(json.dumps({"liver": ["hepar"]}))
    return root


def all_of(folder):
    samples = [*read_folder(folder, "train"), *read_folder(folder, "val")]
    return {s.image.name: (s.source, s.patient, sorted(s.masks)) for s in samples}


def test_a_folder_is_dealt_anew(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert call(monkeypatch, "--data", data, "--out", out, "--sources", "A") == 0
    said = capsys.readouterr().out
    assert said == "A: train 3 patients with 3 masks, val 10 patients with 10 masks\n"
    assert all_of(out) == all_of(data)
    val = read_folder(out, "val")
    assert sum(s.source == "A" and bool(s.masks) for s in val) == 10
    assert [s.image.name for s in val if s.source == "B"] == ["val001_dermoscopy_skin.png"]
    assert all(row["split"] == row["image"].split("/")[0] for row in manifest_rows(out))
    assert (out / "paraphrases.json").is_file()


def test_what_cannot_be_dealt_is_refused(data, tmp_path, monkeypatch, capsys):
    def refused(*words, why):
        assert call(monkeypatch, "--data", data, *words) == 2
        assert why in capsys.readouterr().err

    refused("--out", data, "--sources", "A", why="data is there already")
    refused("--out", tmp_path / "x", "--sources", "Q", why="No image of manifest.csv is from Q")
    (data / "train" / "train000_CT_abdomen.png").unlink()
    refused("--out", tmp_path / "x", "--sources", "A", why="train/train000_CT_abdomen.png")
    table = (data / "manifest.csv").read_text().replace("val/val000_CT", "val/train004_CT")
    (data / "manifest.csv").write_text(table)
    refused("--out", tmp_path / "x", "--sources", "A", why="have the same name")
    assert not (tmp_path / "x").exists()  # nothing is left half done
