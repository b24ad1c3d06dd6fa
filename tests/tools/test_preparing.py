"""Grey values for parsers: what people look at, or what BiomedParse's public readers make."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.shapes_parser import ShapesParser
from tools import Scan
from tools.actions import ACTIONS, Bench
from tools.case import Case
from tools.geometry import Geometry
from tools.preparing import picture_for


class Looking(ShapesParser):
    """Keeps the pictures that it was shown, and asks for them in a way."""

    def __init__(self, preparation):
        super().__init__({"liver": [(1, 1, 3, 3)]})
        self.info = replace(self.info, input_preparation=preparation)
        self.pictures: list[np.ndarray] = []

    def parse(self, images, prompts, *, modality=None, site=None):
        self.pictures += images
        return super().parse(images, prompts, modality=modality, site=site)

    def recognise(self, image):
        self.pictures.append(image)
        return super().recognise(image)


def ct(**options) -> Scan:
    values = np.array([[-1000, -150, 50, 150]] * 4, np.int16)
    return Scan(values, Geometry(), modality="CT", value_unit="HU", **options)


def test_the_public_readers_scale_by_the_extremes_of_the_slice():
    # Clipped to -150..250 HU, the slice reaches from -150 to 150: 50 HU lies at two thirds.
    wanted = [0, 0, 170, 255]
    for scan in (ct(), ct(window=(600.0, 2000.0))):  # whatever window the file brings
        shown = picture_for(Looking("slice-extremes"), scan)
        assert shown[0, :, 0].tolist() == wanted
        assert shown.shape == (4, 4, 3)
    lungs = picture_for(Looking("slice-extremes"), ct(body_part="chest"))
    assert lungs[0, :, 0].tolist() == [0, int(850 / 1150 * 255), int(1050 / 1150 * 255), 255]


def test_without_a_window_the_positive_pixels_count():
    values = np.zeros((10, 10), np.uint16)
    values[5:] = np.arange(100, 150).reshape(5, 10)
    shown = picture_for(Looking("slice-extremes"), Scan(values, Geometry(), modality="MRI"))
    low, high = np.percentile(np.arange(100, 150), (0.5, 99.5))
    assert shown[:5].max() == 0  # zeros are clipped to the lower percentile, the smallest value
    assert shown[5, 5, 0] == int((105 - low) / (high - low) * 255)


def test_a_slice_of_a_stack_is_scaled_by_itself():
    stack = np.dstack([ct().pixels, ct().pixels // 2])
    scan = Scan(stack, Geometry(), modality="CT", value_unit="HU")
    parser = Looking("slice-extremes")
    assert picture_for(parser, scan, 0)[0, :, 0].tolist() == [0, 0, 170, 255]
    assert picture_for(parser, scan, 1)[0, 3, 0] == 255


def test_what_is_shown_bright_is_given_bright():
    scan = replace(ct(), inverted=True)
    assert picture_for(Looking("slice-extremes"), scan)[0, :, 0].tolist() == [255, 255, 85, 0]


@pytest.mark.parametrize("preparation", ["window", "slice-extremes"])
def test_pictures_of_8_bits_stay_as_they_are(preparation):
    colour = np.random.default_rng(0).integers(0, 99, (5, 6, 3), dtype=np.uint8)
    for scan in (Scan(colour, Geometry(), colour=True), Scan(colour[..., 0], Geometry())):
        assert np.array_equal(picture_for(Looking(preparation), scan), scan.display())


def test_other_parsers_see_what_people_see():
    scan = ct(window=(600.0, 2000.0))
    assert np.array_equal(picture_for(Looking("window"), scan), scan.display())


@pytest.mark.parametrize("preparation", ["window", "slice-extremes"])
def test_every_action_shows_the_parser_the_same_picture(tmp_path, preparation):
    parser = Looking(preparation)
    bench = Bench(Case(tmp_path / "case"), parser)
    scan = ct()
    bench.case.add_scan(scan)
    ACTIONS["segment"](bench, phrases=["liver"])
    ACTIONS["find_everything"](bench)
    assert len(parser.pictures) >= 2
    assert all(np.array_equal(seen, picture_for(parser, scan)) for seen in parser.pictures)
