"""Small DICOM files for the tests of reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SECRETS = ("Quillfeather", "ID-773311", "19440229")


def dicom_dataset(pixels: np.ndarray, **tags: Any) -> Dataset:
    """A dataset with the pixels, a patient and the tags given; a tag of None is left out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["parsechat"])
    colour = pixels.ndim >= 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8
    planes = pixels.ndim - (1 if colour else 0)
    bits = pixels.dtype.itemsize * 8
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": dataset.file_meta.MediaStorageSOPInstanceUID,
        "Modality": "OT",
        "PatientName": f"{SECRETS[0]}^Ada",
        "PatientID": SECRETS[1],
        "PatientBirthDate": SECRETS[2],
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "SamplesPerPixel": 3 if colour else 1,
        "PlanarConfiguration": 0 if colour else None,
        "NumberOfFrames": pixels.shape[0] if planes == 3 else None,
        "Rows": pixels.shape[planes - 2],
        "Columns": pixels.shape[planes - 1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    } | tags
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    dataset["PixelData"].VR = "OW" if bits > 8 else "OB"
    return dataset


def write_dicom(path: Path, pixels: np.ndarray, **tags: Any) -> Path:
    """Write `dicom_dataset` to a file."""
    dicom_dataset(pixels, **tags).save_as(path, enforce_file_format=True)
    return path


def item(**tags: Any) -> Dataset:
    """An item of a sequence."""
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def sequence(*items: Dataset) -> Sequence:
    """A sequence of these items."""
    return Sequence(items)
