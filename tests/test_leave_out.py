"""The table of what leaving data sets out costs: joined rightly, and of the right runs alone."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from parser_model.errors import FileError, RequestError
from parser_model.training.data import read_folder
from tests import leave_out
from tests.baseline.__main__ import Wanted, run
from tests.conftest import REPO
from tests.leave_out import (
    Drop,
    Row,
    check_trained_on,
    dice_of,
    read_baseline,
    rows_of,
    seen_sources,
    summary,
    table,
)
from tests.outlined import Blurred, write_outlined
from tests.parser_model.training.conftest import TINY_TOML


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data(tmp_path):
    """Livers of A, lesions of B in train; val has 3 livers and 2 lesions."""
    root = tmp_path / "data"
    write_outlined(root, 8, train=True)
    write_outlined(root, 5, seed=1)
    lines = ["image,mask,source,patient"]
    for split in ("train", "val"):
        for path in sorted((root / split).iterdir()):
            source = "B" if "dermoscopy" in path.name else "A"
            lines.append(f"{split}/{path.name},,{source},{path.stem}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def row(source, masks, ours, baseline):
    return Row(source, masks, Drop(*ours), Drop(*baseline))


def test_only_sources_with_enough_masks_are_in_the_mean():
    rows = [
        row("A", 10, (0.9, 0.8), (0.8, 0.5)),
        row("B", 30, (0.7, 0.6), (0.6, 0.5)),
        row("C", 9, (0.9, 0.0), (0.9, 0.9)),
    ]
    told = summary(rows)
    assert told["mean_drop"] == {"ours": pytest.approx(0.1), "baseline": pytest.approx(0.2)}
    assert told["ratio"] == pytest.approx(0.5)
    assert [r["counts"] for r in told["rows"]] == [True, True, False]
    text = table(rows)
    assert "| A | 10 | 0.900 | 0.800 | 0.100 | 0.800 | 0.500 | 0.300 |" in text
    assert "| C (not in the mean) | 9 |" in text
    assert "Mean drop: ours 0.100, baseline 0.200; ours is 0.50 of the baseline's." in text
    assert "No source has 10 masks." in table(rows[2:])
    gained = [row("A", 10, (0.9, 0.8), (0.5, 0.6))]
    assert summary(gained)["ratio"] is None
    assert "baseline -0.100." in table(gained)


def test_four_runs_are_joined_by_mask():
    def scored(first, second):
        return {"A": {("x.png", "liver"): first, ("y.png", "liver"): second}}

    runs = (scored(0.9, 0.7), scored(0.6, 0.4)), (scored(0.5, 0.5), scored(0.1, 0.3))
    (one,) = rows_of(*runs)
    assert (one.source, one.masks) == ("A", 2)
    assert one.ours.kept == pytest.approx(0.8)
    assert one.ours.left_out == pytest.approx(0.5)
    assert one.baseline.kept == pytest.approx(0.5)
    assert one.baseline.drop == pytest.approx(0.3)
    fewer = {"A": {("x.png", "liver"): 0.9}}
    with pytest.raises(RequestError, match="not scored on the same masks of A"):
        rows_of((fewer, fewer), runs[1])
    with pytest.raises(RequestError, match="not scored on the same masks of A"):
        rows_of(({"A": {}}, {"A": {}}), ({"A": {}}, {"A": {}}))


def test_a_parser_is_told_the_modality_and_scored_mask_by_mask(data):
    parser = Blurred()
    dice = dice_of(parser, read_folder(data, "val"))
    assert list(dice) == [
        (f"{n:03}_{place}.png", target)
        for n in range(5)
        for place, target in [(("CT_abdomen", "liver"), ("dermoscopy_skin", "lesion"))[n % 2]]
    ]
    assert all(0.3 < one <= 1 for one in dice.values())
    assert parser.told == ["CT", "dermoscopy", "CT", "dermoscopy", "CT"]


def test_a_run_given_as_the_other_is_refused(tmp_path):
    check_trained_on(["A", "B"], ["C"], kept=False, file="left")
    check_trained_on(["A", "B"], ["A", "B", "C"], kept=True, file="kept")
    with pytest.raises(RequestError, match="left was trained with A"):
        check_trained_on(["A", "B"], ["A"], kept=False, file="left")
    with pytest.raises(RequestError, match="kept was trained without B"):
        check_trained_on(["A", "B"], ["A"], kept=True, file="kept")
    first = {"data": {"sources": ["A"]}, "before": None}
    assert seen_sources({"data": {"sources": ["B"]}, "before": first}) == {"A", "B"}
    with pytest.raises(KeyError):
        seen_sources({"data": {"sources": ["B"]}, "before": {"sha256": "ab"}})
    (tmp_path / "x.json").write_text('{"left_out": []}')
    with pytest.raises(FileError, match=r"x\.json is not what"):
        read_baseline(tmp_path / "x.json", ["A"], kept=True)


def test_from_four_trained_runs_to_the_table(data, tmp_path, monkeypatch, capsys):
    from agent.cli import main as parsechat

    (tmp_path / "tiny.toml").write_text(TINY_TOML)
    for name, names in (("kept", ()), ("left", ("A",))):
        told = run(Wanted(data, leave_out=names, steps=2, widths=(8, 8, 8, 8, 8)))
        (tmp_path / f"{name}.json").write_text(json.dumps(told))
        words = ["train", "--data", data, "--config", tmp_path / "tiny.toml", "--steps", 2]
        words += ["--leave-out", ",".join(names)] if names else []
        with pytest.raises(SystemExit) as stop:
            parsechat([str(word) for word in (*words, "--out", tmp_path / name)])
        assert not stop.value.code
    capsys.readouterr()

    def call(first, second):
        parsers = [str(tmp_path / name / "compact.safetensors") for name in (first, second)]
        baselines = [str(tmp_path / f"{name}.json") for name in ("kept", "left")]
        words = ["leave_out", "--data", str(data), "--parser", *parsers, "--baseline", *baselines]
        words += ["--sources", "A", "--out", str(tmp_path / "table.json")]
        monkeypatch.setattr(sys, "argv", words)
        return leave_out.main(), *capsys.readouterr()

    code, out, err = call("kept", "left")
    assert (code, err) == (0, "")
    assert "| A (not in the mean) | 3 |" in out
    (one,) = json.loads((tmp_path / "table.json").read_text())["rows"]
    kept = json.loads((tmp_path / "kept.json").read_text())["scores"]
    mean = sum(s["dice"] for s in kept if s["source"] == "A") / 3
    assert one["baseline"]["kept"] == pytest.approx(mean)
    code, out, err = call("left", "kept")
    assert (code, out) == (2, "")
    assert "compact.safetensors was trained without A." in err


def test_the_commands_in_the_documents_name_the_same_sources():
    text = (REPO / "docs" / "training.md").read_text(encoding="utf-8")
    assert ",".join(leave_out.SOURCES) in text
