"""Damaged volumes end in a scan or one sentence, in time, and nothing else dies."""

from __future__ import annotations

import re

import nibabel
import numpy as np
import pytest

from parser_model import FileError
from tests.tools.mutations import absurd_numbers, cut, flipped, flipped_header, repeated
from tests.tools.reading_volumes import turned
from tools.reading import Limits, open_scan
from tools.reading.process import POOL

STORED, AFFINE = turned((2, 0, 1), (True, False, False), (1.0, 1.0, 3.0))
KINDS = (flipped_header, absurd_numbers, cut, flipped, repeated, flipped_header)
ONE_SENTENCE = re.compile(r"[A-Z][^\n]*\.")
ANOTHER_SENTENCE = re.compile(r"[.!?] [A-Z]")
COUNT = 250


def whole_files(folder):
    """Name to path of good files; of pairs that of the header."""
    nifti = nibabel.Nifti1Image(STORED, AFFINE)
    nifti.header.set_xyzt_units("mm")
    nibabel.save(nifti, folder / "one.nii")
    nibabel.save(nifti, folder / "packed.nii.gz")
    nibabel.save(nibabel.Nifti2Image(STORED, AFFINE), folder / "two.nii")
    nibabel.save(nibabel.AnalyzeImage(STORED, AFFINE), folder / "analyze.img")
    found = {path.name: path for path in folder.iterdir() if path.suffix in (".nii", ".gz")}
    found["analyze.hdr"] = folder / "analyze.hdr"
    itk = pytest.importorskip("SimpleITK")
    image = itk.GetImageFromArray(np.ascontiguousarray(STORED.T))
    for name, packed in (("raw.nrrd", 0), ("packed.nrrd", 1), ("raw.mha", 0), ("packed.mha", 1)):
        itk.WriteImage(image, str(folder / name), useCompression=bool(packed))
        found[name] = folder / name
    return found


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return whole_files(tmp_path_factory.mktemp("good"))


NAMES = ("one.nii", "packed.nii.gz", "two.nii", "analyze.hdr", "raw.nrrd", "packed.nrrd",
         "raw.mha", "packed.mha")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_mutants(tmp_path, good, name):
    draw = np.random.default_rng(len(name))
    path, data = tmp_path / name, good[name].read_bytes()
    if name == "analyze.hdr":
        (tmp_path / "analyze.img").write_bytes(good[name].with_suffix(".img").read_bytes())
    open_scan(good[name])
    worker, read = POOL.pid, 0
    for number in range(COUNT):
        kind = KINDS[number % len(KINDS)]
        path.write_bytes(kind(data, draw))
        try:
            scan = open_scan(path, limits=Limits(seconds=5))
        except FileError as error:
            said = str(error)
            assert ONE_SENTENCE.fullmatch(said), (number, said)
            assert not ANOTHER_SENTENCE.search(said), (number, said)
            assert "given up" not in said, number
            assert "decoder stop" not in said, number
        else:
            assert scan.display(scan.middle_slice).dtype == np.uint8
            read += 1
    assert read >= 1  # some are damaged where it does not matter
    assert POOL.pid == worker
