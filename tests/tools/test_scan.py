"""A scan is valid once made, shows what it should and tells nothing of the patient."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from parser_model import FileError, RequestError
from tools.geometry import Geometry
from tools.scan import CT_WINDOWS, Scan


def grey(*shape, dtype=np.uint8):
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


@pytest.mark.parametrize(
    ("pixels", "extra"),
    [
        (grey(4, 4, 4), {"colour": True}),
        (grey(4, 4, 3, dtype=np.uint16), {"colour": True}),
        (grey(4), {}),
        (grey(2, 2, 2, 2), {}),
        (np.zeros((2, 2), complex), {}),
        (np.zeros((2, 2), np.float64), {}),
        (grey(4, 4), {"modality": "Xray"}),
        (grey(4, 4), {"value_unit": "mmHg"}),
        (grey(4, 4), {"window": (1.0, 0.0)}),
        (grey(4, 4), {"geometry": Geometry((1.0, 1.0, 1.0), "user")}),
    ],
)
def test_parts_that_do_not_fit_are_refused(pixels, extra):
    with pytest.raises(ValueError, match=r"pixels|unknown|window|spacing"):
        Scan(**({"pixels": pixels, "geometry": Geometry()} | extra))


@pytest.mark.parametrize(
    "pixels", [np.zeros((0, 4), np.uint8), np.full((2, 2), np.nan, np.float32)]
)
def test_contents_that_cannot_be_shown_are_the_files_fault(pixels):
    with pytest.raises(FileError):
        Scan(pixels, Geometry())


def test_shapes():
    assert Scan(grey(4, 5), Geometry()).shape == (4, 5)
    assert Scan(grey(4, 5, 3), Geometry(), colour=True).shape == (4, 5)
    stack = Scan(grey(4, 5, 3), Geometry())
    assert (stack.shape, stack.middle_slice) == ((4, 5, 3), 1)
    assert Scan(grey(4, 5), Geometry()).middle_slice is None


def test_slices_make_a_volume_and_frames_do_not():
    assert Scan(grey(4, 5, 3), Geometry()).is_volume
    film = Scan(grey(4, 5, 3), Geometry(), stack_of="frames")
    assert not film.is_volume
    assert not Scan(grey(4, 5), Geometry()).is_volume
    with pytest.raises(ValueError, match="no stack"):
        Scan(grey(4, 5), Geometry(), stack_of="slices")
    with pytest.raises(ValueError, match="kind of stack"):
        Scan(grey(4, 5, 3), Geometry(), stack_of="echoes")  # type: ignore[arg-type]


def test_pixels_are_read_only_and_the_callers_array_is_not():
    mine = grey(4, 4)
    scan = Scan(mine, Geometry())
    with pytest.raises(ValueError, match="read-only"):
        scan.pixels[0, 0] = 1
    mine[0, 0] = 9


def test_byte_order_is_the_machines():
    scan = Scan(np.array([[1, 258]], ">u2"), Geometry())
    assert scan.pixels.dtype.isnative
    assert scan.pixels.tolist() == [[1, 258]]


def test_eight_bits_are_shown_as_they_are():
    shown = Scan(grey(16, 16), Geometry()).display()
    assert shown.shape == (16, 16, 3)
    assert shown.dtype == np.uint8
    assert np.array_equal(shown[:, :, 1], grey(16, 16))
    colour = Scan(grey(4, 4, 3), Geometry(), colour=True)
    assert np.array_equal(colour.display(), grey(4, 4, 3))


def test_inverted_pictures_are_shown_inverted_and_measured_as_stored():
    scan = Scan(grey(16, 16), Geometry(), inverted=True)
    assert np.array_equal(scan.display()[:, :, 0], 255 - grey(16, 16))
    assert np.array_equal(scan.values(), grey(16, 16).astype(np.float32))


def test_ct_uses_the_window_of_the_file():
    pixels = np.array([[-1000, -160, 40, 240, 3000]], np.int16)
    scan = Scan(pixels, Geometry(), modality="CT", value_unit="HU", window=(40.0, 400.0))
    assert scan.display()[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    # One bright pixel more changes nothing: the window is fixed.
    more = Scan(pixels + np.int16(0), Geometry(), modality="CT", value_unit="HU", window=(40, 400))
    assert np.array_equal(more.display(), scan.display())


@pytest.mark.parametrize("part", [None, "head", "chest", "abdomen", "knee"])
def test_ct_without_window_uses_the_one_of_the_body_part(part):
    scan = Scan(
        grey(4, 4, dtype=np.int16), Geometry(), modality="CT", value_unit="HU", body_part=part
    )
    assert scan.display_window == CT_WINDOWS.get(part, (50.0, 400.0))


def test_a_window_can_be_chosen():
    scan = Scan(np.array([[0, 50, 100]], np.int16), Geometry())
    assert scan.display(window=(50, 100))[0, :, 0].tolist() == [0, 128, 255]
    with pytest.raises(RequestError):
        scan.display(window=(50, 0))


def test_deep_stacks_share_one_grey_scale():
    stack = np.zeros((32, 32, 2), np.uint16)
    stack[:, :, 0] = np.linspace(100, 200, 1024).reshape(32, 32)
    stack[:, :, 1] = np.linspace(100, 1000, 1024).reshape(32, 32)
    scan = Scan(stack, Geometry())
    assert scan.display(0).max() < 64
    assert scan.display(1).max() == 255


def test_negative_values_count_for_the_grey_scale():
    scan = Scan(np.linspace(-500, -100, 10_000).reshape(100, 100).astype(np.float32), Geometry())
    assert scan.display_window is not None
    centre, width = scan.display_window
    assert centre == pytest.approx(-300, abs=1)
    assert width == pytest.approx(396, abs=2)  # 99 % of 400


def test_flat_and_two_valued_pictures_are_shown():
    assert Scan(np.full((4, 4), 7000, np.uint16), Geometry()).display().max() == 0
    two = np.zeros((100, 100), np.uint16)
    two[0, 0] = 60_000
    assert sorted(set(Scan(two, Geometry()).display().ravel().tolist())) == [0, 255]


def test_values_of_colour_are_luminance():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    values = Scan(pixels, Geometry(), colour=True).values()
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[76.245, 149.685, 29.07, 9.0]], rtol=1e-6)


def test_slices_are_checked():
    stack = Scan(grey(4, 4, 3), Geometry())
    assert np.array_equal(stack.values(2), grey(4, 4, 3)[:, :, 2])
    assert np.array_equal(stack.values(), stack.values(1))
    for scan, index in ((stack, 3), (stack, -1), (Scan(grey(4, 4), Geometry()), 1)):
        with pytest.raises(RequestError, match="slice"):
            scan.display(index)


def test_content_id_follows_pixels_and_geometry():
    first = Scan(grey(4, 4), Geometry(), notes=("a",))
    assert len(first.sha256) == 64
    assert first.sha256 == Scan(grey(4, 4), Geometry(), source_format="PNG").sha256
    others = [
        Scan(grey(4, 4) + np.uint8(1), Geometry()),
        Scan(grey(2, 8), Geometry()),
        Scan(grey(4, 4), Geometry(), inverted=True),
        first.with_scale(0.5),
    ]
    assert len({scan.sha256 for scan in (first, *others)}) == 5


def test_the_users_scale_removes_the_old_caveat_and_keeps_other_notes():
    geometry = Geometry((0.1, 0.1), "dicom-imager-pixel-spacing")
    scan = Scan(grey(4, 4), geometry, notes=("Something else.",))
    assert scan.notes == ("Something else.", geometry.caveat)
    scaled = scan.with_scale(0.5)
    told = "The scale of the file (dicom-imager-pixel-spacing) was replaced by the one you gave."
    assert scaled.notes == ("Something else.", told)
    assert Scan(grey(4, 4), Geometry()).with_scale(0.5).notes == ()
    assert (scaled.geometry.spacing_mm, scaled.geometry.spacing_source) == ((0.5, 0.5), "user")


def test_no_field_could_hold_a_patient_or_a_file_name():
    fields = {field.name for field in dataclasses.fields(Scan)}
    assert fields == {
        "pixels", "geometry", "colour", "modality", "body_part", "window", "value_unit",
        "inverted", "source_format", "notes", "frame", "stack_of",
    }  # fmt: skip


def test_a_ct_that_does_not_say_so_is_shown_as_one():
    """In NIfTI nothing names modality or unit; between bone and air the liver would be one grey."""
    body = np.full((20, 20, 4), -1000, np.int16)
    body[5:15, 5:15] = 60
    body[7:9, 7:9] = 1200
    scan = Scan(body, Geometry())
    assert scan.resembles_ct
    assert (scan.display_window, scan.value_unit) == ((50.0, 400.0), "1")
    assert Scan(body, Geometry(), modality="CT").display_window == (50.0, 400.0)
    for other in (
        Scan(body, Geometry(), modality="MRI"),
        Scan((body + 1024).astype(np.uint16), Geometry()),  # stored values: nobody knows the offset
        Scan(body // 4, Geometry()),
        Scan(np.abs(body), Geometry()),
    ):
        assert not other.resembles_ct
        assert other.display_window != (50.0, 400.0)
    stated = Scan(body, Geometry(), modality="CT", value_unit="HU")
    assert not stated.resembles_ct
    assert stated.display_window == (50.0, 400.0)
