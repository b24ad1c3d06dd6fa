"""The reliability diagram: points lie where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from parser_model.calibrating import Bin
from parser_model.errors import FileError
from tools.evaluating import write_reliability

BLUE = (0x00, 0x72, 0xB2)


def blue_of(path):
    """Rows and columns of the pixels in the colour of the points."""
    with Image.open(path) as page:
        return np.argwhere((np.asarray(page) == BLUE).all(axis=2))


def test_a_point_lies_at_what_was_said_and_what_was_there(tmp_path):
    corners = [(0.0, 0.0), (1.0, 1.0), (0.25, 0.75)]
    centres = []
    for number, (said, there) in enumerate(corners):
        path = tmp_path / f"{number}.png"
        write_reliability(path, "x", [Bin(0, 0.1, 5, said, there)])
        centres.append(blue_of(path).mean(axis=0))
    origin, end, point = centres
    up, right = origin[0] - end[0], end[1] - origin[1]
    assert up == right == 480  # the sides of the diagram
    np.testing.assert_allclose(point, [origin[0] - 0.75 * up, origin[1] + 0.25 * right], atol=0.5)


def test_more_objects_make_a_larger_point(tmp_path):
    few, none = Bin(0.1, 0.2, 5, 0.15, 0.1), Bin(0.2, 0.9, 0, None, None)
    write_reliability(tmp_path / "x.png", "x", [few, none, Bin(0.9, 1, 5000, 0.95, 0.9)])
    width = np.bincount(blue_of(tmp_path / "x.png")[:, 0])  # blue pixels in each row
    middle = len(width) // 2
    assert width[:middle].max() > 2 * width[middle:].max() > 0


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"reliability diagram x\.png cannot be written"):
        write_reliability(tmp_path / "file" / "x.png", "x", [])
