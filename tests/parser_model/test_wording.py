"""No phrase takes long to read, however many ways there are to split it into known words."""

from __future__ import annotations

from collections import Counter

import pytest

from parser_model.describing import Describer, _Description
from parser_model.wording import PlaceReader, words_of

MANY_WAYS = "在哪里" * 12  # 在 哪里, 在哪 里, 在哪里: each time


class Counted(dict):
    """A table that counts how often something is looked up."""

    lookups = 0

    def get(self, key, default=None):
        Counted.lookups += 1
        return super().get(key, default)


@pytest.mark.parametrize("rest", ["", "zzz"])
def test_words_are_looked_up_once_at_each_place(rest):
    reader = PlaceReader({}, {})
    words = words_of(MANY_WAYS + rest)
    longest = max(map(len, reader._inside))
    reader._inside = Counted(reader._inside)
    Counted.lookups = 0
    assert (reader.after(words) is None) is bool(rest)
    assert Counted.lookups <= len(words) * longest


def test_the_longest_words_are_tried_first():
    reader = PlaceReader({"OCT": ["a b"]}, {"eye": ["a"], "skin": ["b"], "chest": ["a b c"]})
    said = reader.after(["a", "b"])
    assert said is not None
    assert said.of_image
    assert not said.sites
    said = reader.after(["a", "b", "c", "b"])
    assert said is not None
    assert said.sites == {"chest", "skin"}


def test_a_description_is_read_once_and_only_where_one_of_its_cues_may_be(monkeypatch):
    read: Counter[tuple[str, ...]] = Counter()
    original = _Description._understood

    def counted(self, stems):
        read[tuple(stems)] += 1
        return original(self, stems)

    monkeypatch.setattr(_Description, "_understood", counted)
    describer = Describer({"bladder": {"heads": "sac", "by": ["urine hold"], "besides": ""}})
    assert not describer.targets_of(words_of("在里的中" * 10))
    assert not read
    for _ in range(3):  # as for each modality
        assert describer.targets_of(["sac", "that", "holds", "urine"]) == {"bladder"}
    assert set(read.values()) == {1}
