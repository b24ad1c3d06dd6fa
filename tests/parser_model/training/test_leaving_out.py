"""Training without some data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from parser_model.errors import FileError, RequestError
from parser_model.ontology import Place, ontology
from parser_model.training.data import Sample
from parser_model.training.leaving_out import check_sources, leaving_out
from parser_model.training.licences import LicensedPart
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.record import fingerprint, run_record
from parser_model.training.survey import survey

CT, XRAY = Place("CT", "abdomen"), Place("X-Ray", "chest")


def sample(name, place, source):
    return Sample(Path(f"{name}.png"), place, {"liver": Path(f"{name}_liver.png")}, source, name)


def test_what_is_left_and_what_is_then_missing():
    samples = [sample("a", CT, "A"), sample("b", XRAY, "B"), sample("c", CT, "C")]
    part = LicensedPart("permissive", samples, 2, ("OCT",))
    left = leaving_out(part, ["C", "B"])
    assert [s.patient for s in left.samples] == ["a"]
    assert left.missing_modalities == ("OCT", "X-Ray")
    assert left.sources_left_out == ("B", "C")
    assert (left.licence, left.left_out) == ("permissive", 2)
    assert leaving_out(part, []) is part
    with pytest.raises(FileError, match="Without A, B, C no mask is left"):
        leaving_out(part, ["A", "B", "C"])


def test_names_are_those_of_the_manifest_to_the_letter(tmp_path):
    check_sources(tmp_path, [])
    with pytest.raises(FileError, match=r"needs a manifest\.csv"):
        check_sources(tmp_path, ["Shenzhen"])
    rows = "image,source,patient\na.png,Shenzhen,1\nb.png,Lizard,2\nc.png,,3\n"
    (tmp_path / "manifest.csv").write_text(rows)
    check_sources(tmp_path, ["Lizard", "Shenzhen"])
    with pytest.raises(RequestError, match="from shenzhen; there are Lizard, Shenzhen"):
        check_sources(tmp_path, ["Lizard", "shenzhen"])


def test_a_run_is_not_resumed_as_one_that_leaves_out_others(folder):
    part = LicensedPart("all", survey(folder, "train", ontology()).samples, 0, ())
    config, machine = read_config("compact"), Machine()

    def print_of(names):
        record = run_record(
            folder,
            leaving_out(part, names),
            config,
            machine,
            command="",
            held_out=[],
            before=None,
        )
        return fingerprint(record, machine)

    assert print_of(["A"]) == print_of(["A"])
    assert len({print_of([]), print_of(["A"]), print_of(["A", "B"])}) == 3
