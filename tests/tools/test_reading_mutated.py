"""Damaged and hostile files end in a scan or one sentence, in time, and nothing else dies."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parser_model import FileError
from tests.tools.mutations import mutants, sources
from tools.geometry import Geometry, patient_affine
from tools.reading import Limits, open_scan
from tools.reading.masks import open_masks
from tools.scan import Scan

SECONDS = 5.0
LIMITS = Limits(seconds=SECONDS)
ONE_SENTENCE = re.compile(r"[A-Z][^\n]*\.")
ANOTHER_SENTENCE = re.compile(r"[.!?] [A-Z]")


@pytest.fixture(scope="module")
def good(data_root_or_none):
    return sources(data_root_or_none)


@pytest.fixture(scope="module")
def data_root_or_none(request):
    try:
        return request.getfixturevalue("data_root") / "data" / "samples"
    except pytest.skip.Exception:
        return None  # what pydicom brings is enough to go on


def ended(open_it: Callable[[], object], made: str) -> str:
    """Open something; says how it ended."""
    try:
        open_it()
    except FileError as error:
        said = str(error)
    else:
        return "read"
    assert ONE_SENTENCE.fullmatch(said), (made, said)
    assert not ANOTHER_SENTENCE.search(said), (made, said)
    assert "given up" not in said, made
    return said


def read_and_show(path: Path) -> None:
    several = path.is_dir() or path.read_bytes()[:2] == b"PK"
    limits = Limits(seconds=SECONDS / 6) if several else LIMITS  # these get six times as long
    scan = open_scan(path, limits=limits)
    assert scan.display(scan.middle_slice).dtype == np.uint8


def check_all(place, count, good, seed):
    path = place / "scan"
    ends: dict[str, int] = {}
    for made, data in mutants(count, good, seed):
        path.write_bytes(data)
        said = ended(lambda: read_and_show(path), made)
        ends[said] = ends.get(said, 0) + 1
    assert ends.get("read", 0) >= count // 20  # some are damaged where it does not matter
    return ends


def test_a_hundred_mutants(tmp_path, good):
    check_all(tmp_path, 100, good, seed=1)


@pytest.mark.slow
def test_two_thousand_mutants(tmp_path, good):
    ends = check_all(tmp_path, 2000, good, seed=2)
    for said, times in sorted(ends.items(), key=lambda pair: -pair[1]):
        print(f"{times:5} {said}")


def test_a_folder_of_mutants(tmp_path, good):
    slices = [path for path in good if path.name.startswith(("slice_", "CT_small", "MR_small"))]
    for made, data in mutants(40, slices or good, seed=3):
        (tmp_path / made.split()[0]).write_bytes(data)
    ended(lambda: read_and_show(tmp_path), "folder")


def test_masks_of_mutants(tmp_path, good):
    drawn = [path for path in good if "seg" in path.name or path.name == "liver_1frame.dcm"]
    if not drawn:
        pytest.skip("no segmentation at hand")
    affine = patient_affine((1, 0, 0, 0, 1, 0), (-125, -128.1, 103.02), (0.488, 0.488, 1.25))
    geometry = Geometry((0.488, 0.488, 1.25), "dicom-pixel-spacing", affine)
    scan = Scan(np.zeros((16, 16, 3), np.uint8), geometry)
    path = tmp_path / "seg"
    for made, data in mutants(48, drawn, seed=4):
        path.write_bytes(data)
        ended(lambda: [one.mask for one in open_masks(path, scan, limits=LIMITS)], made)
