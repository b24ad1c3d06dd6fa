"""DICOM segmentations: masks that someone drew, put on the grid of a scan."""

from __future__ import annotations

from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from parser_model.errors import FileError
from tools.reading.dicom_file import read_dataset
from tools.reading.dicom_frames import frame_position, row_cosines
from tools.reading.dicom_pixels import check_mask_size, stored_frames
from tools.reading.dicom_tags import code, first_number, frame_group, items, numbers, whole_number
from tools.reading.grids import Planes, looked_up
from tools.reading.limits import Limits
from tools.reading.mask_names import mask_name

_NO_PLACE: Final = (
    "This segmentation does not say where its masks lie, so they cannot be put on a scan."
)
_ELSEWHERE: Final = "These masks lie elsewhere than the scan; give the scan that they belong to."
_MOST_SEGMENTS: Final = 2000
_TURN: Final = 1e-3  # of direction cosines
_SAME_PLANE_MM: Final = 1e-3


def read(
    file: BinaryIO, limits: Limits, *, affine: list[list[float]], shape: list[int]
) -> tuple[dict[str, Any], NDArray[Any]]:
    """Read the segments of a DICOM segmentation on the grid of a scan.

    Fractional segments are cut at half of their maximum.

    Parameters
    ----------
    file : BinaryIO
    limits : Limits
    affine, shape : list
        Of the scan.

    Returns
    -------
    found : dict
        ``{"masks": [{"label", "layer", "value"}]}``.
    layers : (L, H, W, S) ndarray of uint16
        A mask is where its layer holds its value; segments that overlap lie in several layers.

    Raises
    ------
    FileError
        If it holds no masks, does not say where they lie, or they lie elsewhere.
    """
    dataset = read_dataset(file)
    if code(dataset, "Modality") != "SEG" or "PixelData" not in dataset:
        raise FileError("This DICOM file holds no masks; give a segmentation.")
    frames = check_mask_size(dataset, limits)
    segments = _segments(dataset)
    planes, place_of = _planes(dataset, frames)
    layers, homes = _layers(dataset, segments, place_of, len(planes.origins), limits)
    limits.check_size(shape[0], shape[1], len(layers) * (*shape, 1)[2])
    on_scan, overlap = looked_up(layers, planes, np.array(affine), tuple(shape))
    if not overlap:
        raise FileError(_ELSEWHERE)
    masks = [
        {"label": name, "layer": homes.get(number, 0), "value": number}
        for number, name in segments.items()
    ]
    return {"masks": masks}, on_scan


def _segments(dataset: Dataset) -> dict[int, str]:
    """Number and name of the segments; 0 is the background of a label map."""
    found = {}
    for item in items(dataset, "SegmentSequence"):
        number = whole_number(item, "SegmentNumber", 0)
        if 0 < number < 1 << 16:
            texts = [code(item, "SegmentLabel")]
            for sequence in ("SegmentedPropertyTypeCodeSequence", "AnatomicRegionSequence"):
                texts += [code(one, "CodeMeaning") for one in items(item, sequence)]
            found[number] = mask_name(texts, number)
    if not found:
        raise FileError("This segmentation lists no segments; it is damaged.")
    if len(found) > _MOST_SEGMENTS:
        raise FileError(f"This segmentation has {len(found):,} segments; the limit is 2,000.")
    return found


def _planes(dataset: Dataset, frames: int) -> tuple[Planes, list[int]]:
    """The planes of all frames, and on which one each frame lies."""
    cosines, positions = row_cosines(dataset), []
    group = frame_group(dataset, "PixelMeasuresSequence", "PixelSpacing")
    spacing = numbers(group, "PixelSpacing", 2)
    if cosines is None or spacing is None or min(spacing) <= 0:
        raise FileError(_NO_PLACE)
    for frame in range(frames):
        turned, position = row_cosines(dataset, frame), frame_position(dataset, frame)
        if turned is None or position is None or not np.allclose(turned, cosines, atol=_TURN):
            raise FileError(_NO_PLACE)
        positions.append(position)
    normal = np.cross(cosines[:3], cosines[3:])
    depths = np.array(positions) @ normal
    distinct: list[int] = []
    place_of = [0] * frames
    for frame in np.argsort(depths, kind="stable"):
        if not distinct or depths[frame] - depths[distinct[-1]] > _SAME_PLANE_MM:
            distinct.append(int(frame))
        place_of[frame] = len(distinct) - 1
    return Planes(
        origins=np.array(positions)[distinct],
        along_columns=np.array(cosines[:3]) * spacing[1],
        along_rows=np.array(cosines[3:]) * spacing[0],
        reach=_distance(group, depths[distinct]) / 2,
    ), place_of


def _distance(measures: Dataset, depths: NDArray[np.float64]) -> float:
    """Millimetres between planes. Empty ones may be absent, so gaps alone can be too large."""
    gaps = [float(gap) for gap in np.diff(depths)]
    stated = [
        first_number(measures, keyword) for keyword in ("SpacingBetweenSlices", "SliceThickness")
    ]
    between = next((abs(one) for one in stated if one), None)
    known = [*gaps, *([between] if between else [])]
    if not known:
        raise FileError(_NO_PLACE)
    return min(known)


def _layers(
    dataset: Dataset, segments: dict[int, str], place_of: list[int], count: int, limits: Limits
) -> tuple[NDArray[np.uint16], dict[int, int]]:
    """Segment numbers on (L, planes, rows, columns), and the layer of each segment."""
    size = (whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0))
    label_map = code(dataset, "SegmentationType") == "LABELMAP"
    layers = [np.zeros((count, *size), np.uint16)]
    homes: dict[int, int] = {}
    # A segment moves on to the next layer where it would cover another: its frames come together.
    frames = list(range(len(place_of)))
    numbers_of = [0 if label_map else _number(dataset, frame) for frame in frames]
    drawn: dict[int, list[tuple[int, NDArray[np.bool_]]]] = {}
    for frame, stored in zip(frames, stored_frames(dataset, frames), strict=True):
        if stored.shape != size:
            raise ValueError("the decoded pixels have another shape than the header says")
        if label_map:
            layers[0][place_of[frame]] = stored
        elif numbers_of[frame] in segments:
            mask = _drawn(stored, dataset)
            drawn.setdefault(numbers_of[frame], []).append((place_of[frame], mask))
    for number, masks in drawn.items():
        home = next((n for n, layer in enumerate(layers) if _is_free(layer, masks)), None)
        if home is None:
            limits.check_size(*size, count * (len(layers) + 1))
            home = len(layers)
            layers.append(np.zeros_like(layers[0]))
        for place, mask in masks:
            layers[home][place][mask] = number
        homes[number] = home
    return np.stack(layers), homes


def _number(dataset: Dataset, frame: int) -> int:
    keyword = "ReferencedSegmentNumber"
    group = frame_group(dataset, "SegmentIdentificationSequence", keyword, frame)
    return whole_number(group, keyword, 0)


def _drawn(stored: NDArray[Any], dataset: Dataset) -> NDArray[np.bool_]:
    if code(dataset, "SegmentationType") != "FRACTIONAL":
        return stored > 0
    most = whole_number(dataset, "MaximumFractionalValue", 255)
    return stored.astype(np.int64) * 2 >= max(1, most)


def _is_free(layer: NDArray[np.uint16], masks: list[tuple[int, NDArray[np.bool_]]]) -> bool:
    return not any(layer[place][mask].any() for place, mask in masks)
