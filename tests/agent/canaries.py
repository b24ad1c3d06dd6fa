"""Scans in which everything that can hold a name holds a canary, files and folders included."""

from __future__ import annotations

import zipfile
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from tests.tools.reading_files import dicom_dataset, item, sequence

CANARY = "ZQXCANARY7731"
UID = "1.2.826.77317731"
DATE = "19310731"
NUMBER = "90817263"
SEARCHED = (CANARY, UID, DATE, NUMBER)

_TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
_VALUES = dict.fromkeys(_TEXTS, CANARY) | {
    "UI": UID,
    "DA": DATE,
    "DT": f"{DATE}120000",
    "IS": NUMBER,
    "AS": "077Y",
}
# What makes it an image; everything else that holds text is filled.
_NEEDED = {
    "Modality", "PhotometricInterpretation", "ImageType", "TransferSyntaxUID", "NumberOfFrames",
    "SpecificCharacterSet", "PixelPresentation", "PresentationLUTShape",
}  # fmt: skip
_GROUPS = {0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x0088}


def fill(dataset: Dataset) -> int:
    """Put canaries into every text, date and identifier of the common groups; gives how many."""
    filled = 0
    for tag, (value_type, _, _, retired, keyword) in DicomDictionary.items():
        group = tag >> 16
        if retired or group not in _GROUPS or not keyword or keyword in _NEEDED:
            continue
        if keyword_for_tag(tag) in dataset or value_type not in _VALUES:
            continue
        setattr(dataset, keyword, _VALUES[value_type])
        filled += 1
    return filled


def dataset_of(z: float) -> Dataset:
    """A CT slice at this height, with canaries on top, nested and in private tags."""
    pixels = np.full((64, 64), 40, np.uint16)
    pixels[20:44, 16:48] = 1100
    dataset = dicom_dataset(
        pixels,
        Modality="CT",
        PatientName=f"{CANARY}^{CANARY}",
        PatientID=CANARY,
        PatientBirthDate=DATE,
        SeriesInstanceUID=UID,
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        ImagePositionPatient=[0, 0, z],
        PixelSpacing=[1, 1],
        RescaleSlope=1,
        RescaleIntercept=-1024,
    )
    nested = item(CodeMeaning=CANARY, CodeValue=CANARY)
    dataset.RequestAttributesSequence = sequence(
        item(
            ScheduledProcedureStepDescription=CANARY,
            RequestedProcedureCodeSequence=sequence(nested),
        )
    )
    block = dataset.private_block(0x0029, CANARY, create=True)
    block.add_new(0x01, "LO", CANARY)
    block.add_new(0x02, "SQ", sequence(item(PatientName=CANARY)))
    block.add_new(0x03, "OB", CANARY.encode() + b" ")
    dataset.SOPInstanceUID = f"{UID}.{int(z)}"
    assert fill(dataset) > 500
    return dataset


def write_all(place: Path) -> list[Path]:
    """Write a series, a slice, a zip, a PNG, a JPEG, a NIfTI volume and a damaged slice."""
    place = place / CANARY
    series = place / f"series {CANARY}"
    series.mkdir(parents=True)
    for z in (0, 5, 10):
        dataset_of(z).save_as(series / f"{CANARY}-{z}.dcm", enforce_file_format=True)
    (series / f"{CANARY}.txt").write_text(CANARY)
    cut = place / f"{CANARY}-cut.dcm"
    cut.write_bytes((series / f"{CANARY}-0.dcm").read_bytes()[:-100])
    packed = place / f"{CANARY}.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.comment = CANARY.encode()
        for file in series.iterdir():
            archive.write(file, f"{CANARY}/{file.name}")
    return [series, series / f"{CANARY}-0.dcm", packed, *_pictures(place), _nifti(place), cut]


def _pictures(place: Path) -> list[Path]:
    grey = np.zeros((64, 64), np.uint8)
    grey[20:44, 16:48] = 180
    picture = Image.fromarray(grey)
    texts = PngInfo()
    texts.add_text(CANARY, CANARY)
    texts.add_itxt("Comment", CANARY, zip=True)
    png, jpeg = place / f"{CANARY}.png", place / f"{CANARY}.jpg"
    picture.save(png, pnginfo=texts)
    exif = Image.Exif()
    for tag in (270, 305, 315, 33432):  # description, software, artist, copyright
        exif[tag] = CANARY
    picture.save(jpeg, exif=exif, comment=CANARY.encode())
    return [png, jpeg]


def _nifti(place: Path) -> Path:
    image = nibabel.Nifti1Image(np.arange(8**3, dtype=np.int16).reshape(8, 8, 8), np.eye(4))
    image.header["descrip"] = CANARY
    image.header["aux_file"] = CANARY
    image.header["intent_name"] = CANARY
    image.header["db_name"] = CANARY
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", CANARY.encode()))
    path = place / f"{CANARY}.nii.gz"
    nibabel.save(image, path)
    return path
