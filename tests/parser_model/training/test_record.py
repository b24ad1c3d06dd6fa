"""What the record of a run says of its licence, and of what its weights have never seen."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from parser_model.ontology import ontology
from parser_model.training.data import read_paraphrases
from parser_model.training.licences import LicensedPart
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.record import RESEARCH, fingerprint, run_record
from parser_model.training.survey import survey


@pytest.fixture
def recorded(folder):
    """Call with a licence filter, the modalities left out and the record of the start."""
    samples = survey(folder, "train", ontology()).samples

    def record(licence, missing=(), before=None):
        return run_record(
            folder,
            LicensedPart(licence, samples, 0, missing),
            read_config("compact"),
            Machine(),
            command="",
            held_out=[],
            before=before,
        )

    return record


def test_only_weights_that_were_permissive_all_along_are_called_so(recorded):
    first = recorded("permissive")
    assert "allow commercial use" in first["licence"]
    assert recorded("permissive", before=first)["licence"] == first["licence"]
    assert recorded("all")["licence"] == RESEARCH
    for start in (recorded("all"), recorded("all", before=first), {"sha256": "of no record"}):
        second = recorded("permissive", before=start)
        assert second["licence"] == RESEARCH
        # However often it goes on, and whatever a record says of itself.
        claimed = {**second, "licence": first["licence"]}
        assert recorded("permissive", before=claimed)["licence"] == RESEARCH


def test_what_the_start_has_seen_is_not_missing_and_what_it_lacks_still_is(recorded):
    assert recorded("permissive", ("OCT",))["missing_modalities"] == ["OCT"]
    start = recorded("permissive", ("OCT", "X-Ray"))  # the images here are X-rays
    assert start["missing_modalities"] == ["OCT"]
    start["data"]["modalities"] = ["CT"]
    assert recorded("permissive", ("CT", "MRI"), start)["missing_modalities"] == ["MRI", "OCT"]
    assert recorded("permissive", ("CT",), {"sha256": "of no record"})["missing_modalities"] == []


def print_of(root):
    """The fingerprint of a run on a folder as it is now."""
    part, held_out = (survey(root, split, ontology()).samples for split in ("train", "val"))
    machine = Machine()
    record = run_record(
        root,
        LicensedPart("all", part, 0, ()),
        read_config("compact"),
        machine,
        command="",
        held_out=held_out,
        before=None,
        paraphrases=read_paraphrases(root),
    )
    return fingerprint(record, machine)


def test_a_run_goes_on_only_with_the_same_words_sources_absences_and_validation(folder):
    seen = [print_of(folder)]
    image = "train/a-0_X-Ray_chest.png"
    manifest, paraphrases = folder / "manifest.csv", folder / "paraphrases.json"
    for source in ("S", "T"):
        manifest.write_text(f"image,source,patient,note\n{image},{source},p,some\n")
        seen.append(print_of(folder))
    for wording in ("the sinistral lung", "the lung at the heart"):
        paraphrases.write_text(json.dumps({"left lung": [wording]}))
        seen.append(print_of(folder))
    empty = Image.new("L", (64, 64))
    empty.save(folder / "train_mask" / "a-0_X-Ray_chest_right+lung.png")
    seen.append(print_of(folder))
    (folder / "train_mask" / "a-0_X-Ray_chest_right+lung.png").write_text("unreadable")
    seen.append(print_of(folder))
    empty.save(folder / "val" / "a-0_X-Ray_chest.png")
    seen.append(print_of(folder))
    assert len(set(seen)) == len(seen) == 8
    manifest.write_text(manifest.read_text().replace("some", "noted later"))
    assert print_of(folder) == seen[-1]
