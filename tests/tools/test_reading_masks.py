"""Masks of files on the grid of a scan: DICOM segmentations and volumes of labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file

from parser_model import FileError
from tests.tools.reading_files import SECRETS, item, sequence, write_dicom
from tools.geometry import Geometry, patient_affine
from tools.reading import Limits, open_scan
from tools.reading.grids import looked_up, planes_of
from tools.reading.mask_names import mask_name
from tools.reading.masks import open_masks
from tools.scan import Scan

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
DRAWN = np.random.default_rng(1).random((4, 5, 7)) < 0.4  # planes, rows, columns


def scan_of(shape=(5, 7, 4), spacing=(2.0, 3.0, 5.0), origin=(10.0, 20.0, 30.0), cosines=AXIAL):
    affine = patient_affine(cosines, origin, spacing)
    return Scan(np.zeros(shape, np.uint8), Geometry(spacing, "dicom-pixel-spacing", affine))


SCAN = scan_of()


def write_seg(path: Path, frames, **tags):
    """Write a segmentation; frames are (segment number, plane, mask)."""
    stored = np.stack([mask for _, _, mask in frames]).astype(np.uint8)
    groups = [
        item(
            SegmentIdentificationSequence=sequence(item(ReferencedSegmentNumber=number)),
            PlanePositionSequence=sequence(
                item(ImagePositionPatient=[10, 20, 30 + 5 * float(plane)])
            ),
        )
        for number, plane, _ in frames
    ]
    shared = item(
        PixelMeasuresSequence=sequence(item(PixelSpacing=[2, 3], SliceThickness=5)),
        PlaneOrientationSequence=sequence(item(ImageOrientationPatient=list(AXIAL))),
    )
    numbers = sorted({number for number, _, _ in frames}) or [1]
    described = {
        "Modality": "SEG",
        "SegmentationType": "BINARY",
        "SegmentSequence": sequence(
            *(item(SegmentNumber=n, SegmentLabel=f"Vertebra L{n}") for n in numbers)
        ),
        "SharedFunctionalGroupsSequence": sequence(shared),
        "PerFrameFunctionalGroupsSequence": sequence(*groups),
        "NumberOfFrames": len(frames),
    }
    return write_dicom(path, stored, **described | tags)


def bits(frames):
    """One bit a pixel, as binary segmentations are stored: frames follow without padding."""
    stored = np.stack([mask for _, _, mask in frames])
    packed = np.packbits(stored.reshape(-1), bitorder="little").tobytes()
    one_bit = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    return one_bit, packed + b"\0" * (len(packed) % 2)


def test_binary_segments_in_any_order(tmp_path):
    frames = [(1, plane, DRAWN[plane]) for plane in (2, 0, 3, 1)]
    (found,) = open_masks(write_seg(tmp_path / "seg", frames), SCAN)
    assert found.label == "vertebra l1"
    assert np.array_equal(found.mask, np.moveaxis(DRAWN, 0, 2))


def test_one_bit_a_pixel(tmp_path):
    frames = [(1, plane, DRAWN[plane]) for plane in range(4)]
    one_bit, packed = bits(frames)
    path = write_seg(tmp_path / "seg", frames, **one_bit)
    dataset = dcmread(path)
    dataset.PixelData = packed
    dataset.save_as(path)
    (found,) = open_masks(path, SCAN)
    assert np.array_equal(found.mask, np.moveaxis(DRAWN, 0, 2))


def test_segments_may_overlap_and_leave_out_empty_planes(tmp_path):
    frames = [(1, 1, DRAWN[1]), (1, 2, DRAWN[2]), (2, 1, DRAWN[3]), (7, 3, DRAWN[3])]
    found = {one.label: one.mask for one in open_masks(write_seg(tmp_path / "seg", frames), SCAN)}
    expected = np.zeros((3, 5, 7, 4), bool)
    expected[0, :, :, 1], expected[0, :, :, 2] = DRAWN[1], DRAWN[2]
    expected[1, :, :, 1], expected[2, :, :, 3] = DRAWN[3], DRAWN[3]
    assert list(found) == ["vertebra l1", "vertebra l2", "vertebra l7"]
    assert np.array_equal(np.stack(list(found.values())), expected)


def test_fractional_segments_are_cut_at_half(tmp_path):
    stored = np.arange(35, dtype=np.uint8).reshape(5, 7) * 3
    path = write_seg(
        tmp_path / "seg",
        [(1, 0, stored)],
        SegmentationType="FRACTIONAL",
        MaximumFractionalValue=100,
    )
    (found,) = open_masks(path, SCAN)
    assert np.array_equal(found.mask[:, :, 0], stored >= 50)
    assert not found.mask[:, :, 1:].any()


def test_label_maps(tmp_path):
    stored = np.arange(35, dtype=np.uint8).reshape(5, 7) % 4
    named = sequence(*(item(SegmentNumber=n, SegmentLabel="Liver") for n in (1, 3)))
    path = write_seg(
        tmp_path / "seg", [(1, 2, stored)], SegmentationType="LABELMAP", SegmentSequence=named
    )
    found = open_masks(path, SCAN)
    assert [one.label for one in found] == ["liver", "liver"]
    for one, number in zip(found, (1, 3), strict=True):
        assert np.array_equal(one.mask[:, :, 2], stored == number)


def test_masks_on_a_picture(tmp_path):
    picture = Scan(
        np.zeros((5, 7), np.uint8), Geometry((2, 3), "dicom-pixel-spacing", SCAN.geometry.affine)
    )
    (found,) = open_masks(
        write_seg(tmp_path / "seg", [(1, 0, DRAWN[0]), (1, 1, DRAWN[1])]), picture
    )
    assert np.array_equal(found.mask, DRAWN[0])


def test_the_segmentation_of_another_library(data_root):
    path = data_root / "data" / "samples" / "dicom_seg_ct_binary.dcm"
    index = get_testdata_file("dicomdirtests/DICOMDIR", download=False)
    if index is None or not path.is_file():
        pytest.skip("no sample segmentation, or this pydicom brings no series for it")
    scan = open_scan(Path(index).parent / "77654033" / "CT2")
    assert scan.shape == (16, 16, 3)
    (found,) = open_masks(path, scan)
    dataset = dcmread(path)
    assert scan.geometry.affine is not None
    heights = [scan.geometry.affine[2] @ (0, 0, k, 1) for k in range(scan.shape[2])]
    expected = np.zeros(scan.shape, bool)
    for frame, group in zip(
        dataset.pixel_array, dataset.PerFrameFunctionalGroupsSequence, strict=True
    ):
        z = group.PlanePositionSequence[0].ImagePositionPatient[2]
        expected[:, :, int(np.abs(np.array(heights) - z).argmin())] = frame
    assert expected.any()
    assert np.array_equal(found.mask, expected)


# ------------------------------------------------------------------ grids


@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 9)] * 3),
    angle=st.floats(-3, 3),
    shear=st.floats(-0.5, 0.5),
)
def test_on_its_own_grid_nothing_changes(shape, spacing, angle, shear):
    cosines = (np.cos(angle), np.sin(angle), 0, 0, 0, -1)
    affine = patient_affine(cosines, (5, 6, 7), spacing)
    affine[:3, 2] += shear * affine[:3, 0]  # a tilted stack
    labels = np.random.default_rng(0).integers(0, 9, (2, *shape), np.uint16)
    planes = planes_of(affine, shape[2], spacing[2])
    found, overlap = looked_up(np.moveaxis(labels, 3, 1), planes, affine, shape)
    assert overlap
    assert np.array_equal(found, labels)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)])
def test_a_scan_with_other_axes(axes):
    labels = np.random.default_rng(0).integers(0, 9, (3, 4, 5), np.uint16)  # columns, rows, slices
    affine = patient_affine(AXIAL, (5, 6, 7), (2.0, 3.0, 4.0))
    turned = affine.copy()
    turned[:3, :3] = affine[:3, list(axes)]
    shape = np.array(labels.shape)[list(axes)]
    planes = planes_of(affine, 5, 4.0)
    stored = labels.transpose(2, 1, 0)[np.newaxis]
    found, _ = looked_up(stored, planes, turned, (shape[1], shape[0], shape[2]))
    assert np.array_equal(found[0], labels.transpose(axes).swapaxes(0, 1))


def test_half_the_pixel_size():
    labels = np.arange(1, 7, dtype=np.uint16).reshape(1, 1, 2, 3)
    coarse = patient_affine(AXIAL, (0, 0, 0), (2.0, 2.0, 2.0))
    fine = patient_affine(AXIAL, (-0.5, -0.5, 0), (1.0, 1.0, 2.0))
    found, _ = looked_up(labels, planes_of(coarse, 1, 2.0), fine, (4, 6))
    assert np.array_equal(found[0, :, :, 0], np.kron(labels[0, 0], np.ones((2, 2), int)))


# ------------------------------------------------------------------ volumes of labels


def test_a_picture_of_labels(tmp_path):
    path = tmp_path / "mask.png"
    drawn = np.array([[0, 255, 0], [255, 255, 7]], np.uint8)
    Image.fromarray(drawn).save(path)
    found = open_masks(path, Scan(np.zeros((2, 3), np.uint8), Geometry()))
    assert [one.label for one in found] == ["label 7", "label 255"]
    assert np.array_equal(found[1].mask, drawn == 255)
    with pytest.raises(FileError, match="same size"):
        open_masks(path, Scan(np.zeros((2, 4), np.uint8), Geometry()))


# ------------------------------------------------------------------ refusals and names


def test_masks_that_are_refused(tmp_path):
    frames = [(1, 0, DRAWN[0])]
    path = write_seg(tmp_path / "seg", frames)
    with pytest.raises(FileError, match="elsewhere"):
        open_masks(path, scan_of(origin=(10, 20, 900)))
    with pytest.raises(FileError, match="where they lie"):
        open_masks(path, replace(SCAN, geometry=Geometry()))
    with pytest.raises(FileError, match="limit"):
        open_masks(path, SCAN, limits=Limits(pixels=30))
    with pytest.raises(FileError, match="does not say where"):
        open_masks(write_seg(tmp_path / "seg", frames, SharedFunctionalGroupsSequence=None), SCAN)
    with pytest.raises(FileError, match="no segments"):
        open_masks(write_seg(tmp_path / "seg", frames, SegmentSequence=None), SCAN)
    image = write_dicom(tmp_path / "image", np.arange(4, dtype=np.uint8).reshape(2, 2))
    with pytest.raises(FileError, match="holds no masks"):
        open_masks(image, SCAN)
    with pytest.raises(FileError, match="segmentation, which holds masks and no image"):
        open_scan(path)


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Left Kidney"], "left kidney"),
        (["LIVER_lesion 2"], "liver lesion 2"),
        (["vertebrae_L3"], "vertebrae l3"),
        ([f"{SECRETS[0]} tumor", "Neoplasm"], "neoplasm"),
        ([SECRETS[0]], "segment 4"),
        (["19440229"], "segment 4"),
        (["", "!?"], "segment 4"),
        ([], "segment 4"),
    ],
)
def test_only_known_words_name_a_mask(texts, name):
    assert mask_name(texts, 4) == name
