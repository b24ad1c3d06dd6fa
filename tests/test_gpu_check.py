"""The check of a GPU, tried on the CPU with the reduced network."""

from __future__ import annotations

import pytest

from parser_model.biomedparse.recorded import data_folder
from tests import gpu_check
from tests.bench.on_device import Bench


@pytest.fixture
def reference():
    folder = data_folder() / "reference" / "biomedparse_v1"
    if not (folder / "small_config.json").is_file():
        pytest.skip("no recorded runs at hand: set PARSECHAT_DATA to the folder with reference/")
    return folder


def check(folder):
    return gpu_check.main(["--device", "cpu", "--reference", str(folder), "--quick"])


def test_the_cpu_passes(reference, capsys):
    assert check(reference) == 0
    said = capsys.readouterr().out
    assert "small_B forced: 12 compared, 0 outside" in said
    assert "fp32: features off by 0.0e+00" in said
    assert "parser: another phrase, ms" in said


def test_parts_run_although_others_fail(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PARSECHAT_DATA", str(tmp_path))
    assert check(tmp_path) == 1  # no recorded runs, and no list of entries for weights
    said = capsys.readouterr().out
    assert "FAIL there is no recorded run" in said
    assert "chosen by 'auto'" in said
    assert said.count("FAIL SetupError") == 2


def test_other_answers_than_the_cpus_are_found(reference, capsys, monkeypatch):
    right = Bench.network

    def wrong(bench, way="fp32", device=None):
        network = right(bench, way, device)
        if device is None:
            network.backbone.patch_embed.proj.weight.data = (
                network.backbone.patch_embed.proj.weight * 1.05
            )
        return network

    monkeypatch.setattr(Bench, "network", wrong)
    bench = Bench("cpu", reference, True)
    assert not gpu_check.run([gpu_check.like_the_cpu], bench)
    assert "FAIL fp32: features off" in capsys.readouterr().out
