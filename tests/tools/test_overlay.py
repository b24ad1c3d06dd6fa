"""The overlay shows the mask without hiding the scan, and the stored mask is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tools.overlay import (
    PALETTE,
    colour_of,
    draw_overlay,
    line_width,
    rgb,
    write_mask_png,
    write_png,
)


def square(size=40, start=10, end=30):
    mask = np.zeros((size, size), dtype=bool)
    mask[start:end, start:end] = True
    return mask


def grey(level, size=40):
    return np.full((size, size, 3), level, dtype=np.uint8)


def test_tint_inside_colour_on_the_rim_untouched_outside():
    image = grey(100)
    drawn = draw_overlay(image, [square()], opacity=0.5)
    colour = np.array(rgb(PALETTE[0]))
    assert (drawn[20, 20] == np.round(0.5 * 100 + 0.5 * colour)).all()
    assert (drawn[10, 15] == colour).all()
    assert (drawn[:9] == 100).all()
    assert (image == 100).all()  # drawn on a copy


@pytest.mark.parametrize(("level", "expected"), [(0, 255), (255, 0)])
def test_outline_contrasts_with_what_lies_beneath(level, expected):
    drawn = draw_overlay(grey(level), [square()])
    assert (drawn[9, 15] == expected).all()


def test_opacity_zero_leaves_the_scan_visible():
    drawn = draw_overlay(grey(77), [square()], opacity=0)
    assert (drawn[12:28, 12:28] == 77).all()


def test_no_outline_along_the_border_of_the_image():
    mask = np.ones((20, 20), dtype=bool)
    drawn = draw_overlay(grey(0, 20), [mask], opacity=0)
    assert (drawn == 0).all()


def test_outline_grows_with_the_image():
    assert line_width((64, 64)) == 1
    assert line_width((512, 512, 3)) == 2
    assert line_width((2048, 1024)) == 7


def test_empty_mask_and_no_mask_draw_nothing():
    image = grey(50)
    assert (draw_overlay(image, [np.zeros((40, 40), dtype=bool)]) == image).all()
    assert (draw_overlay(image, []) == image).all()


def test_line_runs_between_its_ends_with_ticks():
    drawn = draw_overlay(grey(100), [], lines=[((20.5, 5.0), (20.5, 35.0))])
    assert (drawn[20, 8:32] == 255).all()
    # The end lies on the edge between columns 4 and 5: the tick is on one of them.
    assert (drawn[17, 4:6] == 255).all(axis=1).any()
    assert (drawn[20, 36:] != 255).all()


def test_legend_only_when_labels_are_given():
    image = grey(100, 200)
    mask = square(200, 120, 160)
    plain = draw_overlay(image, [mask])
    named = draw_overlay(image, [mask], labels=["liver"])
    assert (plain[:60, :60] == 100).all()
    assert (named[5:15, 5:15].reshape(-1, 3) == rgb(PALETTE[0])).all(axis=1).any()


def test_palette_is_distinct_and_repeats():
    assert len(set(PALETTE)) == 7
    assert colour_of(7) == colour_of(0)
    assert [rgb(c) for c in PALETTE[:2]] == [(230, 159, 0), (86, 180, 233)]


@given(mask=arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_stored_mask_reads_back_exactly(mask, tmp_path_factory):
    path = tmp_path_factory.mktemp("png") / "mask.png"
    write_mask_png(path, mask)
    stored = np.array(Image.open(path))
    assert stored.dtype == np.uint8
    assert (stored == np.where(mask, 255, 0)).all()


def test_png_keeps_every_pixel(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "picture.png", picture)
    assert (np.array(Image.open(tmp_path / "picture.png")) == picture).all()
    with pytest.raises(ValueError, match="uint8"):
        write_png(tmp_path / "bad.png", picture.astype(float))


@pytest.mark.parametrize(
    "call",
    [
        lambda: draw_overlay(np.zeros((4, 4), np.uint8), []),
        lambda: draw_overlay(grey(0), [np.zeros((3, 3), bool)]),
        lambda: draw_overlay(grey(0), [square()], opacity=1.5),
        lambda: draw_overlay(grey(0), [square()], labels=["a", "b"]),
        lambda: draw_overlay(grey(0), [square()], colours=["red"]),
    ],
)
def test_wrong_input_is_refused(call):
    with pytest.raises(ValueError, match=r"image is|one shape|opacity|as many|#RRGGBB"):
        call()
