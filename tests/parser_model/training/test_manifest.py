"""``manifest.csv`` as spreadsheets and people write it."""

from __future__ import annotations

import pytest

from parser_model.training.data import manifest_rows, read_manifest

IMAGE = "train/a-0_X-Ray_chest.png"


@pytest.mark.parametrize("sign", [",", ";"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path, sign, encoding):
    text = f"image,source,patient\n{IMAGE},S,p1\n".replace(",", sign)
    (tmp_path / "manifest.csv").write_text(text, encoding=encoding)
    assert manifest_rows(tmp_path) == [{"image": IMAGE, "source": "S", "patient": "p1"}]


def test_an_image_without_a_patient_has_one_of_its_own(tmp_path):
    rows = [f"{IMAGE},S,", "train/b_X-Ray_chest.png,S, "]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,source,patient", *rows]))
    assert read_manifest(tmp_path) == {
        IMAGE: ("S", "a-0_X-Ray_chest"),
        "train/b_X-Ray_chest.png": ("S", "b_X-Ray_chest"),
    }
