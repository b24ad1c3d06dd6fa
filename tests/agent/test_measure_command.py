"""``parsechat measure``: one file, folders with everything in them, continued runs."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from agent import measure_command
from agent.cli import main
from tests.shapes_parser import ShapesParser
from tests.tools.reading_files import write_dicom
from tools.cohort import measure_scan
from tools.reading.process import POOL

RETINA = Path(skimage.__file__).parent / "data" / "retina.jpg"
REPO = Path(__file__).resolve().parents[2]
BOXES = {"liver": [(10, 10, 30, 40), (50, 50, 56, 56)], "spleen": [(0, 0, 9, 9)]}


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the program in this process; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, verb="measure"):
        try:
            main([verb, *map(str, arguments)])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def shapes(monkeypatch):
    """A parser that finds two parts of a liver and a spleen in every picture."""
    parser = ShapesParser(BOXES)
    monkeypatch.setattr(measure_command, "chosen_parser", lambda settings: parser)
    return parser


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 255, (64, 64), dtype=np.uint8)
    Image.fromarray(grey).save(path)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def mixed_folder(folder: Path) -> int:
    """Files as they lie about: three pictures, one DICOM, four that cannot be read."""
    for number in range(3):
        picture(folder / f"p{number}.png", number)
    whole = write_dicom(folder / "whole.dcm", np.zeros((64, 64), np.uint16), Modality="DX")
    (folder / "cut.dcm").write_bytes(whole.read_bytes()[:700])
    (folder / "notes.txt").write_text("Dear colleague,\nthe scan is fine.\n")
    (folder / "empty.png").write_bytes(b"")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros.dcm", bytes(300 << 20))
    return 8


def test_a_real_picture_is_measured_as_ask_measures_it(run, tmp_path):
    # A picture of its own: other tests count how often the whole one is encoded.
    Image.open(RETINA).crop((100, 100, 1300, 1300)).save(tmp_path / "eye.png")
    code, out, _ = run("eye.png", "-p", "optic disc", "--json")
    document = json.loads(out)
    assert code == 0
    assert (document["run"]["parser"], document["measured"], document["failed"]) == (
        "compact",
        1,
        0,
    )
    total, part = document["rows"]
    assert (total["row"], part["row"], total["present"], total["parts"]) == (
        "total",
        "part",
        True,
        1,
    )
    assert total["area_px2_low"] <= total["area_px2"] <= total["area_px2_high"]
    answer = json.loads(run("eye.png", "how large is the optic disc?", "--json", verb="ask")[1])
    asked = {m["name"]: m for m in answer["turns"][0]["measurements"]}
    for name, column in [
        ("area", "area_px2"),
        ("longest_diameter", "longest_diameter_px"),
        ("perpendicular_diameter", "perpendicular_diameter_px"),
        ("fraction_of_image", "fraction_of_image_percent"),
    ]:
        found = [asked[name][key] for key in ("value", "low", "high")]
        assert found == pytest.approx([total[column + end] for end in ("", "_low", "_high")])


def test_one_file_prints_its_measurements(run, shapes, tmp_path):
    picture(tmp_path / "a.png")
    code, out, _ = run("a.png", "-p", "liver", "-p", "polyp")
    assert code == 0
    for text in ("liver: 2 parts (presence 0.97)", "636 px²", "part 2: 36 px²", "polyp: not seen"):
        assert text in out
    assert "Research use only" in out


def test_a_folder_gives_a_table_with_failures_as_rows(run, shapes, tmp_path):
    files = mixed_folder(tmp_path / "in")
    code, out, err = run("in", "-p", "liver", "--csv", "out/t.csv", "--sheet", "out/s.png")
    assert code == 0
    rows = table(tmp_path / "out" / "t.csv")
    assert len({row["number"] for row in rows}) == files
    failed = {row["file"]: row["error"] for row in rows if row["row"] == "failure"}
    assert set(failed) == {"cut.dcm", "notes.txt", "empty.png", "bomb.zip"}
    for name, word in [("cut.dcm", "cut short"), ("notes.txt", "text"), ("bomb.zip", "200 times")]:
        assert word in failed[name]
    measured = [row for row in rows if row["row"] == "total"]
    assert {row["area_px2"] for row in measured} == {"636"}
    assert "4 could not be read" in out
    assert (tmp_path / "out" / "s.png").stat().st_size > 5000
    # File names are in the table alone.
    assert not any(name in out + err for name in [*failed, "p0.png", "whole.dcm"])


def test_without_csv_a_folder_prints_a_line_for_each_object(run, shapes, tmp_path):
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"")
    code, out, _ = run("in", "-p", "liver", "-p", "spleen")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].strip().startswith("1  a.png  liver: 2 parts")
    assert "81 px²" in lines[1]
    assert "This file is empty" in lines[2]


def test_own_files_are_not_measured_when_they_lie_in_the_folder(run, shapes, tmp_path):
    picture(tmp_path / "in" / "a.png")
    for _ in range(2):
        assert run("in", "-p", "liver", "--csv", "in/t.csv", "--sheet", "in/s.png")[0] == 0
    assert {row["file"] for row in table(tmp_path / "in" / "t.csv")} == {"a.png"}


def test_a_table_is_continued_and_only_what_is_new_is_measured(run, shapes, tmp_path):
    picture(tmp_path / "in" / "b.png", 1)
    run("in", "-p", "liver", "--csv", "t.csv")
    picture(tmp_path / "in" / "a.png", 2)
    asked = len(shapes.asked)
    code, out, _ = run("in", "-p", "liver", "--csv", "t.csv", "--json")
    assert code == 0
    assert len(shapes.asked) == asked + 1
    document = json.loads(out)
    assert (document["measured"], document["measured_before"]) == (1, 1)
    assert [row["file"] for row in document["rows"] if row["row"] == "total"] == ["a.png"]
    totals = [row for row in table(tmp_path / "t.csv") if row["row"] == "total"]
    assert [(row["number"], row["file"]) for row in totals] == [("1", "b.png"), ("2", "a.png")]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("-p", "spleen"), "other phrases"),
        (("--scale", "0.5"), "another scale"),
        (("--modality", "CT"), "another modality"),
    ],
)
def test_other_settings_are_refused_in_one_sentence(run, shapes, tmp_path, more, says):
    picture(tmp_path / "in" / "a.png")
    run("in", "-p", "liver", "--csv", "t.csv")
    before = (tmp_path / "t.csv").read_bytes()
    code, out, err = run("in", "-p", "liver", "--csv", "t.csv", *more)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert (tmp_path / "t.csv").read_bytes() == before


def test_other_weights_are_refused(run, shapes, tmp_path):
    from dataclasses import replace

    picture(tmp_path / "in" / "a.png")
    run("in", "-p", "liver", "--csv", "t.csv")
    shapes.info = replace(shapes.info, weights_sha256="1" * 64)
    code, _, err = run("in", "-p", "liver", "--csv", "t.csv")
    assert code == 2
    assert "other weights" in err


def test_a_scale_gives_millimetres_and_a_scale_of_the_file_is_replaced_aloud(run, shapes, tmp_path):
    picture(tmp_path / "in" / "a.png")
    spacing = {"Modality": "CT", "PixelSpacing": [0.7, 0.7]}
    write_dicom(tmp_path / "in" / "b.dcm", np.zeros((64, 64), np.uint16), **spacing)
    run("in", "-p", "liver", "--csv", "t.csv", "--scale", "0.5")
    of_dicom, of_picture = (r for r in table(tmp_path / "t.csv") if r["row"] == "total")
    assert [float(r["area_mm2"]) for r in (of_dicom, of_picture)] == [159, 159]
    assert {r["spacing_source"] for r in (of_dicom, of_picture)} == {"user"}
    assert "(dicom-pixel-spacing) was replaced" in of_dicom["warnings"]
    assert "replaced" not in of_picture["warnings"]


def test_nothing_readable_is_exit_two_and_one_sentence(run, shapes, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    code, out, err = run("in", "-p", "liver", "--json")
    assert (code, out) == (2, "")
    assert "text, not an image" in err
    (tmp_path / "in" / "b.txt").write_text("hello again")
    code, _, err = run("in", "-p", "liver", "--csv", "t.csv")
    assert code == 2
    assert "None of the 2 files could be read" in err
    assert [row["row"] for row in table(tmp_path / "t.csv")] == ["failure", "failure"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("in", "-p", " "),
        ("in",),
        ("-p", "liver"),
        ("missing", "-p", "liver"),
        ("empty", "-p", "liver"),
        ("in", "-p", "liver", "--scale", "0"),
        ("in", "-p", "liver", "--scale", "nan"),
        ("in", "-p", "liver", "--scale", "1e9"),
        ("in", "-p", "liver", "--modality", "telepathy"),
        ("in", "-p", "liver", "--sheet", "s.jpg"),
        ("in", "-p", "liver", "--csv", "t.csv", "--sheet", "in/a.png"),
        ("a\0b", "-p", "liver"),
        ("in", "-p", "liver", "--csv", "in"),
    ],
)
def test_bad_requests_are_one_sentence_and_exit_two(run, shapes, tmp_path, arguments):
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "empty").mkdir()
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1
    assert str(tmp_path) not in err


def test_a_bug_over_one_file_is_a_row_and_the_others_are_measured(
    run, shapes, tmp_path, monkeypatch
):
    for name in "abc":
        picture(tmp_path / "in" / f"{name}.png", ord(name))
    calls = []

    def sometimes(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("secret value")
        return measure_scan(*arguments, **options)

    monkeypatch.setattr(measure_command, "measure_scan", sometimes)
    code, _, err = run("in", "-p", "spleen", "--csv", "t.csv")
    assert code == 1
    kinds = [row["row"] for row in table(tmp_path / "t.csv")]
    assert kinds == ["total", "part", "failure", "total", "part"]
    assert "secret value" not in err


def test_hundreds_of_files_are_measured_by_one_worker_in_flat_memory(run, shapes, tmp_path):
    folder, draw = tmp_path / "in", random.Random(3)
    for number in range(240):
        path = folder / f"{draw.choice('abcdef')}" / f"{number:03}"
        kind = number % 6
        if kind == 5:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".txt").write_bytes(draw.choice([b"", b"words\n", bytes(200)]))
        else:
            picture(path.with_suffix(".png"), number)
    mixed_folder(folder / "mixed")
    peaks = []

    def watch(*_, **__):
        peaks.append(_resident())
        return shapes.parse_first(*_, **__)

    shapes.parse_first, shapes.parse = shapes.parse, watch
    code, _, _ = run("in", "-p", "liver", "--csv", "t.csv", "--sheet", "s.png")
    worker = POOL.pid
    assert code == 0
    rows = table(tmp_path / "t.csv")
    assert len({row["number"] for row in rows}) == 248
    assert len([row for row in rows if row["row"] == "failure"]) == 44
    assert sorted(p.name for p in tmp_path.glob("s*.png")) == [
        "s-2.png", "s-3.png", "s-4.png", "s-5.png", "s-6.png", "s-7.png", "s-8.png", "s-9.png",
        "s.png",
    ]  # fmt: skip
    assert peaks[-1] - peaks[60] < 20 << 20
    run("in/mixed/p0.png", "-p", "liver")
    assert POOL.pid == worker  # damaged files did not end it


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


SLOW_RUN = """
import signal, sys, time
# Where tests run in a shell's background, Ctrl-C is ignored, and would be here.
signal.signal(signal.SIGINT, signal.default_int_handler)
from agent import measure_command
from agent.cli import main
from tests.shapes_parser import ShapesParser
class Slow(ShapesParser):
    def parse(self, *a, **k):
        time.sleep(0.3)
        return super().parse(*a, **k)
parser = Slow({"liver": [(10, 10, 30, 40), (50, 50, 56, 56)]})
measure_command.chosen_parser = lambda settings: parser
main(["measure", "in", "-p", "liver", "--csv", "t.csv", "--sheet", "s.png"])
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_continues_without_loss_or_repeat(run, shapes, tmp_path, how):
    for number in range(40):
        picture(tmp_path / "in" / f"{number:02}.png", number)
    start = [sys.executable, "-c", SLOW_RUN]
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    with subprocess.Popen(
        start, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        deadline = time.monotonic() + 60
        path = tmp_path / "t.csv"
        while not (path.exists() and path.read_bytes().count(b"\n") > 10):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
    before = table(path)
    assert 3 < len({row["number"] for row in before}) < 40
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert b"Traceback" not in err
        assert b"Stopped" in err
        assert (tmp_path / "s.png").exists()
    assert run("in", "-p", "liver", "--csv", "t.csv", "--sheet", "s.png")[0] == 0
    rows = table(path)
    assert [row["file"] for row in rows] == [f"{n:02}.png" for n in range(40) for _ in range(3)]
    assert [row["number"] for row in rows] == [str(n + 1) for n in range(40) for _ in range(3)]
    assert rows[: len(before)] == before
