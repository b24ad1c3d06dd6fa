"""`parsechat train` as its users meet it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from agent.training_commands import Wanted
from parser_model import load_parser
from parser_model.biomedparse.checkpoint import load_network
from parser_model.compact.weights import file_sha256, load_weights
from parser_model.weights_store.sources import SOURCES
from tests.agent.training_runs import call, tiny_run
from tests.parser_model.weights_store.substitutes import CONFIG, hub_files, small_source

pytestmark = pytest.mark.usefixtures("one_thread")


def test_one_document_with_the_record_and_the_files(data, tmp_path, capsys):
    out = tmp_path / "out"
    code, text, err = call(tiny_run(data, out, "--steps", 2, "--seed", 5, "--json"), capsys)
    assert code == 0, err
    document = json.loads(text)
    assert document["command"] == "parsechat train --data DIR --config tiny.toml --steps 2 --seed 5"
    assert document["seed"] == 5
    assert document["data"]["images"] == 12
    assert len(document["data"]["sha256"]) == 64
    assert document["code"].startswith("parsechat ")
    assert document["precision"] in ("fp32", "bf16")
    assert document["licence_filter"] == "all"
    assert "research use only" in document["licence"]
    assert document["outcome"]["steps"] == 2
    kept = json.loads((out / "run.json").read_text())
    assert kept["data"] == document["data"]
    record = load_weights(out / "compact.safetensors").record
    assert record["data"] == document["data"]
    assert record["validation"]["step"] == 2
    assert (out / "compact.best.safetensors").is_file()
    assert "step 2  100.0 %" in err
    assert "left" in err
    assert "Dice X-Ray" in err
    assert str(tmp_path) not in json.dumps(record)  # nothing of the machine in what is passed on
    parser = load_parser(str(out / "compact.safetensors"))
    assert parser.info.weights_sha256 == file_sha256(out / "compact.safetensors")
    assert parser.info.calibration is None  # the shipped one is of other weights
    (found,) = parser.parse([np.zeros((20, 30, 3), np.uint8)], ["left lung"])[0]
    assert found.target == "left lung"
    assert found.presence is None


def test_problems_are_listed_and_too_many_stop_the_run(data, tmp_path, capsys):
    light = Image.fromarray(np.full((64, 64), 255, np.uint8))
    light.save(data / "train_mask" / "nobody_X-Ray_chest_lung.png")
    code, _, err = call(tiny_run(data, tmp_path / "out", "--steps", 1), capsys)
    assert code == 0
    assert "train_mask/nobody_X-Ray_chest_lung.png has no image of its name." in err
    assert "Of 25 files 1 are left out (mask without image 1)." in err
    for number in range(70):
        light.save(data / "train" / f"wrong-{number}.png")
    code, text, err = call(tiny_run(data, tmp_path / "more", "--steps", 1), capsys)
    assert (code, text) == (2, "")
    assert "71 of 95 files cannot be used" in err
    assert "and 21 more: all are in problems.txt" in err
    assert len((tmp_path / "more" / "problems.txt").read_text().splitlines()) == 71
    code, text, _ = call(
        tiny_run(data, tmp_path / "more", "--steps", 1, "--skip-bad", "--json"), capsys
    )
    assert code == 0
    problems = json.loads(text)["problems"]
    assert problems["counts"] == {"bad name": 70, "mask without image": 1}
    assert len(problems["files"]) == 71


def test_problems_of_val_are_listed_too_and_stop_the_run_too(data, tmp_path, capsys):
    light = Image.fromarray(np.full((64, 64), 255, np.uint8))
    light.save(data / "val_mask" / "nobody_X-Ray_chest_lung.png")
    run = tiny_run(data, tmp_path / "out", "--steps", 1)
    code, _, err = call(run, capsys)
    assert code == 2
    assert err.splitlines()[-3:] == [
        "val_mask/nobody_X-Ray_chest_lung.png has no image of its name.",
        "Of 5 files of val 1 are left out (mask without image 1).",
        "1 of 5 files cannot be used (listed above); repair them, or leave them out with "
        "--skip-bad.",
    ]
    code, text, err = call([*run, "--skip-bad", "--json"], capsys)
    assert code == 0, err
    assert json.loads(text)["problems"] == {
        "skipped": 1,
        "counts": {"mask without image": 1},
        "files": [
            {
                "file": "val_mask/nobody_X-Ray_chest_lung.png",
                "kind": "mask without image",
                "sentence": "val_mask/nobody_X-Ray_chest_lung.png has no image of its name.",
            }
        ],
    }
    shutil.rmtree(data / "val_mask")
    code, _, err = call(tiny_run(data, tmp_path / "more", "--steps", 1), capsys)
    assert code == 2
    assert err.splitlines()[-1] == "The folder val_mask is missing under the data folder."


def test_patients_in_train_and_in_val_are_counted_and_told(data, tmp_path, capsys):
    """As the manifest names them: that images are called alike says nothing."""
    lines = ["image,mask,source,patient"]
    for image, source, patient in (
        ("train/a-0", "S", "p1"),
        ("train/a-1", "S", "p1"),
        ("train/a-2", "S", ""),
        ("val/a-0", "S", "p1"),
        ("val/a-1", "T", "p1"),
        ("val/a-2", "S", ""),
    ):
        lines.append(f"{image}_X-Ray_chest.png,,{source},{patient}")
    for run in range(2):
        code, _, err = call(tiny_run(data, tmp_path / f"{run}", "--steps", 1), capsys)
        assert code == 0, err
        assert ("Patients both in train and in the validation: 1, so" in err) is (run == 1)
        (data / "manifest.csv").write_text("\n".join(lines) + "\n")


def test_a_permissive_run_names_what_it_lacks(data, tmp_path, capsys):
    polyp = Image.fromarray(np.full((64, 64), 255, np.uint8))
    polyp.save(data / "train" / "e_endoscope_colon.png")
    polyp.save(data / "train_mask" / "e_endoscope_colon_polyp.png")
    lines = ["image,mask,source,patient,nc"]
    for number in range(12):
        stem = f"a-{number}_X-Ray_chest"
        lines.append(f"train/{stem}.png,train_mask/{stem}_left+lung.png,S,p{number},no")
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    arguments = tiny_run(data, tmp_path / "out", "--steps", 1, "--licence", "permissive")
    code, text, err = call(arguments, capsys)
    assert code == 0
    assert "With --licence permissive there is no data of endoscope." in err
    assert "It has seen no endoscope." in text
    record = load_weights(tmp_path / "out" / "compact.safetensors").record
    assert record["missing_modalities"] == ["endoscope"]
    assert record["licence_filter"] == "permissive"
    assert record["data"]["sources"] == ["S"]


def test_a_permissive_run_from_research_weights_stays_research_and_says_why(data, tmp_path, capsys):
    lines = ["image,mask,source,patient,nc"]
    for number in range(12):
        stem = f"a-{number}_X-Ray_chest"
        lines.append(f"train/{stem}.png,train_mask/{stem}_left+lung.png,S,p{number},no")
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    research, further = tmp_path / "research", tmp_path / "further"
    assert call(tiny_run(data, research, "--steps", 1), capsys)[0] == 0
    plan = (data.parent / "tiny.toml").read_text().partition("[network]")[0]
    (data.parent / "tiny.toml").write_text(plan)  # the start brings its sizes along
    start = ["--start", research / "compact.safetensors", "--licence", "permissive"]
    code, text, err = call(tiny_run(data, further, "--steps", 1, *start), capsys)
    assert code == 0, err
    told = "The weights it starts from are for research use only (LICENSE-WEIGHTS), so the new ones"
    assert told in err
    assert "research use only (LICENSE-WEIGHTS), like the weights they started from" in text
    record = load_weights(further / "compact.safetensors").record
    assert record["licence"] == "research use only (LICENSE-WEIGHTS)"


def test_sources_left_out_are_neither_trained_nor_validated_on(data, tmp_path, capsys):
    polyp = Image.fromarray(np.full((64, 64), 255, np.uint8))
    polyp.save(data / "train" / "e_endoscope_colon.png")
    polyp.save(data / "train_mask" / "e_endoscope_colon_polyp.png")
    lines = ["image,mask,source,patient", "train/e_endoscope_colon.png,,Polyps,e"]
    for split, count in (("train", 12), ("val", 2)):
        for number in range(count):
            source = "Lungs A" if number % 2 else "Lungs B"
            lines.append(f"{split}/a-{number}_X-Ray_chest.png,,{source},{split}{number}")
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    arguments = tiny_run(data, tmp_path / "out", "--steps", 1, "--leave-out", "Lungs A, Polyps")
    code, text, err = call([*arguments, "--json"], capsys)
    assert code == 0, err
    assert "6 images with 6 masks of X-Ray." in err
    assert "Validation on 1 images of val." in err
    assert "Left out: Lungs A, Polyps." in err
    document = json.loads(text)
    assert document["command"].endswith("--steps 1 --leave-out 'Lungs A,Polyps'")
    assert document["missing_modalities"] == ["endoscope"]
    record = load_weights(tmp_path / "out" / "compact.safetensors").record
    assert record["data"]["sources"] == ["Lungs B"]
    assert record["data"]["left_out_sources"] == ["Lungs A", "Polyps"]
    assert record["data"]["validation_images"] == 1


def test_the_recorded_command_has_all_that_was_given(tmp_path):
    wanted = Wanted(
        tmp_path,
        str(tmp_path / "my plan.toml"),
        steps=3,
        start=tmp_path / "start.pt",
        tokenizer=tmp_path / "merges.txt",
        freeze="text",
        resume=True,
        skip_bad=True,
        device="cpu",
        precision="fp32",
    )
    assert wanted.command == (
        "parsechat train --data DIR --config 'my plan.toml' --steps 3 --freeze text --start FILE "
        "--tokenizer FILE --device cpu --precision fp32 --skip-bad --resume"
    )
    assert Wanted(tmp_path, "presence").command == "parsechat train --data DIR --config presence"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--steps", "0"], "--steps is a number above zero"),
        (["--minutes", "0"], "--minutes is a time above zero"),
        (["--minutes", "1", "--steps", "1"], "not both"),
        (["--steps", "1", "--device", "abacus"], "Unknown device"),
        (["--steps", "1", "--licence", "mine"], "Unknown licence filter"),
        (["--steps", "1", "--freeze", "text"], "--freeze is for --config biomedparse"),
        (["--steps", "1", "--tokenizer", "x"], "--tokenizer is for --config biomedparse"),
        (["--steps", "1", "--seed", "-1"], "seed in the plan is zero or more"),
        (["--minutes", "nan"], "minutes in the plan is a number above zero, not nan"),
        (
            ["--steps", "1", "--config", "large"],
            "--config is compact, biomedparse, presence, tumors or a TOML file",
        ),
        (
            ["--steps", "1", "--start", "none.safetensors"],
            "none.safetensors is missing; give --start the path of a file.",
        ),
        (["--minutes", "inf"], "minutes in the plan is a number above zero, not inf"),
    ],
)
def test_requests_that_make_no_sense(data, tmp_path, capsys, more, said):
    code, text, err = call(tiny_run(data, tmp_path / "out", *more), capsys)
    assert (code, text) == (2, "")
    assert said in err.splitlines()[-1]


def test_the_full_network_is_fine_tuned_from_a_file(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(SOURCES, "biomedparse", small_source())
    monkeypatch.setenv("PARSECHAT_HOME", str(tmp_path / "home"))
    files = hub_files()
    start, merges = tmp_path / "start.pt", tmp_path / "merges.txt"
    start.write_bytes(next(v for k, v in files.items() if k.endswith(".pt")))
    merges.write_bytes(next(v for k, v in files.items() if k.endswith("merges.txt")))
    base = ["train", "--data", data, "--config", "biomedparse", "--steps", 1]
    code, _, err = call([*base, "--out", tmp_path / "out"], capsys)
    assert code == 2
    assert "models download" in err
    code, _, err = call([*base, "--out", tmp_path / "out", "--start", start], capsys)
    assert code == 2
    assert "--tokenizer" in err
    missing = [*base, "--out", tmp_path / "out", "--start", start, "--tokenizer", "none.txt"]
    code, _, err = call(missing, capsys)
    assert code == 2
    assert err == "none.txt is missing; give --tokenizer the path of a file.\n"
    full = [*base, "--out", tmp_path / "out", "--start", start, "--tokenizer", merges]
    code, text, err = call([*full, "--freeze", "backbone,decoder,text", "--json"], capsys)
    assert code == 0, err
    document = json.loads(text)
    assert document["plan"]["freeze"] == ["backbone", "decoder", "text"]
    assert len(document["before"]["sha256"]) == 64
    before, after = load_network(start, CONFIG), load_network(document["files"]["last"], CONFIG)
    assert torch.equal(before.predictor.query_feat.weight, after.predictor.query_feat.weight)
    changed = [
        name
        for (name, a), (_, b) in zip(
            before.named_parameters(), after.named_parameters(), strict=True
        )
        if not torch.equal(a, b)
    ]
    assert changed
    table = next(v for k, v in files.items() if k.endswith("target_dist.json"))
    (tmp_path / "out" / "target_dist.json").write_bytes(table)
    installed = ["models", "download", "biomedparse", "--from", document["files"]["last"]]
    code, _, err = call([*installed, "--tokenizer-from", merges, "--json"], capsys)
    assert code == 0, err
    assert all(name.startswith("sem_seg_head.pixel_decoder.") for name in changed)
