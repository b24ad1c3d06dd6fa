"""Nothing of a patient leaves a file: not to disk, not to logs, not to a language model."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import logging
import os
import zlib
from pathlib import Path

import pytest

from agent.cli import main
from agent.conversation import Conversation
from agent.settings import Settings
from parser_model import FileError
from tests.agent.canaries import SEARCHED, dataset_of, write_all
from tests.agent.openai_server import Script, openai_server
from tests.shapes_parser import ShapesParser
from tools.reading.process import POOL


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """Files that are all about one patient."""
    return write_all(tmp_path_factory.mktemp("hospital"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Everything that the program writes goes here: working, home and temporary folder."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    POOL.stop()  # the next worker knows this environment
    yield place
    POOL.stop()


def found_in(data: bytes) -> list[str]:
    """Canaries in bytes, also in what these hold compressed (PNG chunks, gzip)."""
    texts = [data]
    for start, opener in ((b"\x1f\x8b", gzip.decompress), (b"\x78", zlib.decompress)):
        at = data.find(start)
        while at >= 0 and len(texts) < 50:
            with contextlib.suppress(OSError, EOFError, zlib.error):
                texts.append(opener(data[at:]))
            at = data.find(start, at + 1)
    return [one for one in SEARCHED if any(one.lower().encode() in t.lower() for t in texts)]


def run(arguments: list[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(arguments)


def assert_clean(place: Path, *said: str) -> None:
    assert found_in("\n".join(said).encode()) == []
    written = [path for path in place.rglob("*") if path.is_file()]
    assert written
    for path in written:
        assert found_in(str(path.relative_to(place)).encode()) == []
        assert found_in(path.read_bytes()) == [], path


def test_the_search_finds_what_is_there(patient, tmp_path):
    series, single, packed, png, *_ = patient
    for path in (single, packed, png):
        assert found_in(path.read_bytes()), path
    assert set(found_in(single.read_bytes())) == set(SEARCHED)
    assert found_in(str(series).encode())
    assert found_in(gzip.compress(SEARCHED[0].encode()))
    assert dataset_of(0).RequestAttributesSequence


def test_the_command_line(patient, elsewhere, capfd, caplog):
    series, _, packed, png, jpeg, volume, damaged = map(str, patient)
    question = ["how large is the liver?", "--json", "--out", str(elsewhere / "out")]
    with caplog.at_level(logging.DEBUG):
        run(["ask", series, packed, png, jpeg, *question])
        for one in (volume, damaged):
            run(["parse", one, "-p", "liver", "--json"])  # writes to a folder of its own
    said = capfd.readouterr()
    assert said.out.count('"spacing_mm"') >= 3  # series and zip are one scan
    assert_clean(elsewhere, said.out, said.err, caplog.text)


def test_a_table_of_measurements(patient, elsewhere, capfd, caplog):
    table = elsewhere / "t.csv"
    written = ["--csv", str(table), "--sheet", str(elsewhere / "s.png")]
    with caplog.at_level(logging.DEBUG):
        run(["measure", str(patient[0].parent), "-p", "liver", *written])
    said = capfd.readouterr()
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {row["row"] for row in rows}
    assert {"total", "failure"} <= kinds
    # The names of files are the user's own, and in the table that they asked for only.
    assert found_in(" ".join(row.pop("file") for row in rows).encode()) == [SEARCHED[0]]
    table.unlink()
    assert_clean(elsewhere, repr(rows), said.out, said.err, caplog.text)


def test_what_is_sent_to_a_language_model(patient, elsewhere, capfd, caplog):
    script: Script = []
    for number in range(1, len(patient) + 1):
        script += [
            [("describe_scan", {"scan": f"scan-{number}"})],
            [("segment", {"phrases": ["liver"]})],
            "The liver covers [[m-1]].",
        ]
    parser = ShapesParser({"liver": [(4, 4, 8, 8)]})
    answers = []
    with caplog.at_level(logging.DEBUG), openai_server(script) as peer:
        chosen = Settings(llm="openai", llm_base_url=peer.base_url, llm_model="toy")
        conversation = Conversation(chosen, parser=parser, directory=elsewhere / "case")
        for path in patient:
            try:
                conversation.add_file(path)
            except FileError as error:
                answers.append(str(error))
                continue
            turn = conversation.ask("How large is the liver?")
            answers += [turn.answer, *turn.warnings]
        assert len(conversation.case.scans) >= 4  # series and zip are one and the same
    assert len(peer.requests) > 10
    said = capfd.readouterr()
    told = [json.dumps(peer.requests), *answers, said.out, said.err, caplog.text]
    assert_clean(elsewhere, *told)
    conversation.close()


def test_the_scans_themselves(patient):
    from tools.reading import list_series, open_scan

    for path in patient:
        try:
            scan = open_scan(path)
            kept = repr([value for name, value in vars(scan).items() if name != "pixels"])
        except FileError as error:
            kept = str(error)
        assert found_in(kept.encode()) == []
    assert found_in(repr(list_series(patient[0])).encode()) == []
    assert os.path.isdir(patient[0])
