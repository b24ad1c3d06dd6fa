"""`parsechat data build` as its users meet it, and the wordings an LLM may add."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image

from agent.cli import main
from agent.paraphrasing import Paraphraser, means
from parser_model.ontology import ontology
from tests.agent.openai_server import openai_server
from tests.parser_model.training.conftest import write_split


def call(arguments, capsys) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    return int(stop.value.code or 0), out, err


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw"
    root.mkdir()
    write_split(root, "train", 3, seed=0)
    return root


@pytest.fixture
def llm(monkeypatch, tmp_path):
    """Settings of an endpoint that `openai_server` stands for."""

    def use(peer):
        monkeypatch.setenv("PARSECHAT_LLM", "openai")
        monkeypatch.setenv("PARSECHAT_LLM_BASE_URL", peer.base_url)
        monkeypatch.setenv("PARSECHAT_LLM_MODEL", "scripted")
        monkeypatch.setenv("PARSECHAT_HOME", str(tmp_path / "home"))

    return use


def test_one_document_and_a_table(raw, tmp_path, capsys):
    out = tmp_path / "out"
    code, text, _ = call(["data", "build", raw, "--out", out, "--json"], capsys)
    assert code == 0
    document = json.loads(text)
    assert (document["images"], document["masks"], document["patients"]) == (3, 3, 3)
    assert document["by_target"] == {"X-Ray left lung": 3}
    assert document["problems"] == []
    code, text, err = call(["data", "build", raw, "--out", out], capsys)
    assert (code, text) == (2, "")
    assert "not empty" in err


def test_problems_and_unknown_names_are_told(raw, tmp_path, capsys):
    grey = Image.fromarray(np.full((64, 64), 255, np.uint8))
    grey.save(raw / "train_mask" / "a-0_X-Ray_chest_rib.png")
    grey.save(raw / "train_mask" / "a-1_X-Ray_chest_Jane+Doe.png")
    (raw / "train" / "a-2_X-Ray_chest.png").write_bytes(b"no picture")
    code, text, err = call(["data", "build", raw, "--out", tmp_path / "out"], capsys)
    assert code == 0
    assert "train/a-2_X-Ray_chest.png: Case 3 is left out: a picture cannot be read" in err
    assert "2 images with 2 masks of 2 patients" in text
    assert "'rib' 1" in text
    assert "'(words that are not known)' 1" in text
    assert "Doe" not in text + err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--slices", "0"], "numbers above zero"),
        (["--val", "1"], "share of patients"),
        (["--seed", "-1"], "--seed is zero or more"),
        (["--nc", "maybe"], "--nc is yes"),
        (["--modality", "telepathy"], "do not know the modality"),
        (["--labels", "liver"], "no such pair"),
        (["--llm", "abacus"], "llm"),
    ],
)
def test_requests_that_make_no_sense(raw, tmp_path, capsys, more, said):
    code, text, err = call(["data", "build", raw, "--out", tmp_path / "out", *more], capsys)
    assert (code, text) == (2, "")
    assert said in err


REPLY = """1. Left lung organ
- the left lung
* left lung field
right lung
left lung tumor
"left pulmonary lobe tissue"
spaceship
"""


def test_an_llm_adds_wordings_that_are_checked_and_asked_once(raw, tmp_path, capsys, llm):
    with openai_server([REPLY]) as peer:
        llm(peer)
        for name in ("one", "two"):
            code, _, err = call(["data", "build", raw, "--out", tmp_path / name], capsys)
            assert code == 0, err
        assert len(peer.requests) == 1  # the second time the answer was on disk
        sent = json.dumps(peer.requests[0])
        assert peer.requests[0]["messages"][1]["content"] == "left lung"
    for word in ("a-0", "chest", "raw", str(tmp_path), "train"):
        assert word not in json.dumps(peer.requests[0]["messages"][1]), word
    assert "image" not in [m.get("type") for m in peer.requests[0]["messages"]]
    assert len(sent) < 3000  # words alone, no pixels
    kept = json.loads((tmp_path / "two" / "paraphrases.json").read_text())
    assert kept == {"left lung": ["left lung organ", "the left lung", "left lung field"]}
    with (tmp_path / "two" / "triples.csv").open(newline="") as stream:
        phrases = {row["phrase"] for row in csv.DictReader(stream) if row["present"] == "yes"}
    assert "left lung organ" in phrases
    assert "right lung" not in phrases


def test_an_endpoint_that_fails_is_one_sentence(raw, tmp_path, capsys, llm):
    with openai_server([500, 500, 500]) as peer:
        llm(peer)
        code, text, err = call(["data", "build", raw, "--out", tmp_path / "out"], capsys)
    assert (code, text) == (2, "")
    assert "did not answer" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("phrase", "target", "meant"),
    [
        ("hepatic parenchyma", "liver", True),
        ("liver organ proper", "liver", True),
        ("liver tumor", "liver", False),
        ("left kidney", "kidney", False),
        ("left kidney organ", "left kidney", True),
        ("organ beside the liver", "liver", False),
        ("no liver", "liver", False),
        ("organ of detoxification", "liver", False),
        ("", "liver", False),
        ("liver " * 9, "liver", False),
        ("colon polyp growth", "polyp", False),
        ("肝脏", "liver", True),
    ],
)
def test_a_paraphrase_must_keep_its_target(phrase, target, meant):
    assert means(phrase, target, ontology()) is meant


def test_a_damaged_answer_on_disk_is_asked_again(tmp_path):
    class Model:
        asked = 0

        def invoke(self, messages):
            Model.asked += 1
            return type("Reply", (), {"content": "liver tissue"})()

    ask = Paraphraser(Model(), "m", ontology(), tmp_path)  # type: ignore[arg-type]
    assert list(ask("liver")) == ["liver tissue"]
    (path,) = tmp_path.rglob("liver.json")
    path.write_text("{")
    assert list(ask("liver")) == ["liver tissue"]
    assert Model.asked == ask.asked == 2
