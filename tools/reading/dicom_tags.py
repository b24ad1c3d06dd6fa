"""Reads single tags of DICOM files. They may hold anything: a damaged tag is an absent one."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The finite numbers of a tag; None unless there are `count` of them."""
    value = _value(dataset, keyword)
    values = list(value) if isinstance(value, MultiValue | list | tuple) else [value]
    if len(values) != count:
        return None
    try:
        found = tuple(float(one) for one in values)
    except (TypeError, ValueError):
        return None
    return found if all(math.isfinite(one) for one in found) else None


def first_number(dataset: Dataset, keyword: str) -> float | None:
    """The first of one or more numbers, None when there is none."""
    value = _value(dataset, keyword)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else None
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def whole_number(dataset: Dataset, keyword: str, default: int) -> int:
    """A whole number, `default` when there is none."""
    found = first_number(dataset, keyword)
    return default if found is None else int(found)


def code(dataset: Dataset, keyword: str) -> str:
    """A code in capitals, e.g. "CT"; empty when there is none."""
    value = _value(dataset, keyword)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if len(value) else ""
    return str(value or "").strip().upper()


def codes(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """All values of a tag with codes, in capitals."""
    value = _value(dataset, keyword)
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return tuple(str(one or "").strip().upper() for one in values)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence, empty when there is none."""
    value = _value(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)]
    except TypeError:
        return []


def frame_group(dataset: Dataset, sequence: str, keyword: str, frame: int = 0) -> Dataset:
    """Where a frame's `keyword` stands: its own group, the group of all frames, or the top.

    Newer multi-frame files keep pixel size, position and rescale in nested groups
    (DICOM PS3.3 C.7.6.16); older ones and single frames keep them on top.
    """
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    groups = per_frame[frame : frame + 1] + items(dataset, "SharedFunctionalGroupsSequence")[:1]
    for group in groups:
        for item in items(group, sequence)[:1]:
            if keyword in item:
                return item
    return dataset


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # pydicom decodes on access and meets damage with many exceptions
        return None
