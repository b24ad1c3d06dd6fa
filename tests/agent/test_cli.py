"""The command line as scripts and people use it, with the bundled parser on real pictures."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from agent.cli import main
from agent.diagnostics import _in_short
from parser_model.loading import WEIGHTS

RETINA = Path(skimage.__file__).parent / "data" / "retina.jpg"


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Run the program in this process; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        try:
            main([str(a) for a in arguments])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_three_answers_from_one_encoding(run, tmp_path):
    code, out, _ = run(
        "ask", RETINA, "how large is the optic disc?",
        "--then", "and what share of the image is that?",
        "--then", "how wide is it?",
        "--out", tmp_path / "case", "--json",
    )  # fmt: skip
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"run", "scans", "turns"}
    assert document["run"]["parser"] == "compact"
    assert len(document["turns"]) == 3
    encoded = [c["encoded"] for t in document["turns"] for c in t["calls"]]
    assert encoded.count(True) == 1
    turn = document["turns"][0]
    names = {m["name"] for m in turn["measurements"]}
    assert {"area", "fraction_of_image", "longest_diameter", "perpendicular_diameter"} <= names
    mask = np.asarray(Image.open(turn["objects"][0]["mask_file"])) > 0
    assert list(mask.shape) == document["scans"][0]["shape"]
    area = next(m for m in turn["measurements"] if m["name"] == "area")
    assert (area["value"], area["unit"]) == (mask.sum(), "px2")
    assert all(not t["unverified"] for t in document["turns"])
    assert Path(turn["objects"][0]["overlay_file"]).is_file()


def test_absent_object_is_refused_with_exit_zero(run):
    code, out, _ = run("ask", RETINA, "where is the polyp?", "--json")
    turn = json.loads(out)["turns"][0]
    assert code == 0
    assert turn["refused"]
    assert "optic disc" in turn["answer"]
    assert turn["objects"][0]["mask_file"] is None


def test_person_reads_answer_notes_and_notice(run):
    code, out, _ = run("ask", RETINA, "how large is the optic disc?")
    assert code == 0
    assert "px²" in out
    assert "%" in out
    assert "Planner: offline" in out
    assert "Research use only" in out


def test_scale_gives_millimetres(run):
    _, out, _ = run("ask", RETINA, "how large is the optic disc?", "--scale", "0.005", "--json")
    document = json.loads(out)
    assert document["scans"][0]["spacing_mm"] == [0.005, 0.005]
    assert document["scans"][0]["spacing_source"] == "user"
    units = {m["name"]: m["unit"] for m in document["turns"][0]["measurements"]}
    assert (units["area"], units["longest_diameter"]) == ("mm2", "mm")


def test_a_scale_that_replaces_that_of_the_file_is_told(run):
    from pydicom.data import get_testdata_file

    file = get_testdata_file("CT_small.dcm", download=False)
    _, out, _ = run("ask", file, "how large is the liver?", "--scale", "0.5", "--json")
    document = json.loads(out)
    assert document["scans"][0]["spacing_source"] == "user"
    warnings = document["turns"][0]["warnings"]
    assert (
        "The scale of the file (dicom-pixel-spacing) was replaced by the one you gave." in warnings
    )


def test_one_of_several_series_or_volumes_can_be_chosen(run, tmp_path):
    from nibabel.nifti1 import Nifti1Image

    from tests.tools.reading_files import write_dicom

    for number in range(5):
        where = {
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [0, 0, number],
            "PixelSpacing": [1, 1],
            "SeriesInstanceUID": "1.2" if number < 3 else "1.3",
        }
        path = tmp_path / "study" / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        write_dicom(path, np.full((32, 32), number, np.uint16), Modality="CT", **where)
    grid = np.diag([1.0, 1.0, 1.0, 1.0])
    over_time = np.zeros((20, 30, 4, 3), np.int16)
    Nifti1Image(over_time, grid).to_filename(tmp_path / "time.nii")
    for path, option, number, says in [
        ("study", "--series", 2, "series 2 (2 slices) was read"),
        ("time.nii", "--frame", 3, "3"),
    ]:
        code, out, _ = run("ask", path, "how large is the liver?", option, number, "--json")
        assert code == 0
        assert any(says in note for note in json.loads(out)["turns"][0]["warnings"])
        code, out, err = run("parse", path, "-p", "liver", option, 9)
        assert (code, out) == (2, "")
        assert "9" in err


def test_parse_gives_masks_and_presence(run):
    code, out, _ = run("parse", RETINA, "-p", "optic disc", "-p", "zork", "--json")
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"run", "scan", "objects"}
    disc, unknown = document["objects"]
    assert disc["target"] == "optic disc"
    assert disc["present"]
    assert (unknown["target"], unknown["presence"], unknown["present"]) == (None, None, False)


def test_what_words_were_taken_for_is_said_beside_them(run):
    _, out, _ = run("parse", RETINA, "-p", "the hollow in the optic disc")
    assert out.startswith("hollow in the optic disc (optic cup): ")
    _, out, _ = run("ask", RETINA, "How large is the optic nerve head?")
    assert "  optic nerve head (optic disc): mask " in out


def test_find_labels_what_it_recognises(run):
    code, out, _ = run("find", RETINA, "--json")
    assert code == 0
    assert "optic disc" in {o["target"] for o in json.loads(out)["objects"]}


def test_doctor_and_models(run):
    code, out, _ = run("doctor", "--json")
    assert code == 0
    assert json.loads(out)["problems"] == []
    code, out, _ = run("models", "info", "compact", "--json")
    assert code == 0
    assert "research" in json.loads(out)["licence"].lower()
    assert run("models", "list")[0] == 0


def test_models_info_tells_in_short_what_made_the_weights(run):
    """Every run with its command, the first one first; all numbers of the record with --json."""
    record = json.loads(run("models", "info", "compact", "--json")[1])["training"]
    out = run("models", "info", "compact")[1]
    assert all(len(line) <= 97 for line in out.splitlines())
    told = " ".join(out.split())
    assert f"{record['data']['images']} images with {record['data']['masks']} masks" in told
    commands = [record["command"]]
    while record["before"]:
        record = record["before"]
        commands.insert(0, record["command"])
    starts = [told.index(f"run {number} {text} (") for number, text in enumerate(commands, 1)]
    assert starts == sorted(starts)
    assert "docs/model-card.md" in told


def test_models_info_knows_weights_by_their_file_as_parser_does(run, tmp_path):
    path = tmp_path / "mine" / "compact.best.safetensors"
    path.parent.mkdir()
    path.write_bytes((WEIGHTS / "compact.safetensors").read_bytes())
    named, given = (json.loads(run("models", "info", x, "--json")[1]) for x in ("compact", path))
    assert given["training"] == named["training"]
    assert given["weights_sha256"] == named["weights_sha256"]
    out = run("models", "info", path)[1]
    assert "run 1 " in out
    assert "model-card" not in out  # which is of the bundled weights
    unvalidated = {**named["training"], "validation": None}  # trained without a val/
    assert "validation" not in _in_short(unvalidated)
    code, _, err = run("models", "info", tmp_path / "none.safetensors")
    assert code == 2
    assert "none.safetensors" in err


def huge_png() -> bytes:
    """A PNG whose header claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = (60_000).to_bytes(4, "big")
    header = size + size + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def truncated_dicom() -> bytes:
    from pydicom.data import get_testdata_file

    return Path(str(get_testdata_file("CT_small.dcm", download=False))).read_bytes()[:3000]


