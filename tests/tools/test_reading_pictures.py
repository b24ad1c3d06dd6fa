"""PNG, JPEG, WebP, BMP and GIF, as files made here say exactly."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model import FileError
from tools.reading import open_scan

DEEP = np.array([[0, 1, 255, 256], [32767, 32768, 65534, 65535]], np.uint16)
PATCH = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


@pytest.fixture
def opened(tmp_path):
    """Save with Pillow under a name that says nothing, and open."""

    def save_and_open(picture, format, **options):
        path = tmp_path / "picture"
        picture.save(path, format=format, **options)
        return open_scan(path)

    return save_and_open


def test_sixteen_bits_are_kept(opened):
    scan = opened(Image.fromarray(DEEP), "PNG")
    assert (scan.pixels.dtype, scan.colour, scan.source_format) == (np.uint16, False, "PNG")
    assert np.array_equal(scan.pixels, DEEP)
    assert np.array_equal(scan.values(), DEEP.astype(np.float32))
    assert scan.geometry.spacing_mm is None


@pytest.mark.parametrize("format", ["PNG", "BMP", "WEBP"])
def test_colour_is_kept(opened, format):
    options = {"lossless": True} if format == "WEBP" else {}
    scan = opened(Image.fromarray(PATCH), format, **options)
    assert scan.colour
    assert scan.shape == (2, 4)
    assert np.array_equal(scan.pixels, PATCH)
    assert np.array_equal(scan.display(), PATCH)


def test_three_equal_channels_are_grey(opened):
    scan = opened(Image.fromarray(PATCH[:, :, 0]).convert("RGB"), "PNG")
    assert not scan.colour
    assert np.array_equal(scan.pixels, PATCH[:, :, 0])
    assert np.array_equal(scan.display(), np.repeat(PATCH[:, :, :1], 3, axis=2))


def test_dots_per_inch_are_no_scale(opened):
    for format in ("PNG", "JPEG", "BMP"):
        scan = opened(Image.fromarray(PATCH), format, dpi=(300, 300))
        assert (scan.geometry.spacing_mm, scan.geometry.spacing_source) == (None, "none")


def test_palette(opened):
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    scan = opened(picture, "PNG")
    assert scan.pixels.tolist() == [[[0, 0, 0], [200, 100, 50]]]


def test_palette_with_transparency(opened):
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    scan = opened(picture, "PNG", transparency=1)
    assert scan.pixels.max() == 0
    assert any("transparent" in note for note in scan.notes)


def test_one_bit_and_few_bits(opened):
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    assert opened(bits, "PNG").pixels.tolist() == [[0, 255], [255, 0]]


def test_transparency_is_put_on_black(opened):
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    scan = opened(Image.fromarray(pixels), "PNG")
    assert scan.pixels.tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]
    assert scan.notes == (
        "The picture has transparent parts; they are shown and measured as black.",
    )


def test_opaque_alpha_changes_nothing(opened):
    pixels = np.dstack([PATCH, np.full((2, 4), 255, np.uint8)])
    scan = opened(Image.fromarray(pixels), "PNG")
    assert np.array_equal(scan.pixels, PATCH)
    assert scan.notes == ()
    grey = Image.fromarray(PATCH[:, :, 0]).convert("LA")
    assert np.array_equal(opened(grey, "PNG").pixels, PATCH[:, :, 0])


def test_cmyk_jpeg(opened):
    flat = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    scan = opened(flat, "JPEG", quality=100)
    assert scan.source_format == "JPEG"
    np.testing.assert_allclose(scan.pixels[8, 8], (255, 0, 0), atol=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(opened, orientation):
    # Tops of the EXIF 2.32 table: how the stored picture is turned back to the scene.
    scene = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    stored = {
        1: scene,
        2: scene[:, ::-1],
        3: scene[::-1, ::-1],
        4: scene[::-1],
        5: scene.T,
        6: np.rot90(scene),  # shown after a quarter turn clockwise
        7: scene[::-1, ::-1].T,
        8: np.rot90(scene, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    scan = opened(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(scan.pixels, scene)
    assert bool(scan.notes) is (orientation != 1)


def test_sixteen_bit_colour_is_reduced_and_said(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.array([[[65535, 256, 255], [0, 4660, 1]]], np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(imagecodecs.png_encode(pixels))
    scan = open_scan(path)
    assert scan.pixels.tolist() == [[[255, 1, 0], [0, 18, 0]]]
    assert any("16 bits per colour" in note for note in scan.notes)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_the_first_frame_of_an_animation(opened, format):
    frames = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (10, 100, 200)]
    options = {"lossless": True} if format == "WEBP" else {}
    scan = opened(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert scan.pixels[0, 0].tolist() == [10, 0, 0]
    assert scan.notes == ("The file is an animation of 3 frames; the first one is read.",)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_half_a_picture_is_no_picture(tmp_path, format):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "picture.png"
    Image.fromarray(noise).save(path, format=format)
    whole = path.read_bytes()
    for part in (0.02, 0.3, 0.7, 0.97):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(FileError, match=r"damaged|not of a kind"):
            open_scan(path)


def test_a_flipped_bit_in_a_png_is_found(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileError, match="damaged"):
        open_scan(path)
