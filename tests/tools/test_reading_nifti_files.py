"""NIfTI and Analyze in two files, damaged, made to harm, or with texts about a patient."""

from __future__ import annotations

import gzip
import shutil
import struct
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from parser_model import FileError, RequestError
from tests.tools.reading_volumes import turned, write_nifti
from tools.reading import Limits, open_scan

STORED, AFFINE = turned((0, 1, 2), (False, False, False), (0.75, 0.875, 3.0))
AXIAL = STORED.transpose(1, 0, 2)
CANARY = "Quillfeather"
UNKNOWN = "does not say how it lies"


# ------------------------------------------------------------------ pairs


PAIRS = {
    "NIfTI-1": nibabel.Nifti1Pair,
    "NIfTI-2": nibabel.Nifti2Pair,
    "Analyze": nibabel.AnalyzeImage,
}


@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("given", ["scan.hdr", "scan.img", "folder", "zip", "zip.gz"])
def test_pairs(tmp_path, kind, given):
    folder = tmp_path / "pair"
    folder.mkdir()
    image = PAIRS[kind](STORED, np.diag([-0.75, -0.875, 3.0, 1.0]))
    if given == "zip.gz":
        nibabel.save(image, folder / "scan.img.gz")
        assert {path.name for path in folder.iterdir()} == {"scan.hdr.gz", "scan.img.gz"}
    else:
        nibabel.save(image, folder / "scan.img")
    (folder / "scan.mat").unlink(missing_ok=True)
    path = folder / given
    if given == "folder":
        path = folder
    if given.startswith("zip"):
        path = tmp_path / "pair.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"study/{file.name}")
    scan = open_scan(path)
    assert scan.geometry.spacing_mm == pytest.approx((0.875, 0.75, 3.0))
    if kind == "Analyze":
        assert scan.geometry.spacing_source == "analyze-header"
        assert scan.geometry.affine is None
        assert any(UNKNOWN in note for note in scan.notes)
        assert np.array_equal(scan.pixels, AXIAL[::-1])
    else:
        assert np.array_equal(scan.pixels, AXIAL)
        assert not any("Left out" in note for note in scan.notes)


def test_volumes_over_time_in_a_folder_or_archive(tmp_path):
    folder = tmp_path / "study"
    folder.mkdir()
    write_nifti(folder / "film.nii.gz", np.stack([STORED, STORED + 400], axis=3), AFFINE)
    (folder / "read me.txt").write_text("x")
    packed = Path(shutil.make_archive(str(tmp_path / "study"), "zip", folder))
    for path in (folder, packed):
        assert np.array_equal(open_scan(path).pixels, AXIAL)
        assert np.array_equal(open_scan(path, frame=2).pixels, AXIAL + 400)
        with pytest.raises(RequestError, match="volumes 1 to 2"):
            open_scan(path, frame=3)


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_in_a_folder_or_archive(tmp_path, packed):
    folder = tmp_path / "study"
    folder.mkdir()
    path = write_nifti(folder / "scan.nii.gz", STORED, AFFINE)
    path.write_bytes(path.read_bytes()[:-40])
    given = Path(shutil.make_archive(str(tmp_path / "a"), "zip", folder)) if packed else folder
    with pytest.raises(FileError, match=r"in this (folder|zip archive) is damaged or cut short"):
        open_scan(given)


def test_halves_of_pairs(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(STORED, np.eye(4)), tmp_path / "scan.img")
    shutil.move(tmp_path / "scan.hdr", tmp_path / "kept")
    with pytest.raises(FileError, match="pixels without their header"):
        open_scan(tmp_path / "scan.img")
    (tmp_path / "alone").mkdir()
    shutil.move(tmp_path / "kept", tmp_path / "alone" / "scan.hdr")
    with pytest.raises(FileError, match="second file that is not beside it"):
        open_scan(tmp_path / "alone" / "scan.hdr")
    (tmp_path / "alone" / "scan.img").symlink_to(tmp_path / "scan.img")
    with pytest.raises(FileError, match="another place"):
        open_scan(tmp_path / "alone" / "scan.hdr")


def test_units_of_analyze(tmp_path):
    image = nibabel.AnalyzeImage(STORED, np.diag([0.5, 0.5, 2.0, 1.0]))
    image.header["vox_units"] = b"cm"
    nibabel.save(image, tmp_path / "scan.img")
    assert open_scan(tmp_path / "scan.hdr").geometry.spacing_mm == pytest.approx((5, 5, 20))
    image.header["vox_units"] = b"ell"
    nibabel.save(image, tmp_path / "scan.img")
    assert open_scan(tmp_path / "scan.hdr").geometry.spacing_mm is None


# ------------------------------------------------------------------ hostile files


def test_sizes_are_checked_before_anything_is_unpacked(tmp_path):
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header["dim"] = [3, 30_000, 30_000, 30_000, 1, 1, 1, 1]
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    block = header.binaryblock + bytes(4)
    (tmp_path / "large.nii.gz").write_bytes(gzip.compress(block))
    with pytest.raises(FileError, match="30,000 x 30,000 pixels in 30,000 frames"):
        open_scan(tmp_path / "large.nii.gz")


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    image = nibabel.Nifti1Image(STORED, AFFINE).to_bytes()
    packed = gzip.compress(image + bytes(300_000_000), 1)
    (tmp_path / "bomb.nii.gz").write_bytes(packed)
    scan = open_scan(tmp_path / "bomb.nii.gz", limits=Limits(seconds=5, memory_bytes=1 << 30))
    assert scan.shape == (7, 5, 9)


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_files_that_end_early(tmp_path, ending):
    path = write_nifti(tmp_path / f"scan.{ending}", STORED, AFFINE)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FileError, match="cut short"):
        open_scan(path)


def test_packed_files_are_checked_to_their_end(tmp_path):
    path = write_nifti(tmp_path / "scan.nii.gz", STORED, AFFINE)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1  # the sum of what was packed
    path.write_bytes(data)
    with pytest.raises(FileError, match="damaged"):
        open_scan(path)


@pytest.mark.parametrize("offset", [-1e9, float("nan"), 1e12, 0.0])
def test_absurd_offsets(tmp_path, offset):
    path = write_nifti(tmp_path / "scan.nii", STORED, AFFINE)
    data = bytearray(path.read_bytes())
    data[108:112] = struct.pack("<f", offset)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"damaged|cut short"):
        open_scan(path)


# ------------------------------------------------------------------ privacy


def test_texts_of_headers_are_found_nowhere(tmp_path):
    image = nibabel.Nifti1Image(STORED, AFFINE)
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = CANARY
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", CANARY.encode()))
    path = tmp_path / f"{CANARY}.nii.gz"
    nibabel.save(image, path)
    assert CANARY.encode() in gzip.decompress(path.read_bytes())
    scan = open_scan(path)
    assert CANARY not in repr([vars(scan), vars(scan.geometry), vars(scan.frame)])
