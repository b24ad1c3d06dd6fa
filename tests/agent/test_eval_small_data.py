"""``eval`` where there is little to score: what can be said is said, and why not the rest."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.agent.test_eval_commands import blurred, run  # noqa: F401
from tests.outlined import disc, write_outlined


def test_too_few_training_masks_leave_the_modalities_and_the_reason(run, tmp_path, blurred):  # noqa: F811
    write_outlined(tmp_path, 6)
    write_outlined(tmp_path, 4, train=True, seed=1)
    some = tmp_path / "some"
    some.mkdir()
    path = min((tmp_path / "val_mask").iterdir())
    (some / path.name).write_bytes(path.read_bytes())
    sheet = tmp_path / "sheet.png"
    given = ("eval", "--data", tmp_path, "--masks", f"some={some}", "--sheet", sheet)
    code, out, _ = run(*given)
    assert code == 0
    assert "Modalities, all targets" in out
    assert "some: none of the targets has 15 masks in train/, so there is no headline;" in out
    assert "some: 5 of 6 masks have no file; they count as empty." in out
    assert sheet.is_file()
    report = json.loads(run(*given, "--json")[1])["results"]["some"]
    assert (report["all_targets"], "headline" in report) == (True, False)
    assert {name: e["masks"] for name, e in report["modalities"].items()} == {
        "CT": 3,
        "dermoscopy": 3,
    }


def test_a_sheet_that_cannot_be_written_costs_no_figures(run, tmp_path, blurred):  # noqa: F811
    write_outlined(tmp_path, 4)
    (tmp_path / "file").write_text("no folder")
    given = ("eval", "--data", tmp_path, "--sheet")
    code, out, _ = run(*given, tmp_path / "file" / "sheet.png")
    assert code == 0
    assert "headline" in out
    assert "compact: The contact sheet sheet.png cannot be written there." in out
    code, out, err = run(*given, tmp_path / "sheet.pdf")
    assert (code, out) == (2, "")
    assert "name it OUT.png, not sheet.pdf" in err


@pytest.mark.parametrize("named", [False, True])
def test_images_without_a_patient_are_of_patients_of_their_own(run, tmp_path, blurred, named):  # noqa: F811
    """One patient for all would make every interval a point, so a single one gets none."""
    write_outlined(tmp_path, 8)
    rows = [f"val/{path.name};S;{'doe' * named}" for path in (tmp_path / "val").iterdir()]
    (tmp_path / "manifest.csv").write_text("\n".join(["image;source;patient", *rows]))
    code, out, _ = run("eval", "--data", tmp_path, "--json")
    document = json.loads(out)
    assert (code, document["patients"]) == (0, 1 if named else 8)
    for entry in (document["results"]["compact"]["headline"], *_entries(document)):
        assert (entry["low"] is None) == (entry["surface_high"] is None) == named
    code, out, _ = run("eval", "--data", tmp_path)
    assert code == 0
    assert any("(0." in line for line in out.splitlines() if "│" in line) != named


def test_presence_as_shipped_is_told_where_too_few_objects_allow_no_fit(
    run,  # noqa: F811
    tmp_path,
    blurred,  # noqa: F811
):
    write_outlined(tmp_path, 8)
    blurred.evidence = lambda *_, **__: np.zeros(5)
    sheet = tmp_path / "sheet.png"
    code, out, _ = run("eval", "--data", tmp_path, "--what", "presence", "--sheet", sheet)
    assert code == 0
    assert "compact, as-shipped" in out
    assert "compact could not be fitted anew: Presence needs at least 20 present and 20" in out
    assert not sheet.exists()


def _entries(document):
    return document["results"]["compact"]["modalities"].values()


def test_objects_that_the_parser_sees_too_small_are_counted(run, tmp_path, blurred):  # noqa: F811
    write_outlined(tmp_path, 6)
    path = min((tmp_path / "val_mask").iterdir())
    Image.fromarray(255 * disc(2).astype(np.uint8)).save(path)  # five pixels wide
    code, out, _ = run("eval", "--data", tmp_path)
    assert code == 0
    assert "compact: 1 of 6 objects are under 6 pixels wide at the size it works at" in out
