"""`parsechat models` from nothing to a calibrated parser, with a small BiomedParse on loopback."""

from __future__ import annotations

import json
import shutil
import socket

import numpy as np
import pytest
import torch
from PIL import Image

from agent.cli import main
from parser_model import calibrating, load_parser, loading
from parser_model.weights_store.places import calibration_file, model_folder
from tests.parser_model.weights_store.conftest import home, hub, source  # noqa: F401
from tests.parser_model.weights_store.substitutes import CHECKPOINT, DISTRIBUTIONS


@pytest.fixture(autouse=True)
def fresh_parsers():
    """Parsers are kept for the life of a process; here their weights change within it."""
    caches = (loading._biomedparse, loading._compact)
    for cache in caches:
        cache.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small networks gain nothing from more, and wait on busy machines
    yield
    torch.set_num_threads(threads)
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def run(capsys, home):  # noqa: F811
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


@pytest.fixture
def here(run, hub, source, monkeypatch):  # noqa: F811
    """The small BiomedParse, downloaded; from now on not even loopback may be reached."""
    assert run("models", "download", "biomedparse")[0] == 0

    def no_network(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            pytest.fail(f"reached for the network: {address}")
        return connect(self, address)

    connect = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", no_network)
    hub.asked = []
    yield hub
    assert hub.asked == []


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """Abdomens with and without a liver; a few are enough to see that it works."""
    monkeypatch.setattr(calibrating, "_LEAST", 5)
    rng = np.random.default_rng(0)
    folder = tmp_path / "mine"
    for name in ("val", "val_mask"):
        (folder / name).mkdir(parents=True)
    for i in range(14):
        image = rng.integers(0, 255, (40, 48), np.uint8)
        mask = np.full((40, 48), 255 * (i % 2), np.uint8)
        Image.fromarray(image).save(folder / "val" / f"{i}_CT_abdomen.png")
        Image.fromarray(mask).save(folder / "val_mask" / f"{i}_CT_abdomen_liver.png")
    return folder


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "scan.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 48), np.uint8)).save(path)
    return path


def test_before_the_download_one_sentence_says_what_to_run(run, picture):
    code, out, err = run("parse", picture, "-p", "liver", "--parser", "biomedparse", "--json")
    assert (code, out) == (2, "")
    assert "parsechat models download biomedparse" in err
    assert "--from FILE" in err
    assert len(err.strip().splitlines()) == 1
    assert run("models", "verify", "biomedparse")[0] == 2
    rows = json.loads(run("models", "list", "--json")[1])["models"]
    assert [(r["name"], r["bundled"]) for r in rows] == [("compact", True), ("biomedparse", False)]
    assert "not here" in rows[1]["state"]


def test_download_tells_on_stderr_and_prints_one_document(run, hub, source, home):  # noqa: F811
    code, out, err = run("models", "download", "biomedparse", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["numbers_skipped"] > 109_482_240
    assert document["folder"] == str(home / "models" / "biomedparse")
    assert "biomedparse_v1.pt" in err
    assert "100%" in err


def test_once_is_enough(run, here):
    code, out, _ = run("models", "download", "biomedparse")
    assert code == 0
    assert "is here since" in out


def test_again_means_again(run, hub, source):  # noqa: F811
    run("models", "download", "biomedparse")
    hub.asked = []
    assert run("models", "download", "biomedparse", "--again")[0] == 0
    assert len(hub.got("store")) == 1


def test_damaged_weights_are_fetched_again_without_being_asked(run, hub, source):  # noqa: F811
    run("models", "download", "biomedparse")
    (model_folder("biomedparse") / "target_dist.json").write_text("{}")
    assert "--again" in run("models", "verify", "biomedparse")[2]
    assert run("models", "download", "biomedparse")[0] == 0
    assert run("models", "verify", "biomedparse")[0] == 0


def test_a_file_the_user_has(run, hub, source, tmp_path):  # noqa: F811
    (tmp_path / "my.pt").write_bytes(hub.files[CHECKPOINT])
    code, out, _ = run("models", "download", "biomedparse", "--from", tmp_path / "my.pt", "--json")
    assert code == 0
    assert json.loads(out)["checkpoint"]["origin"] == "a file given"
    assert hub.got("store") == []


@pytest.mark.parametrize(("status", "word"), [(401, "HF_TOKEN"), (404, "PARSECHAT_HUB")])
def test_refusals_are_one_sentence_and_exit_two(run, hub, source, status, word):  # noqa: F811
    hub.status = status
    code, out, err = run("models", "download", "biomedparse", "--json")
    last = err.strip().splitlines()[-1]
    assert (code, out) == (2, "")
    assert word in last
    assert "Traceback" not in err


def test_the_token_comes_from_the_environment(run, hub, source, monkeypatch):  # noqa: F811
    hub.needs_token = "secret"
    monkeypatch.setenv("HF_TOKEN", "secret")
    code, out, err = run("models", "download", "biomedparse")
    assert code == 0
    assert "secret" not in out + err
    assert all("Authorization" not in a.headers for a in hub.got("store"))


def test_verify_prints_names_hashes_and_what_was_not_run(run, here):
    code, out, _ = run("models", "verify", "biomedparse", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["problem"] is None
    assert "has not run the real BiomedParse weights" in document["notes"][-1]
    assert {len(f["sha256"]) for f in document["files"]} == {64}
    assert document["shapes"]["sem_seg_head.predictor.query_feat.weight"] == [7, 32]
    assert document["entries"] == len(document["shapes"])
    _, text, _ = run("models", "verify", "biomedparse")
    assert "as the network wants them" in text
    assert "has not run" in text
    assert f"{document['numbers_used']:,} used" in text


def test_verify_fails_on_a_changed_file(run, here):
    path = model_folder("biomedparse") / "tokenizer" / "merges.txt"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"!\n")
    code, out, err = run("models", "verify", "biomedparse", "--json")
    assert code == 2
    assert "merges.txt changed" in json.loads(out)["problem"]
    assert "merges.txt changed" in err


def test_the_bundled_parser_needs_no_download(run):
    assert "comes with" in run("models", "download", "compact")[1]
    code, out, _ = run("models", "verify", "compact", "--json")
    assert code == 0
    assert len(json.loads(out)["weights_sha256"]) == 64


@pytest.mark.parametrize("verb", ["download", "verify"])
def test_unknown_parsers_are_refused(run, verb):
    code, _, err = run("models", verb, "magic")
    assert code == 2
    assert "Unknown parser" in err


def test_parsing_works_offline_and_presence_is_null_until_it_is_calibrated(
    run, here, picture, labelled, tmp_path
):
    asked = (
        *("parse", picture, "-p", "liver", "-p", "zork", "--modality", "CT"),
        *("--parser", "biomedparse", "--out", tmp_path / "out", "--json"),
    )
    code, out, _ = run(*asked)
    document = json.loads(out)
    assert code == 0
    assert document["run"]["parser"] == "biomedparse"
    assert document["run"]["calibration"] is None
    assert [o["presence"] for o in document["objects"]] == [None, None]
    sha256 = document["run"]["weights_sha256"]

    code, out, _ = run(
        "models", "calibrate", "biomedparse", "--data", labelled, "--images", 14, "--json"
    )
    report = json.loads(out)
    assert code == 0
    assert report["calibration"]["weights_sha256"] == sha256
    assert report["same_site"]["objects"] == 7
    assert 0 <= report["same_site"]["auroc"] <= 1

    loading._biomedparse.cache_clear()  # as the next command would start
    document = json.loads(run(*asked)[1])
    liver, unknown = document["objects"]
    assert document["run"]["calibration"] == f"biomedparse-mine-{sha256[:8]}"
    assert 0 <= liver["presence"] <= 1
    assert liver["present"] == (liver["presence"] >= report["calibration"]["threshold"])
    assert unknown["presence"] is None


def test_a_calibration_of_other_weights_is_not_borrowed(run, here, labelled):
    assert run("models", "calibrate", "biomedparse", "--data", labelled)[0] == 0
    sha256 = str(load_parser("biomedparse").info.weights_sha256)
    path = calibration_file("biomedparse", sha256)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "weights_sha256": "0" * 64}))
    loading._biomedparse.cache_clear()
    assert load_parser("biomedparse").info.calibration is None


