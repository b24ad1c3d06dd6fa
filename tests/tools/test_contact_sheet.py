"""Contact sheets: outlines stay visible, pages continue, other pictures are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model import RequestError
from tools.contact_sheet import TILES, ContactSheet, Tile, page_file
from tools.overlay import rgb

ORANGE = "#E69F00"


def tile(number: int, shape=(100, 130), box=(20, 30, 60, 90)) -> Tile:
    mask = np.zeros(shape, bool)
    mask[box[0] : box[2], box[1] : box[3]] = True
    return Tile(number, np.full((*shape, 3), 90, np.uint8), [(mask, ORANGE)], [("liver", ORANGE)])


def orange(path) -> int:
    return int((pixels(path) == rgb(ORANGE)).all(axis=2).sum())


def pixels(path) -> np.ndarray:
    with Image.open(path) as page:
        return np.array(page)


def pages(folder, numbers, start=0):
    sheet = ContactSheet(folder / "s.png")
    sheet.start = start
    for number in numbers:
        sheet.add(tile(number))
    sheet.save()


def test_thirty_tiles_fill_a_page(tmp_path):
    pages(tmp_path, range(1, TILES + 3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s-2.png", "s.png"]
    assert page_file(tmp_path / "s.png", 1).name == "s-2.png"
    # 30 tiles against two of the same kind
    assert orange(tmp_path / "s.png") == TILES // 2 * orange(tmp_path / "s-2.png")


def test_a_run_continued_draws_the_page_that_one_run_draws(tmp_path):
    (tmp_path / "once").mkdir()
    pages(tmp_path / "once", range(1, 36))
    pages(tmp_path, range(1, 14))
    pages(tmp_path, range(14, 33), start=13)
    pages(tmp_path, range(33, 36), start=32)
    for name in ("s.png", "s-2.png"):
        assert (pixels(tmp_path / name) == pixels(tmp_path / "once" / name)).all()


def test_without_the_earlier_page_its_places_say_so(tmp_path):
    pages(tmp_path, [4], start=3)
    with Image.open(tmp_path / "s.png") as page:
        assert page.height < 400  # one row of tiles
    assert orange(tmp_path / "s.png") > 0


@pytest.mark.parametrize("shape", [(1, 1), (4000, 60), (300, 20_000), (64, 64), (2, 700)])
def test_pictures_of_any_shape_fit(tmp_path, shape):
    sheet = ContactSheet(tmp_path / "s.png")
    sheet.add(tile(1, shape, (0, 0, *shape)))
    sheet.save()
    with Image.open(tmp_path / "s.png") as page:
        assert page.width < 1500


def test_a_tiny_object_in_a_large_picture_is_still_seen(tmp_path):
    plain = ContactSheet(tmp_path / "plain.png")
    plain.add(Tile(1, np.full((3000, 3000, 3), 90, np.uint8)))
    plain.save()
    sheet = ContactSheet(tmp_path / "s.png")
    sheet.add(tile(1, (3000, 3000), (1500, 1500, 1502, 1502)))
    sheet.save()
    with Image.open(tmp_path / "s.png") as page, Image.open(tmp_path / "plain.png") as bare:
        picture = (12, 40, 12 + 208, 40 + 208)
        assert page.crop(picture).tobytes() != bare.crop(picture).tobytes()


def test_a_failure_shows_its_reason(tmp_path):
    empty, told = ContactSheet(tmp_path / "a.png"), ContactSheet(tmp_path / "b.png")
    empty.add(Tile(1, None))
    told.add(Tile(1, None, reason="This file is empty (0 bytes). " * 30))
    empty.save()
    told.save()
    with Image.open(tmp_path / "a.png") as bare, Image.open(tmp_path / "b.png") as written:
        assert bare.tobytes() != written.tobytes()


def test_nothing_drawn_writes_nothing(tmp_path):
    ContactSheet(tmp_path / "s.png").save()
    assert list(tmp_path.iterdir()) == []


def test_another_picture_of_that_name_is_left_alone(tmp_path):
    path = tmp_path / "s.png"
    Image.new("RGB", (10, 10)).save(path)
    before = path.read_bytes()
    with pytest.raises(RequestError, match="another name"):
        ContactSheet(path)
    assert path.read_bytes() == before
    with pytest.raises(RequestError, match="PNG"):
        ContactSheet(tmp_path / "s.jpg")
