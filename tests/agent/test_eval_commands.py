"""``parsechat eval`` and ``models calibrate``: one document, plain tables, plain refusals."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from agent import eval_commands, eval_tables, models_commands
from agent.cli import main
from parser_model import range_calibration
from parser_model.range_calibration import ranges_file, ranges_of
from parser_model.types import Parser
from tests.outlined import Blurred, write_outlined
from tools.evaluating import NO_TRUE_SIZE


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
    # Beside each other: a row for each under every modality.
    rows = [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")]
    at = rows.index("CT")
    assert rows[at : at + 3] == ["CT", "compact", "tool"]


def test_what_another_tool_left_out_is_told(run, data, blurred, tmp_path):
    for path in sorted((data / "val_mask").iterdir())[:50]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    sheet = tmp_path / "sheet.png"
    tools = ("--masks", f"some={tmp_path}", "--masks", f"all={data / 'val_mask'}")
    given = ("eval", "--data", data, *tools, "--sheet", sheet)
    code, out, _ = run(*given)
    assert code == 0
    assert "some: 10 of 60 masks have no file; they count as empty." in out
    assert "some: 60 masks compared at 64 x 64 pixels." in out
    assert "all is +0.167 (" in out  # 10 of 60 more
    assert sheet.is_file()
    assert (tmp_path / "sheet-all.png").is_file()
    assert "nothing counts of MRI" in " ".join(out.split())


def test_only_some_data_sets_and_the_folders_that_are_named(run, data, blurred, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(data, root)
    images = [(s, p) for s in ("val", "train") for p in sorted((root / s).iterdir())]
    rows = [f"{s}/{p.name},{'AB'[i % 3 == 0]},patient {i // 2}" for i, (s, p) in enumerate(images)]
    (root / "manifest.csv").write_text("\n".join(["image,source,patient", *rows]))
    code, out, _ = run("eval", "--data", root, "--sources", "A", "--split", "val,train", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["split"], document["sources"]) == ("val+train", ["A"])
    assert document["images"] == sum(",A," in row for row in rows)
    assert document["patients"] == 50
    sources = document["results"]["compact"]["sources"]
    assert list(sources) == ["A"]
    assert sources["A"]["masks"] == document["images"]
    _, out, _ = run("eval", "--data", root, "--sources", "A", "--images", 8)
    assert "fewer than 10 masks, reported only: A" in " ".join(out.split())
    code, _, err = run("eval", "--data", root, "--sources", "C")
    assert (code, err) == (2, "No image comes from the source 'C'; known: A, B.\n")


def test_words_of_users_are_scored_beside_names(run, data, blurred, tmp_path):
    table = tmp_path / "phrases.tsv"
    table.write_text("liver\tCT\tliver\nlesion\tdermoscopy\tunheard of\n", encoding="utf-8")
    given = ("eval", "--data", data, "--phrases", table)
    code, out, _ = run(*given, "--json")
    document = json.loads(out)
    assert (code, document["what"]) == (0, "phrases")
    assert document["results"]["compact"]["all"]["phrases"] == 2
    code, out, _ = run(*given)
    assert code == 0
    assert "Users' words" in out


def test_presence_says_how_often_what_was_said_was_so(capsys):
    bins = [{"low": 0.9, "high": 1.0, "objects": 7, "said": 0.95, "there": 0.5}]
    absent = {"objects": 3, "refused": 1.0, "auroc": 1.0}
    found = {"present": 7, "kept": 1.0, "same_site": absent, "other_sites": absent}
    found |= {"nonsense": {"objects": 0, "refused": None}, "reliability": bins}
    for table in eval_tables._presence({"x": {"as_shipped": None, "cross_fitted": found}}):
        Console(width=100).print(table)
    out = capsys.readouterr().out
    assert "1.000 refused" in out
    assert "nonsense" not in out
    assert out.count("█") == 10  # of 20 for always


@pytest.mark.parametrize("what", ["presence", "ranges", "modality"])
def test_every_score_is_one_document_and_a_table(run, capsys, data, blurred, what):
    given = ("eval", "--data", data, "--what", what, "--images", 40)
    code, out, _ = run(*given, "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["what"], document["images"]) == (what, 40)
    assert document["modality_told"] == (what != "modality")  # that is what is asked there
    assert set(document["results"]) == {"compact"}
    assert (NO_TRUE_SIZE in document["notes"]) == (what == "ranges")
    eval_tables.tables(document)
    assert "─" in capsys.readouterr().out


def test_presence_is_drawn_against_what_was_there(run, data, blurred, tmp_path, monkeypatch):
    seen = {"liver": 0.9, "lesion": 0.8}
    monkeypatch.setattr(
        blurred.__class__,
        "evidence",
        lambda _, image, target, modality=None: np.full(5, seen.get(target, 0.1)),
        raising=False,
    )
    sheet = tmp_path / "new" / "presence.png"
    given = ("eval", "--data", data, "--what", "presence", "--images", 40, "--sheet", sheet)
    code, out, _ = run(*given)
    assert code == 0
    assert "compact is drawn in" in out
    with Image.open(sheet) as drawn:
        assert drawn.width > 400


def test_a_parser_whose_presence_cannot_be_fitted_has_nothing_to_draw(run, data, blurred):
    code, out, err = run("eval", "--data", data, "--what", "presence", "--sheet", "x.png")
    assert (code, out) == (2, "")
    assert "Presence cannot be fitted for 'compact', so --sheet has nothing to draw." in err


def test_fitted_ranges_are_kept(run, data, blurred, tmp_path, monkeypatch):
    calibrate = ("models", "calibrate", "compact", "--data", data, "--only", "ranges")
    code, out, _ = run(*calibrate, "--json")
    document = json.loads(out)["ranges"]
    assert code == 0
    assert document["file"] == str(ranges_file("blurred", "ab" * 32))
    assert document["cross_fitted"]["area"]["CT"]["objects"] == 30
    kept = ranges_of("ab" * 32)
    assert kept is not None
    assert kept.name == f"blurred-{data.name}-abababab"

    monkeypatch.setattr("tools.evaluating.cross_fitted_report", lambda *_, **__: {})
    assert run(*calibrate, "--out", tmp_path / "weights")[0] == 0
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["blurred.ranges.json"]


def test_train_beside_val_teaches_the_spread_and_is_never_judged_by_it(
    run, data, blurred, tmp_path, monkeypatch
):
    both = tmp_path / "both"
    for of in ("", "_mask"):
        shutil.copytree(data / f"val{of}", both / f"val{of}")
        shutil.copytree(data / f"val{of}", both / f"train{of}")
    assert run("models", "calibrate", "compact", "--data", both, "--only", "ranges")[0] == 0
    kept = ranges_of("ab" * 32)
    assert kept is not None
    assert kept.spreads is kept.models
    assert "trained on" in kept.spread_fitted_on

    used = []

    def report(*_, spreads):
        used.append(spreads)
        return {}

    monkeypatch.setattr("tools.evaluating.cross_fitted_report", report)
    for split in ("val", "train"):
        ask = ("eval", "--data", both, "--what", "ranges", "--split", split, "--json")
        assert run(*ask)[0] == 0
    assert used == [kept.models, None]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--what", "beauty"], "Unknown score 'beauty'"),
        (["--masks", "nameless"], "NAME=DIR"),
        (["--masks", "a=x", "--masks", "a=y"], "a name of its own"),
        (["--masks", "a=x", "--what", "ranges"], "only be scored with --what dice"),
        (["--masks", "a=x"], "'x' is not there"),
        (["--images", "0"], "above zero"),
        (["--parser", "sam:x", "--what", "modality"], "only be scored with --what dice"),
        (["--masks", "a=x", "--phrases", "x"], "without --phrases"),
        (["--what", "ranges", "--sheet", "x.png"], "--sheet goes with --what dice"),
        (["--what", "presence", "--phrases", "x"], "--phrases goes with --what dice"),
        (["--phrases", "x", "--sheet", "x.png"], "two questions"),
        (["--phrases", "nowhere.tsv"], "nowhere.tsv cannot be read as text"),
        (["--what", "modality", "--no-ontology"], "--no-ontology goes with"),
        (["--no-ontology"], "has no way past the ontology"),
        (["--split", "other"], "other is missing"),
    ],
)
def test_refusals_are_one_sentence(run, data, blurred, arguments, said):
    code, out, err = run("eval", "--data", data, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_wanted_needs_no_heavy_import():
    wanted = eval_commands.Wanted("dice", Path("x"), ("compact",), ("a=b=c",))
    assert wanted.named_folders() == [("a", Path("b=c"))]
    assert eval_commands.listed(" val, train,") == ("val", "train")


def test_models_that_are_given_boxes_have_names_of_their_own():
    assert eval_commands.boxed("sam:facebook/sam-vit-base") == ("facebook/sam-vit-base", False)
    assert eval_commands.boxed("sam-parts:DIR:x") == ("DIR:x", True)
    for name in ("compact", "http://127.0.0.1:8100", "sam", "sam:"):
        assert eval_commands.boxed(name) is None
