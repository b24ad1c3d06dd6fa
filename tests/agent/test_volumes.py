"""Volumes as people meet them: the command line, the answer, the stop button, the page."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from agent import Conversation
from agent.chat import pictures, present
from agent.chat.sessions import ChatSession
from agent.cli import main
from agent.events import ToolProgress, TurnFinished
from tests.shapes_parser import BrightParser
from tests.tools.reading_volumes import write_nifti
from tools import Scan
from tools.geometry import Geometry

LITRE = (100, 100, 100)  # voxels of a cube of 10 cm


@pytest.fixture
def samples(data_root):
    folder = data_root / "data" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no samples in {folder}")
    return folder


@pytest.fixture
def run(capsys):
    """Run the program in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        try:
            main([str(a) for a in arguments])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def volume(slices=12):
    """A bright box of 10 x 20 x (slices - 6) voxels of 2 x 1 x 4 mm in the dark."""
    pixels = np.zeros((30, 40, slices), np.uint8)
    pixels[5:15, 10:30, 3 : slices - 3] = 200
    geometry = Geometry((2.0, 1.0, 4.0), "user")
    return Scan(pixels, geometry, modality="CT", value_unit="HU", window=(100, 200))


@pytest.fixture
def conversation(tmp_path):
    made = Conversation(parser=BrightParser(), directory=tmp_path / "case")
    made.add_scan(volume())
    return made


# ------------------------------------------------------------------ the command line


def test_asking_a_ct_series_how_large_the_liver_is(run, samples, tmp_path):
    code, out, err = run(
        "ask", samples / "ct_series_j2k", "how large is the liver?",
        "--out", tmp_path / "case", "--json",
    )  # fmt: skip
    assert code == 0, err
    document = json.loads(out)
    (turn,) = document["turns"]
    assert document["scans"][0]["shape"] == [512, 512, 20]
    # How wide the range is, is a matter of the weights; that there is one is not.
    said = r"takes up \d+ mL \(\d+–\d+(, very uncertain)?\), largest on slice \d+"
    assert re.search(said, turn["answer"])
    (liver,) = turn["objects"]
    found = {(m["name"], m["part"]): m for m in turn["measurements"]}
    mask: Any = nibabel.load(liver["mask_file"])
    voxels = np.asarray(mask.dataobj)
    assert voxels.shape == (512, 512, 20)
    assert found["volume", None]["value"] == pytest.approx(
        voxels.sum() * np.prod(mask.header.get_zooms()), rel=1e-5
    )
    assert found["volume", None]["unit"] == "mm3"
    assert found["volume", None]["low"] <= found["volume", None]["value"]
    assert found["slice", None]["value"] == liver["slice"] == voxels.sum(axis=(0, 1)).argmax()
    assert f"largest on slice {liver['slice'] + 1}." in turn["answer"]
    assert not turn["unverified"]
    assert not any("only slice" in warning.lower() for warning in turn["warnings"])
    overlay = np.asarray(Image.open(liver["overlay_file"]))
    assert overlay.shape == (512, 512, 3)
    # Public labels of the same series: 5 is the liver.
    drawn: Any = nibabel.load(samples / "ct_series_j2k_seg.nii.gz")
    labels = nibabel.as_closest_canonical(drawn)
    ours = nibabel.as_closest_canonical(mask)
    truth, ours = np.asarray(labels.dataobj) == 5, np.asarray(ours.dataobj) > 0
    assert 2 * (truth & ours).sum() / (truth.sum() + ours.sum()) > 0.88


@pytest.fixture
def nifti(tmp_path):
    """A volume as a file, in the order of axes and voxels of research."""
    stored = volume().pixels.transpose(1, 0, 2).astype(np.int16)
    return write_nifti(tmp_path / "scan.nii.gz", stored, np.diag([1.0, 2.0, 4.0, 1.0]))


def test_parse_looks_at_all_slices_or_at_one(run, nifti, tmp_path):
    code, out, err = run("parse", nifti, "-p", "tumor", "--out", tmp_path / "a", "--json")
    assert code == 0, err
    assert "All 12 slices are looked at; --slice N" in err
    (entry,) = json.loads(out)["objects"]
    assert entry["phrase"] == "tumor"
    code, out, err = run("parse", nifti, "-p", "tumor", "--all-slices", "--out", tmp_path / "b")
    assert code == 0, err
    assert "--slice N" not in err
    code, out, _ = run(
        "parse", nifti, "-p", "tumor", "--slice", 7, "--out", tmp_path / "c", "--json"
    )
    assert code == 0
    (entry,) = json.loads(out)["objects"]
    assert entry["slice"] == 7


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--slice", "12"], "There is no slice 12; this scan has slices 0 to 11, counted from 0."),
        (["--slice", "-1"], "There is no slice -1; this scan has slices 0 to 11, counted from 0."),
        (["--slice", "2", "--all-slices"], "Give either --slice N or --all-slices."),
    ],
)
def test_slices_that_cannot_be_are_refused_in_one_sentence(run, nifti, arguments, says):
    code, out, err = run("parse", nifti, "-p", "liver", *arguments)
    assert (code, out, err.strip()) == (2, "", says)


def test_a_film_and_a_picture_have_no_slices_of_a_volume(run, samples, tmp_path):
    film = samples / "us_multiframe_jpeg.dcm"
    code, _, err = run("parse", film, "-p", "fetal head", "--all-slices")
    assert code == 2
    assert "no slices of a volume" in err
    code, out, err = run("parse", film, "-p", "fetal head", "--out", tmp_path, "--json")
    assert code == 0
    assert json.loads(out)["objects"][0]["slice"] == 2
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    code, _, err = run("parse", tmp_path / "a.png", "-p", "polyp", "--slice", "0")
    assert (code, err.count("\n")) == (2, 1)
    assert "single picture" in err


