"""Sample scans that come inside installed packages, each with its question and its credit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from tools.reading import open_scan


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


_RETINA = "“Fundus photograph of normal left eye”, Mikael Häggström, CC0, from scikit-image"

_CT = "“CT_small.dcm”, a public test image, from pydicom (MIT licence)"

# Only what is answered well. pydicom's CT shows too little of the body to outline anything, but its
# header shows where millimetres come from; scikit-image's stained tissue is of a kind that the
# bundled parser did not learn from.
SAMPLES = (
    Sample(
        "retina",
        "Retina: how large is the optic disc?",
        "How large is the optic disc?",
        _RETINA,
        "skimage",
        "data/retina.jpg",
    ),
    Sample(
        "cup",
        "Retina: how much of the optic disc is the cup?",
        "What share of the optic disc is the optic cup?",
        _RETINA,
        "skimage",
        "data/retina.jpg",
    ),
    Sample(
        "absent",
        "Retina: where is the polyp?",
        "Where is the polyp?",
        _RETINA,
        "skimage",
        "data/retina.jpg",
    ),
    Sample(
        "dicom",
        "DICOM: what kind of image is this?",
        "What kind of image is this?",
        _CT,
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
    scan = open_scan(sample.path)
    image = Image.fromarray(scan.display(scan.middle_slice))
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge)).resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
