"""The parity command on recorded runs, whole, tampered with and absent."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize

from parser_model.parity import main


@pytest.fixture
def folder(reference, tmp_path):
    """An empty folder and a function that brings files of the reference into it."""
    place = tmp_path / "runs"
    place.mkdir()

    def bring(*names):
        for name in names:
            shutil.copy(reference / name, place / name)
        return place

    return bring


def change(path, **values):
    with np.load(path) as file:
        arrays = dict(file)
    for key, value in values.items():
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value(arrays[key])
    np.savez(path, **arrays)


SMALL_A = ("small_A_backbone.npz", "small_A_pixeldecoder.npz", "small_A_text_decoder.npz")
AROUND = (
    "tokenizer.json",
    "pvalues.json",
    "postprocessing.json",
    "postprocessing.npz",
)


def test_reduced_network_agrees_freely_and_forced(folder, capsys):
    place = folder(*SMALL_A, "small_B_nonsquare.npz")
    assert main([str(place)]) == 0
    table = capsys.readouterr().out
    for run in ("small_A", "small_B"):
        for way in ("free", "forced"):
            assert any(line.split()[:3] == [run, way, "v_emb"] for line in table.splitlines())
    assert "OUTSIDE" not in table


def test_everything_around_the_network_agrees(folder, capsys):
    assert main([str(folder(*AROUND))]) == 0
    assert "85 texts" in capsys.readouterr().out


def test_readers_agree(folder, capsys):
    assert main([str(folder("readers.json", "readers.npz"))]) == 0
    assert capsys.readouterr().out.count("every pixel, by hash") == 4


def test_pictures_are_read_where_they_are_at_hand(tmp_path, capsys):
    """Read as described: padded to a square, each channel resampled by cubic splines."""
    picture = np.zeros((30, 31, 4), np.uint8)
    picture[:, :, :3] = np.linspace(0, 250, 31).astype(np.uint8)[None, :, None]
    picture[..., 3] = 77  # opacity, which is dropped
    Image.fromarray(picture).save(tmp_path / "steps.png")
    size = {"preserve_range": True, "anti_aliasing": True, "mode": "constant", "order": 3}
    # One row less than columns: half of one is none, so the picture stays as it is.
    channel = resize(picture[..., 0], (1024, 1024), **size).astype(np.uint8)
    wanted = np.repeat(channel[..., None], 3, axis=2)
    entry = {"name": "rgb_steps.png", "sha256": hashlib.sha256(wanted.tobytes()).hexdigest()}
    absent = {"name": "rgb_absent.png", "sha256": ""}
    (tmp_path / "readers.json").write_text(json.dumps([entry, absent]))
    arrays = {"rgb_steps.png_sub": wanted[::8, ::8]}
    np.savez(tmp_path / "readers.npz", allow_pickle=False, **arrays)
    assert main([str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert table.count("every pixel, by hash") == 1
    assert "not among the fixtures: rgb_absent.png" in table


@pytest.mark.slow
def test_full_network_agrees(folder, capsys):
    place = folder("full_1prompt_MRI.npz", "full_1prompt_MRI_crossmasks.npz")
    assert main([str(place)]) == 0
    assert "OUTSIDE" not in capsys.readouterr().out


@pytest.mark.parametrize("key", ["v_emb", "prob", "res5", "matched_ids"])
def test_a_changed_value_is_found(folder, capsys, key):
    place = folder("small_B_nonsquare.npz")
    change(place / "small_B_nonsquare.npz", **{key: lambda x: x + 1})
    assert main([str(place)]) == 1
    assert [row for row in capsys.readouterr().out.splitlines() if "OUTSIDE" in row and key in row]


def test_not_a_number_is_outside(folder):
    place = folder("small_B_nonsquare.npz")
    change(place / "small_B_nonsquare.npz", sim=lambda x: x * np.nan)
    assert main([str(place)]) == 1


def test_a_changed_result_around_the_network_is_found(folder):
    place = folder("tokenizer.json")
    cases = json.loads((place / "tokenizer.json").read_text())
    cases[0]["ids"][1] += 1
    (place / "tokenizer.json").write_text(json.dumps(cases))
    assert main([str(place)]) == 1


def test_outputs_are_written_under_the_recorded_names(folder, tmp_path):
    place = folder("small_B_nonsquare.npz")
    assert main([str(place), "--dump", str(tmp_path / "out.npz")]) == 0
    with np.load(place / "small_B_nonsquare.npz") as a, np.load(tmp_path / "out.npz") as b:
        inputs = {"input_u8", "prompts"}
        assert set(a.files) - inputs <= set(b.files)
        for key in set(a.files) - inputs:
            assert a[key].shape == b[key].shape
            assert np.allclose(a[key], b[key], atol=1e-3)


def test_inputs_are_enough_for_a_run(folder, tmp_path):
    place = folder("small_B_nonsquare.npz")
    with np.load(place / "small_B_nonsquare.npz") as file:
        inputs = {"input_u8": file["input_u8"][:64, :96], "prompts": file["prompts"][:1]}
    (place / "small_B_nonsquare.npz").unlink()
    np.savez(place / "small_Q_first.npz", input_u8=inputs["input_u8"])
    np.savez(place / "small_Q_second.npz", prompts=inputs["prompts"])
    assert main([str(place), "--dump", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as out:
        assert out["prob"].shape == (1, 64, 96)
        assert out["pred4_masks"].shape == (11, 16, 24)
        assert out["ms0"].shape == (64, 2, 3)


def test_masks_in_a_file_of_their_own_are_forced(folder, tmp_path):
    place = folder("small_B_nonsquare.npz")
    path = place / "small_B_nonsquare.npz"
    with np.load(path) as file:
        packed = {
            f"dec{i}_crossmask_packed": np.packbits(~file[f"dec{i}_crossmask"], axis=1)
            for i in range(4)
        }
    change(path, **{f"dec{i}_crossmask": None for i in range(4)})
    np.savez(place / "small_B_crossmasks.npz", allow_pickle=False, **packed)
    # Masks turned inside out must lead elsewhere: they were not ignored.
    assert main([str(place), "--dump", str(tmp_path / "out.npz")]) == 1
    with np.load(tmp_path / "out.npz") as out, np.load(path) as file:
        assert np.abs(out["v_emb"] - file["v_emb"]).max() > 1e-2


def test_several_runs_do_not_overwrite_each_other(folder, tmp_path):
    place = folder("small_A_text_decoder.npz", "small_A_backbone.npz", "small_B_nonsquare.npz")
    main([str(place), "--dump", str(tmp_path / "out.npz")])
    with np.load(tmp_path / "out.npz") as out:
        assert out["small_A/prob"].shape == (2, 200, 300)
        assert out["small_B/prob"].shape == (3, 135, 180)


def test_nothing_to_run_is_told_apart(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "absent")]) == 2
    assert "no recorded run" in capsys.readouterr().err


def test_a_run_that_cannot_be_repeated_is_a_failure(tmp_path, reference, capsys):
    np.savez(tmp_path / "small_Z_x.npz", prompts=np.array(["liver"]))
    assert main([str(tmp_path)]) == 1
    assert "neither pixels" in capsys.readouterr().err
    (tmp_path / "small_Z_x.npz").write_bytes(b"no archive")
    assert main([str(tmp_path)]) == 1
