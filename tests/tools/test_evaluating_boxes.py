"""Models that are given true boxes, and the sheet of examples."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model.errors import FileError
from parser_model.training.data import read_folder
from tests.outlined import disc, write_outlined
from tools.evaluating import (
    BoxedAnswers,
    MaskFolder,
    Overlap,
    boxes_of,
    examples,
    overlaps,
    write_sheet,
)


@pytest.fixture
def samples(tmp_path):
    write_outlined(tmp_path / "data", 8)
    return read_folder(tmp_path / "data", "val")


class FillsBoxes:
    """Takes every pixel of a box."""

    def __init__(self) -> None:
        self.calls = 0

    def outline(self, image, boxes):
        self.calls += 1
        masks = np.zeros((len(boxes), *image.shape[:2]), bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
            mask[top : bottom + 1, left : right + 1] = True
        return masks


def test_boxes_are_tight_and_each_part_may_have_its_own():
    mask = np.zeros((20, 30), bool)
    mask[2:5, 3:9] = True
    mask[10:12, 20:21] = True
    mask[12, 21] = True  # joined at a corner
    assert boxes_of(mask, each_part=False) == [(3, 2, 21, 12)]
    assert boxes_of(mask, each_part=True) == [(3, 2, 8, 4), (20, 10, 21, 12)]


def test_a_filled_box_has_the_dice_of_a_disc_in_its_square(samples):
    # A disc of radius r in its square of side 2r: 2 * pi r² / (pi r² + 4 r²) = 0.880, and a
    # little off that for discs of so few pixels.
    found = overlaps(BoxedAnswers("sam:x", FillsBoxes()).to(samples))
    assert [s.dice for s in found] == pytest.approx([2 * np.pi / (np.pi + 4)] * 8, abs=0.05)
    assert not any(s.refused for s in found)


def test_the_targets_of_an_image_are_outlined_together_and_not_mixed_up(samples, tmp_path):
    sample = samples[0]
    other = sample.masks["liver"].with_name("000_CT_abdomen_spleen.png")
    Image.fromarray(255 * (disc(4, (10, 10)) | disc(4, (50, 50))).astype(np.uint8)).save(other)
    sample = read_folder(tmp_path / "data", "val")[0]
    model = FillsBoxes()
    whole = overlaps(BoxedAnswers("x", model).to([sample]))
    parts = overlaps(BoxedAnswers("x", model, each_part=True).to([sample]))
    assert model.calls == 2
    assert [s.target for s in whole] == [s.target for s in parts] == ["liver", "spleen"]
    assert whole[0].dice == parts[0].dice > 0.85
    assert whole[1].dice < 0.1 < 0.7 < parts[1].dice


def test_best_median_and_worst_are_chosen_of_what_counts():
    scores = [Overlap("CT", "liver", f"p{i}", d, d, False) for i, d in enumerate((0.2, 0.9, 0.6))]
    scores += [Overlap("CT", "rare", "p", 0.0, 0.0, False)]
    scores += [Overlap("MRI", "tumor", "p", 0.5, 0.5, False)]
    chosen = examples(scores, {("CT", "liver"), ("MRI", "tumor")})
    assert [(e.score.modality, e.rank, e.score.dice) for e in chosen] == [
        ("CT", "best", 0.9),
        ("CT", "median", 0.6),
        ("CT", "worst", 0.2),
        *[("MRI", rank, 0.5) for rank in ("best", "median", "worst")],
    ]


def test_the_sheet_shows_both_outlines(samples, tmp_path):
    shifted = tmp_path / "tool"
    shifted.mkdir()
    for sample in samples:
        for path in sample.masks.values():
            mask = np.roll(np.asarray(Image.open(path)), 6, axis=1)
            Image.fromarray(mask).save(shifted / path.name)
    tool = MaskFolder("tool", shifted)
    scores = overlaps(tool.to(samples))
    chosen = examples(scores, {("CT", "liver"), ("dermoscopy", "lesion")})
    write_sheet(tmp_path / "new" / "sheet.png", tool, samples, chosen)
    page = np.asarray(Image.open(tmp_path / "new" / "sheet.png"))
    assert page.shape[1] == 3 * 268 + 12
    blue, orange = ((page == colour).all(axis=2) for colour in ((86, 180, 233), (230, 159, 0)))
    top = page.shape[0] // 2
    for some in (blue[64:], orange[64:], blue[top:], orange[top:]):
        assert some.sum() > 300  # six outlines, three a row
    # What was found lies six of 64 pixels to the right, four times as large on the sheet.
    columns = [np.nonzero(some[64:320, 12:268])[1].mean() for some in (blue, orange)]
    assert columns[1] - columns[0] == pytest.approx(24, abs=4)


def test_nothing_to_draw_and_nowhere_to_write_are_told(samples, tmp_path):
    tool = MaskFolder("reference", tmp_path / "data" / "val_mask")
    with pytest.raises(FileError, match="no outline"):
        write_sheet(tmp_path / "sheet.png", tool, samples, [])
    chosen = examples(overlaps(tool.to(samples)), {("CT", "liver")})
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError, match="cannot be written"):
        write_sheet(tmp_path / "file" / "sheet.png", tool, samples, chosen)
