"""The baseline learns what is easy, draws what it says, and leaves out what it is told to."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from parser_model.training.data import read_folder, read_mask
from tests.baseline import recipe
from tests.baseline.__main__ import Wanted, main, run
from tests.baseline.held import SIDE, Held
from tests.baseline.network import Baseline
from tests.outlined import write_outlined
from tests.parser_model.training.conftest import write_split

SMALL = (8, 16, 16, 16, 16)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    """Discs that are livers and lesions, of the sources A (half of the livers), B and C."""
    root = tmp_path / "data"
    write_outlined(root, 48, train=True)
    write_outlined(root, 8, seed=1)
    lines = ["image,mask,source,patient"]
    for split in ("train", "val"):
        for path in sorted((root / split).iterdir()):
            number = int(path.name[:3])
            source = "C" if number % 2 else "AB"[number // 2 % 2]
            lines.append(f"{split}/{path.name},,{source},{path.stem}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def test_it_learns_discs_and_tells_every_mask(data, tmp_path):
    told = run(Wanted(data, steps=50, widths=SMALL, masks=tmp_path / "masks"))
    assert np.mean(told["losses"][-5:]) < 0.5 * np.mean(told["losses"][:5])
    assert told["headline"] > 0.7  # everything, or nothing, would be 0.3 and 0
    assert set(told["modalities"]) == {"CT", "dermoscopy"}
    assert told["train"] == {"images": 48, "masks": 48, "sources": ["A", "B", "C"]}
    assert len(told["scores"]) == 8
    first = told["scores"][0]
    assert (first["image"], first["target"], first["source"]) == (
        "000_CT_abdomen.png",
        "liver",
        "A",
    )
    found = read_mask(tmp_path / "masks" / "000_CT_abdomen_liver.png")
    truth = read_mask(data / "val_mask" / "000_CT_abdomen_liver.png", SIDE)
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    assert first["dice"] == pytest.approx(dice, abs=1e-6)
    json.dumps(told)


def test_the_same_seed_gives_the_same_run(data):
    first, again, other = (run(Wanted(data, steps=3, seed=s, widths=SMALL)) for s in (0, 0, 1))
    assert first["losses"] == again["losses"]
    assert first["scores"] == again["scores"]
    assert first["losses"] != other["losses"]


def test_sources_left_out_are_not_trained_on_but_scored(data):
    told = run(Wanted(data, leave_out=("C",), steps=1, widths=SMALL))
    assert told["left_out"] == ["C"]
    assert told["train"] == {"images": 24, "masks": 24, "sources": ["A", "B"]}
    assert {one["source"] for one in told["scores"]} == {"A", "B", "C"}
    # The rule is that of the whole of train, so that both runs are scored on the same masks.
    assert told["masks"] == {"CT": 4, "dermoscopy": 4}


def test_a_source_that_is_not_there_is_refused(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.json"
    words = ["baseline", "--data", str(data), "--leave-out", "A,D", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", words)
    assert main() == 2
    assert "from D; there are A, B, C." in capsys.readouterr().err
    assert not out.exists()


def test_draws_are_all_masks_in_turn_with_a_share_of_targets_of_other_modalities(data):
    held = Held.read(read_folder(data, "train"), "cpu")
    names = ["lesion", "liver", "never seen"]
    draws = recipe.draw(held, names, 4800, 0, "cpu")
    turns = draws.masks.reshape(-1, 48).sort().values
    assert (turns == torch.arange(48)).all()
    assert (torch.from_numpy(held.owners)[draws.masks] == draws.images).all()
    own = torch.tensor([names.index(held.targets[m]) for m in draws.masks])
    absent = draws.present == 0
    assert absent.float().mean() == pytest.approx(0.12, abs=0.02)
    assert (draws.targets[~absent] == own[~absent]).all()
    assert (draws.targets[absent] == 1 - own[absent]).all()
    share = draws.maps[:, [0, 1], [0, 1]].abs()
    assert float(share.min()) == pytest.approx(0.7, abs=0.01)
    assert float(share.max()) == pytest.approx(1.0, abs=0.01)
    assert (share + draws.maps[:, :, 2].abs() <= 1 + 1e-6).all()  # a crop lies within its image
    skin = torch.tensor([held.samples[k].place.modality == "dermoscopy" for k in draws.images])
    assert (draws.maps[skin, 1, 1] < 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (draws.maps[~skin, 0, 0] > 0).all()  # an abdomen has a left and a right side


def test_one_modality_alone_has_no_negatives_and_empty_masks_are_no_masks(tmp_path):
    for split, count in (("train", 4), ("val", 2)):
        write_split(tmp_path, split, count, seed=0)
    empty = Image.fromarray(np.zeros((64, 64), np.uint8))
    empty.save(tmp_path / "train_mask" / "a-0_X-Ray_chest_right+lung.png")
    held = Held.read(read_folder(tmp_path, "train"), "cpu")
    assert held.targets == ["left lung"] * 4
    assert (recipe.draw(held, ["left lung"], 100, 0, "cpu").present == 1).all()


def test_image_and_mask_move_together():
    image = torch.zeros(1, 3, SIDE, SIDE)
    image[:, :, 40:90, 100:180] = 1
    crop = torch.tensor([[[-0.8, 0.0, 0.1], [0.0, 0.7, -0.2]]])
    seen, mask = recipe.resampled(image, crop), recipe.resampled(image[:, :1], crop)
    assert torch.equal(seen[:, :1], mask)
    rows, columns = torch.nonzero(mask[0, 0] > 0.5, as_tuple=True)
    # Column c of the image is seen where -0.8 x + 0.1 is c, both from -1 to 1 over the width.
    left = (1 - (2 * 180 / SIDE - 1 - 0.1) / 0.8) / 2 * recipe.SIZE
    top = (1 + (2 * 40 / SIDE - 1 + 0.2) / 0.7) / 2 * recipe.SIZE
    assert (int(columns.min()), int(rows.min())) == (round(left), round(top))


def test_it_is_as_large_as_the_baseline_that_it_repeats():
    network = Baseline(81)
    assert network.parameter_count == pytest.approx(3.7e6, rel=0.01)
    assert network(torch.zeros(2, 3, 64, 96), torch.tensor([0, 80])).shape == (2, 64, 96)
    assert abs(recipe.STEPS * recipe.BATCH - 80_000) < 800
