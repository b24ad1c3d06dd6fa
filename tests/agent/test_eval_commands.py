"""``parsechat eval`` and ``models calibrate``: one document, plain tables, plain refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent import eval_commands, eval_tables, models_commands
from agent.cli import main
from parser_model import range_calibration
from parser_model.range_calibration import ranges_file, ranges_of
from parser_model.types import Parser
from tests.outlined import Blurred, write_outlined


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the program in this process; gives exit code, stdout and stderr."""
    monkeypatch.setenv("PARSECHAT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    ranges_of.cache_clear()

    def run(*arguments):
        try:
            main([str(a) for a in arguments])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    yield run
    ranges_of.cache_clear()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_outlined(root, 60)
    write_outlined(root, 40, train=True, seed=1)
    return root


@pytest.fixture
def blurred(monkeypatch):
    """The parser of the test answers to the name compact."""
    parser = Blurred()

    def load(name="compact", **_: object) -> Parser:
        return parser

    monkeypatch.setattr("parser_model.load_parser", load)
    monkeypatch.setattr(models_commands, "load_parser", load)
    monkeypatch.setattr(range_calibration, "PARSERS", ("compact", "blurred"))
    return parser


def test_parsers_and_masks_of_other_tools_side_by_side(run, data, blurred):
    given = ("eval", "--data", data, "--parser", "compact", "--masks", f"tool={data / 'val_mask'}")
    code, out, _ = run(*given, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["images"] == 60
    assert document["split"] == "val"
    assert set(document["results"]) == {"compact", "tool"}
    assert document["results"]["tool"]["headline"]["dice"] == 1.0
    mine = document["results"]["compact"]["headline"]
    assert 0.5 < mine["low"] < mine["dice"] < mine["high"] < 1
    assert document["weights_sha256"] == {"compact": "ab" * 32}
    code, out, _ = run(*given)
    assert code == 0
    assert "headline" in out
    assert "tool: Dice" in out


@pytest.mark.parametrize("what", ["presence", "ranges", "modality"])
def test_every_score_is_one_document_and_a_table(run, capsys, data, blurred, what):
    given = ("eval", "--data", data, "--what", what, "--images", 40)
    code, out, _ = run(*given, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["what"], document["images"]) == (what, 40)
    assert document["modality_told"]
    assert set(document["results"]) == {"compact"}
    eval_tables.tables(document)
    assert "─" in capsys.readouterr().out


def test_fitted_ranges_are_kept(run, data, blurred, tmp_path, monkeypatch):
    calibrate = ("models", "calibrate", "compact", "--data", data, "--only", "ranges")
    code, out, _ = run(*calibrate, "--json")
    document = json.loads(out)["ranges"]
    assert code == 0
    assert document["file"] == str(ranges_file("blurred"))
    assert document["cross_fitted"]["area"]["CT"]["objects"] == 30
    kept = ranges_of("ab" * 32)
    assert kept is not None
    assert kept.name == f"blurred-{data.name}-abababab"

    monkeypatch.setattr("tools.evaluating.cross_fitted_report", lambda *_: {})
    assert run(*calibrate, "--out", tmp_path / "weights")[0] == 0
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["blurred.ranges.json"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--what", "beauty"], "Unknown score 'beauty'"),
        (["--masks", "nameless"], "NAME=DIR"),
        (["--masks", "a=x", "--masks", "a=y"], "a name of its own"),
        (["--masks", "a=x", "--what", "ranges"], "only be scored with --what dice"),
        (["--masks", "a=x"], "'x' is not there"),
        (["--images", "0"], "above zero"),
    ],
)
def test_refusals_are_one_sentence(run, data, blurred, arguments, said):
    code, out, err = run("eval", "--data", data, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_wanted_needs_no_heavy_import():
    wanted = eval_commands.Wanted("dice", Path("x"), ("compact",), ("a=b=c",))
    assert wanted.named_folders() == [("a", Path("b=c"))]