def test_what_the_user_fits_for_the_bundled_parser_counts_first(run, labelled):
    code, out, _ = run("models", "calibrate", "compact", "--data", labelled)
    assert code == 0
    assert "AUROC" in out
    assert "Presence of compact is now decided by compact-mine-" in out
    loading._compact.cache_clear()
    assert str(load_parser("compact").info.calibration).startswith("compact-mine-")


def test_presence_can_be_fitted_on_train_as_well(run, labelled, tmp_path):
    for name in ("", "_mask"):
        shutil.copytree(labelled / f"val{name}", labelled / f"train{name}")
    asked = ("models", "calibrate", "compact", "--data", labelled, "--out", tmp_path / "out")
    code, out, _ = run(*asked, "--only", "presence", "--split", "val,train", "--json")
    assert code == 0
    assert json.loads(out)["present"] == 14  # seven in each
    code, out, _ = run(*asked, "--only", "presence", "--split", "val,train")
    assert code == 0
    assert "is now decided" not in out  # by a file in some other folder
    assert f"Written to {tmp_path / 'out'}. Nothing is decided by it here until" in out
    code, _, err = run(*asked, "--split", "val,train")
    assert (code, err.count("\n")) == (2, 1)
    assert "--only presence" in err


def test_calibrating_without_data_is_one_sentence(run, here, tmp_path):
    code, _, err = run("models", "calibrate", "biomedparse", "--data", tmp_path / "none")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert run("models", "calibrate", "compact", "--data", tmp_path, "--images", 0)[0] == 2


def test_doctor_knows_both_parsers(run, here):
    parsers = json.loads(run("doctor", "--json")[1])["parsers"]
    assert list(parsers) == ["compact", "biomedparse"]
    assert parsers["biomedparse"].startswith("installed")
    assert "biomedparse" in run("models")[1]
    info = json.loads(run("models", "info", "biomedparse", "--json")[1])
    assert (info["name"], info["calibration"], info["training"]) == ("biomedparse", None, None)


def test_without_the_score_table_it_still_runs(run, hub, source, tmp_path):  # noqa: F811
    hub.missing = {DISTRIBUTIONS}
    (tmp_path / "my.pt").write_bytes(hub.files[CHECKPOINT])
    code, out, _ = run("models", "download", "biomedparse", "--from", tmp_path / "my.pt")
    assert code == 0
    assert "Note: without target_dist.json" in out
    assert load_parser("biomedparse").info.name == "biomedparse"
