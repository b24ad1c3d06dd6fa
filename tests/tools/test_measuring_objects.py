"""Small alike objects counted one by one: touching discs, single shapes, real nuclei."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial import ConvexHull

from parser_model.errors import ToolError
from parser_model.ontology import ontology
from tools.measuring import find_parts, measure, measure_mask
from tools.measuring.objects import count_objects, density, split_touching


def discs(*circles, size=(160, 220)):
    """Discs (row, column, radius); a pixel belongs if its centre does."""
    row, column = np.ogrid[: size[0], : size[1]]
    mask = np.zeros(size, dtype=bool)
    for y, x, radius in circles:
        mask |= (row - y) ** 2 + (column - x) ** 2 <= radius**2
    return mask


def counted(mask):
    return count_objects(mask).number


@pytest.mark.parametrize("radius", [6, 10, 25])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90])
def test_two_overlapping_discs_are_two(radius, degrees):
    # Centres 1.5 radii apart: the neck is √(1 - 0.75²) = 0.66 of a disc wide.
    shift = 1.5 * radius * np.array([np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))])
    pair = discs((60, 60, radius), (60 + shift[0], 60 + shift[1], radius))
    assert len(find_parts(pair)) == 1
    assert counted(pair) == 2


@pytest.mark.parametrize("radius", [6, 10, 25])
def test_discs_that_overlap_by_more_than_half_are_one(radius):
    # Centres 0.7 radii apart: the neck is √(1 - 0.35²) = 0.94 of a disc wide, less than 15 % off.
    assert counted(discs((60, 60, radius), (60, 60 + 0.7 * radius, radius))) == 1


@pytest.mark.parametrize("gap", [-3, 0, 1])
def test_a_row_and_a_clump_of_touching_discs(gap):
    step = 20 + gap
    row = [(30, 20 + step * k, 10) for k in range(5)]
    clump = [(100, 60, 10), (100, 60 + step, 10), (100 + step * 0.866, 60 + step / 2, 10)]
    assert counted(discs(*row)) == 5
    if gap >= 0:  # the gap between the three is not one of them
        assert counted(discs(*clump)) == 3


def test_a_small_disc_on_a_large_one():
    assert counted(discs((70, 70, 40), (70, 118, 10))) == 2


def test_separate_discs_of_mixed_sizes_keep_their_number():
    circles = [(20, 20, 3), (20, 40, 5), (20, 70, 8), (60, 30, 12), (70, 90, 20), (90, 160, 30)]
    mask = discs(*circles)
    assert counted(mask) == len(find_parts(mask)) == len(circles)


@settings(max_examples=80, deadline=None)
@given(
    st.floats(3, 40), st.floats(0.3, 1), st.floats(0, np.pi), st.floats(0, 1), st.floats(0, 1)
)  # fmt: skip
def test_one_ellipse_is_never_split(long, share, angle, down, right):
    row, column = np.mgrid[:100, :100] - np.array([50 + down, 50 + right])[:, None, None]
    along = row * np.cos(angle) + column * np.sin(angle)
    across = column * np.cos(angle) - row * np.sin(angle)
    mask = (along / long) ** 2 + (across / (share * long)) ** 2 <= 1
    mask[50:52, 50:52] = True
    assert counted(find_parts(mask).part(1)) == 1


def test_a_bar_a_ring_and_a_hole_inside_are_one_each():
    bar = np.zeros((60, 120), dtype=bool)
    bar[20:32, 10:110] = True
    assert counted(bar) == 1
    disc = discs((60, 60, 20))
    assert counted(disc & ~discs((60, 60, 12))) == 1
    assert counted(disc & ~discs((62, 57, 1.5))) == 1


def test_a_thin_line_drawn_between_two_tells_them_apart():
    mask = np.zeros((120, 160), dtype=bool)
    mask[40:80, 40:70] = mask[40:80, 71:101] = True
    mask[[40, 79], 70] = True  # joined at both ends, as outlines on a coarse grid are
    assert len(find_parts(mask)) == 1
    assert counted(mask) == 2


def test_labels_cover_what_counts_and_nothing_else():
    mask = discs((60, 60, 20), (60, 90, 20))
    mask[150, 200] = True  # a speck
    labels = split_touching(mask)
    assert sorted(np.unique(labels)) == [0, 1, 2]
    assert np.array_equal(labels > 0, find_parts(mask).mask)
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)  # cut in the middle of the neck
    assert split_touching(np.zeros((5, 6), dtype=bool)).max() == 0
    assert counted(np.zeros((5, 6), dtype=bool)) == 0
    assert counted(np.ones((5, 6), dtype=bool)) == 1


def test_turning_the_image_changes_no_count():
    mask = discs((60, 60, 12), (60, 80, 12), (60, 97, 9), (120, 40, 15), (130, 60, 15))
    expected = counted(mask)
    assert expected == 5
    for quarters in range(4):
        for turned in (np.rot90(mask, quarters), np.flipud(np.rot90(mask, quarters))):
            assert counted(turned) == expected


def test_by_name_only_where_it_is_asked_for():
    mask = discs((60, 60, 20), (60, 90, 20), (120, 60, 15))
    (joined,) = measure_mask(mask, ["count"])
    (apart,) = measure_mask(mask, ["count"], split_touching=True)
    assert (joined.number, apart.number) == (2, 3)
    assert "8-connected" in joined.convention
    assert "told apart" in apart.convention
    (of_part,) = measure_mask(mask, ["count"], split_touching=True, part=1)
    assert of_part.number == 2


def test_many_small_alike_things_are_the_nuclei():
    assert ontology().is_many("nuclei")
    assert not any(ontology().is_many(t) for t in ontology().targets if t != "nuclei")
    assert not ontology().is_many(None)


# --- density --------------------------------------------------------------------------------


def test_density_is_the_count_per_area_of_the_image_or_of_another_mask():
    mask = discs((60, 60, 20), (60, 90, 20), (120, 60, 15), size=(200, 250))
    (value,) = measure("density", mask, (0.002, 0.002), split_touching=True)
    assert value.unit == "1/mm2"
    assert value.number == pytest.approx(3 / (0.4 * 0.5))
    (joined,) = measure("density", mask, (0.002, 0.002))
    assert joined.number == pytest.approx(2 / (0.4 * 0.5))
    left = np.zeros_like(mask)
    left[:, :75] = True  # holds the centres of two of them
    inside = density(mask, (0.002, 0.002), within=left)
    assert inside.number == pytest.approx(2 / (0.4 * 0.15))
    assert "centre" in inside.convention
    assert density(left & ~left | discs((9, 9, 5), size=(200, 250)), (1, 1)).number > 0


def test_density_says_what_it_needs():
    mask = discs((60, 60, 20))
    with pytest.raises(ToolError, match="tell me the scale"):
        measure("density", mask)
    with pytest.raises(ToolError, match="stack"):
        measure("density", np.ones((3, 3, 3), dtype=bool), (1.0, 1.0, 1.0))
    with pytest.raises(ToolError, match="empty"):
        density(mask, (1.0, 1.0), within=np.zeros_like(mask))


# --- real nuclei ------------------------------------------------------------------------------


def test_outlined_nuclei_that_lie_alone_are_not_split(data_root):
    files = sorted((data_root / "data" / "val_mask").glob("*_pathology_*_nuclei.png"))
    if not files:
        pytest.skip("no outlined nuclei in the data folder")
    alone, kept, touching, told_apart = 0, 0, 0, 0
    for file in files:
        parts = find_parts(np.asarray(Image.open(file).convert("L")) > 127)
        labels = split_touching(parts.mask)
        for number, pixels in enumerate(parts.areas, start=1):
            places = np.argwhere(parts.labels == number)
            corners = (places[:, None] + [[0, 0], [0, 1], [1, 0], [1, 1]]).reshape(-1, 2)
            objects = len(np.unique(labels[tuple(places.T)][labels[tuple(places.T)] > 0]))
            # A nucleus is convex but for a few per cent; a clump of several is not.
            if pixels >= 60 and pixels > 0.93 * ConvexHull(corners).volume:
                alone, kept = alone + 1, kept + (objects == 1)
            elif pixels >= 60 and pixels < 0.80 * ConvexHull(corners).volume:
                touching, told_apart = touching + 1, told_apart + (objects > 1)
    assert alone > 50
    assert kept >= 0.99 * alone
    assert told_apart >= 0.7 * touching
