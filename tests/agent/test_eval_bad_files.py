"""``eval`` and ``models calibrate`` on folders in which some files cannot be used."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.agent.test_eval_commands import blurred, data, run  # noqa: F401
from tests.outlined import write_outlined


@pytest.fixture
def folder(data, tmp_path):  # noqa: F811
    """60 good images, and one of every fault that people's folders have."""
    root = tmp_path / "data"
    shutil.copytree(data, root)
    image, mask = (sorted((root / name).iterdir())[0] for name in ("val", "val_mask"))
    more = {
        "val/._000_CT_abdomen.png": b"of macOS",
        "val/odd name.png": image.read_bytes(),
        "val/cut_CT_abdomen.png": image.read_bytes()[:70],
        "val_mask/cut_CT_abdomen_liver.png": mask.read_bytes(),
        "val/maskcut_CT_abdomen.png": image.read_bytes(),
        "val_mask/maskcut_CT_abdomen_liver.png": mask.read_bytes()[:70],
        "val/far_telepathy_abdomen.png": image.read_bytes(),
        "val_mask/far_telepathy_abdomen_liver.png": mask.read_bytes(),
        "val_mask/000_CT_abdomen_flux+unit.png": mask.read_bytes(),
        "val_mask/alone_CT_abdomen_liver.png": mask.read_bytes(),
        "train/odd name.png": image.read_bytes(),
        "train_mask/000_CT_abdomen_spleen.png": mask.read_bytes()[:70],
    }
    for name, content in more.items():
        (root / name).write_bytes(content)
    return root


BAD = {
    "val/cut_CT_abdomen.png",
    "val/far_telepathy_abdomen.png",
    "val/odd name.png",
    "val_mask/000_CT_abdomen_flux+unit.png",
    "val_mask/alone_CT_abdomen_liver.png",
    "val_mask/maskcut_CT_abdomen_liver.png",
}


@pytest.mark.parametrize("what", ["dice", "modality"])
def test_files_that_cannot_be_used_are_named_and_the_rest_is_scored(run, folder, blurred, what):  # noqa: F811
    given = ("eval", "--data", folder, "--what", what)
    code, out, err = run(*given, "--json")
    document = json.loads(out)
    assert (code, document["images"]) == (0, 60)
    assert {problem["file"] for problem in document["problems"]["files"]} == BAD
    assert document["problems"]["skipped"] == len(BAD)
    for name in BAD:
        assert f"{name} " in err
    code, out, _ = run(*given)
    assert code == 0
    assert "6 files are left out" in out


def test_calibration_leaves_them_out_too(run, folder, blurred):  # noqa: F811
    calibrate = ("models", "calibrate", "compact", "--data", folder, "--only", "ranges")
    code, out, err = run(*calibrate)
    assert code == 0
    assert "train/odd name.png is not named IMAGE_MODALITY_SITE" in err
    assert "8 files are left out" in out


def test_fifty_are_listed_and_all_of_them_are_in_the_document(run, tmp_path, blurred):  # noqa: F811
    write_outlined(tmp_path, 4)
    for number in range(60):
        grey = Image.fromarray(np.zeros((8, 8), np.uint8))
        grey.save(tmp_path / "val" / f"[odd {number}].png")
    code, out, err = run("eval", "--data", tmp_path, "--json")
    assert (code, len(json.loads(out)["problems"]["files"])) == (0, 60)
    assert err.count("[odd ") == 50
    assert "and more: --json lists all" in err


def test_a_folder_without_anything_usable_is_refused_after_the_list(run, tmp_path, blurred):  # noqa: F811
    write_outlined(tmp_path, 1)
    path = next((tmp_path / "val_mask").iterdir())
    path.write_bytes(b"no picture")
    code, out, err = run("eval", "--data", tmp_path)
    assert (code, out) == (2, "")
    assert f"{path.name} cannot be read as a picture" in err
    assert "No image in val/ has a mask that can be used." in err