# ------------------------------------------------------------------ answers


def test_the_answer_gives_volume_key_slice_and_diameters(conversation):
    answer = conversation.ask("How large is the tumour?").answer
    assert "takes up 9.60 mL" in answer  # 10 x 20 x 6 voxels of 8 mm3
    assert "largest on slice 6." in answer  # slices 4 to 9 are alike: the middle one
    assert "longest diameter is 28.3 mm and the diameter across it" in answer
    assert re.search(r"measured on slice \d+\.", answer)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("Which slice shows the tumour best?", "The tumour is largest on slice 6."),
        ("What is the volume of the tumour in mm3?", "The tumour takes up 9600 mm³."),
        ("Where is the tumour?", "on slice 6, where the outline is largest"),
        ("Is there a tumour?", "Yes, I see the tumour"),
        ("How many tumours are there?", "It takes up 9.60 mL."),
        ("What is the mean density of the tumour?", "the mean intensity is 200 HU"),
    ],
)
def test_other_questions_about_a_volume(conversation, question, says):
    turn = conversation.ask(question)
    assert says in turn.answer
    assert not turn.unverified


def test_an_object_cut_off_by_the_end_of_the_stack_may_go_on(conversation, tmp_path):
    assert not any("beyond" in w for w in conversation.ask("How large is the tumour?").warnings)
    cut = volume()
    made = Conversation(parser=BrightParser(), directory=tmp_path / "cut")
    made.add_scan(replace(cut, pixels=cut.pixels[:, :, :7]))
    turn = made.ask("How large is the tumour?")
    assert any("last slice, so the object may go on beyond" in w for w in turn.warnings)


def test_organs_of_a_volume_are_compared_by_volume(tmp_path):
    made = Conversation(parser=BrightParser(), directory=tmp_path)
    made.add_scan(volume())
    answer = made.ask("Is the left kidney larger than the right kidney?").answer
    assert "measures 9.60 mL" in answer
    assert "the ratio of their volumes is 1" in answer


def test_what_a_volume_does_not_hold(conversation):
    conversation.case.scans["scan-1"] = Scan(
        np.zeros((9, 9, 4), np.uint8), Geometry((1, 1, 1), "user"), modality="CT"
    )
    turn = conversation.ask("How large is the liver?")
    assert "I don't see a liver in this volume (presence" in turn.answer
    assert turn.refused


# ------------------------------------------------------------------ progress and stop


async def test_progress_is_told_while_slices_are_looked_at(conversation):
    events = [event async for event in conversation.stream("How large is the tumour?")]
    told = [event for event in events if isinstance(event, ToolProgress)]
    assert [one.total for one in told] == [12] * len(told)
    assert told[-1].done == 12
    assert [one.done for one in told] == sorted({one.done for one in told})
    assert isinstance(events[-1], TurnFinished)
    assert present.under_way("Find liver", told[0]).startswith("Find liver · slice ")


class SlowParser(BrightParser):
    """Takes a while for each call, as a network does."""

    def parse(self, images, prompts, *, modality=None, site=None):
        import time

        time.sleep(0.05)
        return super().parse(images, prompts, modality=modality, site=site)


async def stop_in_the_middle(conversation):
    """Ask about the volume, and press stop when the first slices are done."""
    question = "How large is the tumour?"
    async with aclosing(conversation.stream(question)) as events:
        async for event in events:
            if isinstance(event, ToolProgress):
                break


async def test_stopping_ends_the_work_and_the_next_question_is_answered(tmp_path):
    parser = SlowParser()
    made = Conversation(parser=parser, directory=tmp_path)
    made.add_scan(volume(400))
    await stop_in_the_middle(made)
    at_stop = parser.parsed
    await asyncio.sleep(0.5)
    assert parser.parsed <= at_stop + 8  # the batch that was under way
    assert not made.case.objects
    turn = [e async for e in made.stream("How large is the tumour?")][-1]
    assert isinstance(turn, TurnFinished)
    assert "takes up" in turn.turn.answer


async def test_what_is_added_after_a_stopped_question_is_what_the_next_one_means(tmp_path):
    """A stopped question closes what was added before it, as an answered one does."""
    parser = SlowParser()
    made = Conversation(parser=parser, directory=tmp_path)
    made.add_scan(volume(400))
    await stop_in_the_middle(made)
    made.add_scan(volume(12))
    told = [event async for event in made.stream("How large is the tumour?")]
    assert {event.total for event in told if isinstance(event, ToolProgress)} == {12}
    assert {found.scan for found in made.case.objects.values()} == {"scan-2"}


# ------------------------------------------------------------------ the page


def test_the_page_shows_the_key_slice(conversation):
    turn = conversation.ask("How large is the tumour?")
    session = ChatSession(conversation)
    (props,) = present.overlays(session, turn)
    assert props["scan"]["url"].endswith("/scan-1-slice-5.png")
    assert "slice 6 of 12 · 4 mm from slice to slice" in props["scan"]["facts"]
    (layer,) = props["layers"]
    assert layer["area"].endswith("/mask-1-slice-5.png")
    assert [row["name"] for row in props["measurements"]][:2] == ["Presence", "Volume"]
    shown = pictures.render(conversation, "scan-1-slice-5")
    assert shown is not None
    for item in ("mask-1-slice-5", "mask-1-outline-slice-5", "mask-1-overlay"):
        assert pictures.render(conversation, item), item
    for item in ("scan-1-slice-12", "mask-1", "mask-1-slice-12", "mask-9-slice-1", "scan-1-slice-"):
        assert pictures.render(conversation, item) is None, item
    assert shown != pictures.render(conversation, "scan-1-slice-0")
