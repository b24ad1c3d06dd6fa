"""Which frames of a DICOM file to read, and whether they are slices of the body or moments."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from tools.geometry import patient_affine
from tools.reading.dicom_tags import code, codes, first_number, frame_group, items, numbers
from tools.reading.stacks import Stack, arrange

_TIME_POINTERS: Final = (0x00181063, 0x00181065)  # Frame Time, Frame Time Vector
_FILMS: Final = frozenset({"US", "IVUS", "XA", "RF", "ES", "GM"})  # record movement
_LAST: Final = float("inf")


def frame_stack(dataset: Dataset, frames: int) -> Stack:
    """The frames to read, in order, and how they lie in the patient.

    Newer files state position and orientation of each frame (DICOM PS3.3 C.7.6.16); of several
    orientations or stacks the largest is taken, of several moments or echoes the first. Nuclear
    tomograms state them once (C.8.4.8, C.8.4.15). Frames without places are moments or
    unrelated pictures: their distance is unknown and they make no volume.
    """
    if frames == 1:
        return Stack((0,), row_cosines(dataset), frame_position(dataset, 0))
    if items(dataset, "PerFrameFunctionalGroupsSequence"):
        found = _stack_of_groups(dataset, frames)
    else:
        found = _nuclear_tomogram(dataset, frames)
    return found or _frames_without_places(dataset, frames)


def row_cosines(dataset: Dataset, frame: int = 0) -> tuple[float, ...] | None:
    """Image Orientation (Patient) of a frame, where it is valid."""
    group = frame_group(dataset, "PlaneOrientationSequence", "ImageOrientationPatient", frame)
    return valid_cosines(numbers(group, "ImageOrientationPatient", 6))


def valid_cosines(found: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """The same if these are two perpendicular unit vectors, else None."""
    if found is None:
        return None
    try:
        patient_affine(found, (0.0, 0.0, 0.0), (1.0, 1.0))
    except ValueError:
        return None
    return found


def frame_position(dataset: Dataset, frame: int) -> tuple[float, ...] | None:
    """Image Position (Patient) of a frame."""
    group = frame_group(dataset, "PlanePositionSequence", "ImagePositionPatient", frame)
    return numbers(group, "ImagePositionPatient", 3)


def _stack_of_groups(dataset: Dataset, frames: int) -> Stack | None:
    """The largest stack of an enhanced multi-frame file; None if a frame lies nowhere."""
    alike: dict[tuple[object, ...], list[int]] = {}
    cosines, positions = [], []
    for frame in range(frames):
        orientation, position = row_cosines(dataset, frame), frame_position(dataset, frame)
        if orientation is None or position is None:
            return None
        cosines.append(orientation)
        positions.append(position)
        name = code(_content(dataset, frame), "StackID")
        alike.setdefault((name, *np.round(orientation, 3)), []).append(frame)
    chosen = max(alike.values(), key=len)
    stack = arrange(
        [positions[frame] for frame in chosen],
        cosines[chosen[0]],
        [_rank(dataset, frame) for frame in chosen],
    )
    notes: tuple[str, ...] = ()
    if len(alike) > 1:
        notes = (
            f"The file holds {len(alike)} stacks of frames; the largest one ({len(chosen)} "
            "frames) was read.",
        )
    if len(stack.order) == 1 and len(chosen) > 1:
        film = (*notes, _film(len(chosen)))
        return replace(stack, order=tuple(chosen), notes=film, of="frames")
    order = tuple(chosen[index] for index in stack.order)
    return replace(stack, order=order, notes=(*notes, *stack.notes))


def _content(dataset: Dataset, frame: int) -> Dataset:
    return frame_group(dataset, "FrameContentSequence", "StackID", frame)


def _rank(dataset: Dataset, frame: int) -> tuple[float, ...]:
    """Moment, then echo time, then order in the file."""
    moment = frame_group(dataset, "FrameContentSequence", "TemporalPositionIndex", frame)
    echo = frame_group(dataset, "MREchoSequence", "EffectiveEchoTime", frame)
    ranks = (
        first_number(moment, "TemporalPositionIndex"),
        first_number(echo, "EffectiveEchoTime"),
    )
    return (*(_LAST if rank is None else rank for rank in ranks), float(frame))


def _nuclear_tomogram(dataset: Dataset, frames: int) -> Stack | None:
    """Slices of a reconstructed tomogram; of a gated one there is no single stack."""
    if "RECON TOMO" not in codes(dataset, "ImageType"):
        return None
    distance = first_number(dataset, "SpacingBetweenSlices")
    detectors = items(dataset, "DetectorInformationSequence")
    if not distance or not detectors:
        return None
    orientation = valid_cosines(numbers(detectors[0], "ImageOrientationPatient", 6))
    position = numbers(detectors[0], "ImagePositionPatient", 3)
    if orientation is None or position is None:
        return None
    # A negative distance runs against the normal (C.8.4.15).
    step = np.cross(orientation[:3], orientation[3:]) * distance
    positions = [tuple(np.array(position) + step * frame) for frame in range(frames)]
    return arrange(positions, orientation, [(float(frame),) for frame in range(frames)])


def _frames_without_places(dataset: Dataset, frames: int) -> Stack:
    pointers = numbers(dataset, "FrameIncrementPointer", 1)
    timed = bool(pointers) and int((pointers or (0,))[0]) in _TIME_POINTERS
    if timed or code(dataset, "Modality") in _FILMS:
        note = _film(frames)
    else:
        note = f"The distance between the {frames} frames is not known, so there are no volumes."
    order = tuple(range(frames))
    place = row_cosines(dataset), frame_position(dataset, 0)
    return Stack(order, *place, notes=(note,), of="frames")


def _film(frames: int) -> str:
    return (
        f"This is a film of {frames} frames: they follow each other in time and not in space, so "
        "there are no volumes."
    )
