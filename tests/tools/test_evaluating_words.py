"""Users' words beside the targets' own names: understood, mistaken, or not known."""

from __future__ import annotations

import numpy as np
import pytest

from parser_model import ParsedObject, RequestError
from parser_model.errors import FileError
from parser_model.raw_words import without_ontology
from parser_model.training.data import read_folder
from tests.outlined import Blurred, write_outlined
from tools.evaluating import PER_PHRASE, Phrase, phrases_report, read_phrases

MEANINGS = {
    "liver": "liver",
    "lesion": "lesion",
    "my liver": "liver",
    "肝": "liver",
    "spot": "liver",
}


class Understanding(Blurred):
    """Knows some words, one of them wrongly."""

    def _one(self, image, phrase) -> ParsedObject:
        target = MEANINGS.get(phrase)
        seen = super()._one(image, target or "unknown")
        return ParsedObject(phrase, target, seen.probability, seen.mask, None, seen.present)


@pytest.fixture
def samples(tmp_path):
    write_outlined(tmp_path, 24)
    return read_folder(tmp_path, "val")


def test_words_are_counted_as_understood_mistaken_or_unknown(samples):
    phrases = [
        Phrase("liver", "CT", "my liver"),
        Phrase("liver", "CT", "肝"),
        Phrase("liver", "CT", "hepar"),
        Phrase("lesion", "dermoscopy", "spot"),
        Phrase("polyp", "endoscope", "lump"),
    ]
    report = phrases_report(Understanding(), samples, phrases)
    everything = report["all"]
    assert everything["phrases"] == 4
    assert everything["not_understood"] == 1
    assert everything["mapped_wrong"] == 1
    assert report["without_images"] == ["lump"]
    rows = {row["phrase"]: row for row in report["phrases"]}
    assert rows["my liver"]["dice"] == rows["my liver"]["dice_by_name"] > 0.5
    assert rows["my liver"]["images"] == PER_PHRASE
    assert (rows["hepar"]["dice"], rows["hepar"]["understood"]) == (0.0, False)
    assert rows["hepar"]["dice_by_name"] == rows["my liver"]["dice"]  # the same images
    assert rows["spot"]["mapped_to"] == ["liver"]
    assert everything["dice"] == pytest.approx(
        np.mean([r["dice"] for r in rows.values()]), abs=1e-4
    )
    assert (report["chinese"]["phrases"], report["other"]["phrases"]) == (1, 3)


def test_what_is_understood_may_still_not_be_seen(samples):
    blind = Understanding(least=10**6)
    report = phrases_report(blind, samples, [Phrase("liver", "CT", "my liver")])
    assert report["all"]["not_understood"] == 0
    assert report["all"]["not_seen"] == 1.0
    assert report["all"]["dice"] > 0.5  # of what was outlined, whatever was decided


def test_the_table_is_read_with_or_without_heading(tmp_path):
    table = tmp_path / "phrases.tsv"
    rows = 'target\tmodality\tphrase\nliver\tCT\tmy "liver"\n\nlesion\tdermoscopy\t斑点\n'
    table.write_text(rows, encoding="utf-8")
    found = [Phrase("liver", "CT", 'my "liver"'), Phrase("lesion", "dermoscopy", "斑点")]
    assert read_phrases(table) == found
    table.write_text(rows.partition("\n")[2], encoding="utf-8")
    assert read_phrases(table) == found


def test_a_quotation_mark_is_a_letter_of_the_phrase_and_ends_at_no_other_line(tmp_path):
    words = ['"the liver', 'the 5" liver', '"liver"', "liver"]
    table = tmp_path / "phrases.tsv"
    table.write_text("".join(f"liver\tCT\t{one}\n" for one in words), encoding="utf-8")
    assert [phrase.words for phrase in read_phrases(table)] == words


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("liver\tCT\n", "Line 1 of phrases.tsv should have a target, a modality and a phrase"),
        ("liver,CT,my liver\n", "Line 1"),
        ("target\tmodality\tphrase\n", "holds no phrase"),
        ("", "holds no phrase"),
    ],
)
def test_a_table_that_is_none_is_told(tmp_path, content, said):
    table = tmp_path / "phrases.tsv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(FileError, match=said):
        read_phrases(table)


def test_a_missing_table_and_one_that_is_no_text_are_told(tmp_path):
    (tmp_path / "picture.tsv").write_bytes(bytes(range(256)))
    for name in ("none.tsv", "picture.tsv"):
        with pytest.raises(FileError, match="cannot be read as text"):
            read_phrases(tmp_path / name)


def test_a_parser_may_have_no_way_past_the_ontology():
    with pytest.raises(RequestError, match="'blurred' has no way past the ontology"):
        without_ontology(Blurred())
