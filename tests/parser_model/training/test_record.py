"""What the record of a run says of its licence, and of what its weights have never seen."""

from __future__ import annotations

import pytest

from parser_model.ontology import ontology
from parser_model.training.licences import LicensedPart
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.record import RESEARCH, run_record
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
            validated_on=0,
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
