"""Every pixel belongs to one object, and nothing is lost to what is not there."""

from __future__ import annotations

import numpy as np
import pytest

from parser_model.overlaps import without_overlaps
from parser_model.types import ParsedObject


def found(target: str, columns: slice, *, present: bool = True) -> ParsedObject:
    mask = np.zeros((4, 8), np.bool_)
    mask[:, columns] = present
    return ParsedObject(target, target, mask.astype(np.float16), mask, None, present)


@pytest.mark.parametrize(("left_is_there", "kept"), [(True, ["left lung"]), (False, ["lung"])])
def test_a_whole_gives_way_only_to_parts_that_are_there(left_is_there, kept):
    objects = [
        found("lung", slice(0, 8)),
        found("left lung", slice(4, 8), present=left_is_there),
        found("right lung", slice(0, 4), present=False),
    ]
    assert [one.target for one in without_overlaps(objects)] == kept
