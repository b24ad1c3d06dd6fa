"""Digitised solids against closed forms; errors as stated in docs/measuring.md.

A voxel belongs to a solid if its centre does, as masks are made; the solids lie anywhere between
voxels, so no error is smaller than it looks by luck.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from tools.measuring import SHAPES, STACK_SHAPES, find_parts, measure, measure_mask

PLACES = np.random.default_rng(4).uniform(-0.5, 0.5, (4, 3))
CUBES = (1.0, 1.0, 1.0)
UPRIGHT = np.eye(3)
SLABS = (0.7, 0.7, 2.5)
AXIS_OF_ELLIPSOID = 2 / np.sqrt(5)  # 4 √λ of a solid ellipsoid, as a share of its axis


def grid(reach, spacing, place):
    """Coordinates in mm of the centres of voxels around a solid."""
    sides = [
        (np.arange(-n, n + 1) - shift) * mm
        for n, shift, mm in zip(np.ceil(np.divide(reach, spacing)) + 2, place, spacing, strict=True)
    ]
    return np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)


def turned(axis, degrees):
    """Rotation about one axis."""
    first, second = (a for a in range(3) if a != axis)
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    matrix[[first, first, second, second], [first, second, first, second]] = (
        np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle),
    )  # fmt: skip
    return matrix


def ellipsoid(semi_axes, spacing, place=(0, 0, 0), rotation=UPRIGHT):
    points = grid([max(semi_axes)] * 3, spacing, place) @ rotation
    return ((points / semi_axes) ** 2).sum(axis=-1) <= 1


def box(sides, spacing, place=(0, 0, 0), rotation=UPRIGHT):
    half = np.array(sides) / 2
    points = grid([np.linalg.norm(half)] * 3, spacing, place) @ rotation
    return (np.abs(points) <= half).all(axis=-1)


def got(name, mask, spacing):
    return measure(name, mask, spacing)[0].number


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("diameter", "spacing", "share"),
    # Volume off by at most this share; the mesh, half a voxel smaller all around, by twice that.
    [
        (10, CUBES, 0.03), (20, CUBES, 0.01), (40, CUBES, 0.003),
        (20, SLABS, 0.02), (40, SLABS, 0.005),
    ],
)  # fmt: skip
def test_ball(diameter, spacing, share, place):
    mask = ellipsoid([diameter / 2] * 3, spacing, place)
    volume = np.pi / 6 * diameter**3
    assert got("volume", mask, spacing) == pytest.approx(volume, rel=share)
    assert got("volume_mesh", mask, spacing) == pytest.approx(volume, rel=2 * share)
    # In plane edge to edge: never too short by more than the slice missed, up to a diagonal long.
    diagonal = np.hypot(*spacing[:2])
    assert -0.5 <= got("longest_diameter", mask, spacing) - diameter <= diagonal
    # Through the slices: half a voxel beyond the outermost centres, so up to a voxel long.
    assert 0 <= got("max_3d_diameter", mask, spacing) - diameter <= max(spacing)
    axis = AXIS_OF_ELLIPSOID * diameter
    assert got("major_axis", mask, spacing) == pytest.approx(axis, rel=1.5 * share)
    assert got("least_axis", mask, spacing) == pytest.approx(axis, rel=1.5 * share)


@pytest.mark.parametrize(("spacing", "high"), [(CUBES, 0.09), (SLABS, 0.18)])
def test_the_area_of_a_mesh_stays_too_large_at_any_size(spacing, high):
    for diameter in (20, 40):
        mask = ellipsoid([diameter / 2] * 3, spacing, PLACES[0])
        excess = got("surface_area", mask, spacing) / (np.pi * diameter**2) - 1
        assert excess == pytest.approx(high, abs=0.02)
        assert got("sphericity", mask, spacing) == pytest.approx(1 / (1 + excess), abs=0.02)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "rotation",
    [UPRIGHT, turned(2, 30), turned(0, 50), turned(1, 20) @ turned(2, 65)],
    ids=["upright", "in plane", "through slices", "both"],
)
def test_ellipsoid(rotation, place):
    semi = (20, 12, 8)
    mask = ellipsoid(semi, CUBES, place, rotation)
    assert got("volume", mask, CUBES) == pytest.approx(4 / 3 * np.pi * np.prod(semi), rel=0.01)
    for name, half in zip(("major_axis", "minor_axis", "least_axis"), semi, strict=True):
        expected = AXIS_OF_ELLIPSOID * 2 * half
        assert got(name, mask, CUBES) == pytest.approx(expected, rel=0.01)
    assert got("elongation", mask, CUBES) == pytest.approx(12 / 20, rel=0.02)
    assert got("flatness", mask, CUBES) == pytest.approx(8 / 20, rel=0.02)
    assert 0 <= got("max_3d_diameter", mask, CUBES) - 40 <= 1
    # The section of an ellipsoid with a slice is an ellipse; the largest runs through the centre.
    shape = rotation @ np.diag(np.square(1 / np.array(semi))) @ rotation.T
    long, short = 2 / np.sqrt(np.linalg.eigvalsh(shape[:2, :2]))
    assert -0.5 <= got("longest_diameter", mask, CUBES) - long <= 1.5
    # Across the longest diameter as digitised, whose direction is only known to a pixel.
    assert -1 <= got("perpendicular_diameter", mask, CUBES) - short <= 1.5
    assert got("area", mask, CUBES) == pytest.approx(np.pi / 4 * long * short, rel=0.02)


@pytest.mark.parametrize("spacing", [CUBES, SLABS, (0.4, 0.8, 3.0)])
def test_upright_box_is_exact(spacing):
    mask = np.zeros((40, 40, 12), dtype=bool)
    mask[5:15, 8:33, 2:9] = True  # 10 × 25 × 7 voxels
    sides = np.array([10, 25, 7]) * spacing
    assert got("volume", mask, spacing) == pytest.approx(np.prod(sides))
    assert got("area", mask, spacing) == pytest.approx(sides[0] * sides[1])
    assert got("longest_diameter", mask, spacing) == pytest.approx(np.hypot(*sides[:2]))
    assert measure("bounding_box", mask, spacing)[1].value == pytest.approx(tuple(sides))
    # n points at a distance of 1 have variance (n² - 1) / 12; n - 1 against n for all of them.
    voxels = 10 * 25 * 7
    variances = (np.square([10, 25, 7]) - 1) / 12 * np.square(spacing) * voxels / (voxels - 1)
    axes = 4 * np.sqrt(np.sort(variances)[::-1])
    for name, axis in zip(("major_axis", "minor_axis", "least_axis"), axes, strict=True):
        assert got(name, mask, spacing) == pytest.approx(axis)
    # The mesh misses all of the edges: two half voxels of every side meet at each.
    assert np.prod(sides) * 0.96 < got("volume_mesh", mask, spacing) < np.prod(sides)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rotation", [turned(2, 30), turned(0, 20) @ turned(2, 50)])
def test_turned_box(rotation, place):
    sides = (30, 16, 12)
    mask = box(sides, CUBES, place, rotation)
    assert got("volume", mask, CUBES) == pytest.approx(np.prod(sides), rel=0.02)
    # A sharp corner falls between voxels, so a box can be measured too short.
    assert abs(got("max_3d_diameter", mask, CUBES) - np.linalg.norm(sides)) <= 1.5
    for name, side in zip(("major_axis", "minor_axis", "least_axis"), sides, strict=True):
        assert got(name, mask, CUBES) == pytest.approx(4 * side / np.sqrt(12), rel=0.02)


# --- scaling and turning ----------------------------------------------------------------------

STACKS = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=6)).filter(
    lambda mask: mask.sum() > 1
)
POWER = {"px": 0, "1": 0, "percent": 0, "mm": 1, "mm2": 2, "mm3": 3}
EVERYTHING = (*SHAPES, *STACK_SHAPES)


@settings(max_examples=40, deadline=None)
@given(STACKS, st.floats(0.01, 100))
def test_spacing_times_k_gives_lengths_k_areas_k2_volumes_k3(mask, k):
    mask = find_parts(mask).mask
    if find_parts(mask).areas[0] < 2:
        return
    before = measure_mask(mask, EVERYTHING, SLABS)
    after = measure_mask(mask, EVERYTHING, tuple(k * mm for mm in SLABS))
    for one, other in zip(before, after, strict=True):
        scaled = np.multiply(one.value, k ** POWER[one.unit])
        assert np.allclose(other.value, scaled, rtol=1e-6, atol=1e-9 * k), one.name


# What depends on which axis counts the slices is not the same when axes are swapped.
IN_PLANE = {
    "sum_of_diameters",
    "area", "longest_diameter", "perpendicular_diameter", "short_axis", "perimeter", "circularity",
}  # fmt: skip
PLACED = {"centroid", "bounding_box", "slice"}


def sizes(mask, names, spacing):
    parts = find_parts(mask)
    # Equally large parts change places when turned, so each number is looked for among all.
    found = {}
    for name in names:
        values = [measure(name, parts.part(n + 1), spacing)[0].number for n in range(len(parts))]
        found[name] = sorted(values)
    return found


@settings(max_examples=30, deadline=None)
@given(STACKS, st.permutations(range(3)), st.lists(st.booleans(), min_size=3, max_size=3))
def test_turning_flipping_and_swapping_axes_changes_nothing(mask, order, flips):
    mask = find_parts(mask).mask
    if find_parts(mask).areas.min() < 2:
        return
    other = np.flip(mask.transpose(order), tuple(axis for axis in range(3) if flips[axis]))
    spacing = tuple(SLABS[axis] for axis in order)
    names = [name for name in EVERYTHING if name not in IN_PLANE | PLACED]
    before, after = sizes(mask, names, SLABS), sizes(other, names, spacing)
    for name in names:
        assert np.allclose(before[name], after[name], rtol=1e-4, atol=1e-6), name
    if order[2] == 2:  # the slices stay slices
        names = [name for name in IN_PLANE if name not in ("perimeter", "circularity")]
        before, after = sizes(mask, names, SLABS), sizes(other, names, spacing)
        for name in names:
            assert np.allclose(before[name], after[name]), name


@pytest.mark.parametrize(
    ("order", "flips"),
    list(itertools.product(itertools.permutations(range(3)), itertools.product((1, -1), repeat=3))),
)
def test_a_solid_in_all_48_orientations(order, flips):
    mask = ellipsoid((9, 6, 4), SLABS, PLACES[1], turned(0, 25) @ turned(2, 40))
    other = mask.transpose(order)[tuple(slice(None, None, step) for step in flips)]
    spacing = tuple(SLABS[axis] for axis in order)
    for name in ("volume", "volume_mesh", "max_3d_diameter", "major_axis", "least_axis"):
        assert got(name, other, spacing) == pytest.approx(got(name, mask, SLABS), rel=1e-6)