BAD_FILES = {
    "text.png": b"just some words, no image at all\n",
    "cut.dcm": truncated_dicom(),
    "empty.png": b"",
    "huge.png": huge_png(),
    "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
}


@pytest.mark.parametrize("name", [*BAD_FILES, "folder", "missing.png"])
def test_bad_input_is_one_sentence_and_exit_two(run, tmp_path, name):
    path = tmp_path / name
    if name in BAD_FILES:
        path.write_bytes(BAD_FILES[name])
    elif name == "folder":
        path.mkdir()
    code, out, err = run("ask", path, "how large is the liver?")
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err
    assert str(tmp_path) not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", RETINA, "  "),
        ("ask", RETINA),
        ("ask", RETINA, "how large?", "--scale", "-1"),
        ("ask", RETINA, "how large is the disc?", "--modality", "telepathy"),
        ("ask", RETINA, "how large is the disc?", "--parser", "magic"),
        ("ask", RETINA, "how large is the disc?", "--llm", "magic"),
        ("ask", RETINA, "how large is the disc?", "--precision", "fp99"),
        ("parse", RETINA, "-p", " "),
        ("parse", RETINA),
        ("ask", "--bogus"),
        ("dance",),
    ],
)
def test_bad_requests_are_one_sentence_and_exit_two(run, arguments):
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert len(err.strip().splitlines()) == 1


def test_without_arguments_the_help_is_shown(run):
    code, out, _ = run()
    assert code == 0
    assert "Research use only" in out
    assert "compact" in run("models")[1]


def test_help_needs_nothing_heavy():
    code = (
        "import sys, agent.cli\n"
        "try: agent.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'langchain', 'chainlit', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'{heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Research use only" in done.stdout


def test_an_offline_answer_loads_neither_an_endpoint_client_nor_symbolic_mathematics(tmp_path):
    # Each takes seconds to load: the first answer came as late as its imports.
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "grey.png")
    code = (
        "import sys, agent.cli\n"
        "try: agent.cli.main(['ask', 'grey.png', 'how large is the polyp?'])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "needless = {'openai', 'aiohttp', 'sympy', 'torch._dynamo'} & set(sys.modules)\n"
        "sys.exit(f'{needless}' if needless else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "polyp" in done.stdout


def test_a_bug_is_told_with_an_id_and_without_a_traceback(run, monkeypatch):
    from agent import commands

    def broken(*_, **__):
        raise KeyError("secret value")

    monkeypatch.setattr(commands, "ask", broken)
    code, _, err = run("ask", RETINA, "how large is the disc?")
    assert code == 1
    assert "id" in err
    assert "secret value" not in err
