"""Sample scans that come inside installed packages, each with its question and its credit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Sample:
    """A sample scan.

    Attributes
    ----------
    key : str
        Short name in addresses.
    label : str
        What its button says.
    question : str
    credit : str
        Source and licence, one line.
    package, file : str
        The installed package that carries it, and where inside it.
    """

    key: str
    label: str
    question: str
    credit: str
    package: str
    file: str

    @property
    def path(self) -> Path | None:
        """Where the file is, or None where the package is absent or came without it."""
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        path = Path(spec.origin).parent / self.file
        return path if path.is_file() else None


SAMPLES = (
    Sample(
        "retina",
        "Retina: how large is the optic disc?",
        "How large is the optic disc?",
        "“Fundus photograph of normal left eye”, Mikael Häggström, CC0, from scikit-image",
        "skimage",
        "data/retina.jpg",
    ),
    Sample(
        "tissue",
        "Stained tissue: how many nuclei?",
        "How many nuclei are there?",
        "“Immunohistochemical staining of colon”, CMMI, no known copyright restrictions, "
        "from scikit-image",
        "skimage",
        "data/ihc.png",
    ),
    Sample(
        "ct",
        "CT slice: what can you find?",
        "What can you find?",
        "CT_small.dcm, cut down from NEMA's CT1_UNC sample, from pydicom (MIT)",
        "pydicom",
        "data/test_files/CT_small.dcm",
    ),
)


def available() -> tuple[Sample, ...]:
    """Return the samples whose files are here; nothing is ever downloaded."""
    return tuple(sample for sample in SAMPLES if sample.path is not None)


def by_key(key: str | None) -> Sample | None:
    """Return the sample of that name, if its file is here."""
    return next((sample for sample in available() if sample.key == key), None)


@cache
def thumbnail(key: str, side: int = 96) -> bytes | None:
    """Return a square PNG of the sample for its button, or None where there is no such sample."""
    sample = by_key(key)
    if sample is None or sample.path is None:
        return None
    if sample.path.suffix == ".dcm":
        image = _dicom_picture(sample.path)
    else:
        with Image.open(sample.path) as opened:
            image = opened.convert("RGB")
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _dicom_picture(path: Path) -> Image.Image:
    import pydicom  # slow to import, and most visits never need it

    pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
    low, high = np.percentile(pixels, (1, 99))
    grey = np.clip((pixels - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
