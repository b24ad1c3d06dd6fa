"""The two tables beside images: read whole, or refused in a sentence."""

from __future__ import annotations

import json

import pytest

from parser_model.errors import FileError
from parser_model.training.data import manifest_rows, read_paraphrases

HEAD = "image,source,patient,nc\n"


def test_a_manifest_as_spreadsheets_write_it_is_read(tmp_path):
    text = f'\ufeff{HEAD}a.png,"One, or ""two""",p,no\r\n'
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    (row,) = manifest_rows(tmp_path)
    assert (row["image"], row["source"], row["nc"]) == ("a.png", 'One, or "two"', "no")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a.png,S,p,no\nb.png,S", "Row 2 below the heading of manifest.csv is cut short"),
        ('a.png,"S,p,no\nb.png,S,p,no\n', "manifest.csv is no table in UTF-8"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, rows, said):
    (tmp_path / "manifest.csv").write_text(HEAD + rows)
    with pytest.raises(FileError, match=said):
        manifest_rows(tmp_path)


def test_wordings_are_read(tmp_path):
    (tmp_path / "paraphrases.json").write_text(json.dumps({"lesion": ["mole", "色素痣"]}))
    assert read_paraphrases(tmp_path) == {"lesion": ("mole", "色素痣")}


@pytest.mark.parametrize(
    "table", ['{"lesion": "mole"}', '{"lesion": [1]}', '{"lesion": [" "]}', '["mole"]', "mole"]
)
def test_what_is_no_table_of_wordings_is_refused(tmp_path, table):
    (tmp_path / "paraphrases.json").write_text(table)
    with pytest.raises(FileError, match=r"^paraphrases\.json is no "):
        read_paraphrases(tmp_path)
