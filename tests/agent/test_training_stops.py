"""`parsechat train` that is stopped: nothing is lost, and nothing of another run is overwritten."""

from __future__ import annotations

import json
import signal

import pytest
import torch
from safetensors.torch import load_file

from parser_model.training.checkpoint import read_state
from tests.agent.training_runs import call, process, tiny_run
from tests.parser_model.training.conftest import TINY_TOML

pytestmark = pytest.mark.usefixtures("one_thread")


def test_kill_minus_nine_and_resume_give_the_weights_of_an_uninterrupted_run(
    data, tmp_path, capsys
):
    (data.parent / "tiny.toml").write_text(TINY_TOML.replace("[plan]", "[plan]\nsave_minutes = 0"))
    more = ["--steps", 12, "--device", "cpu", "--precision", "fp32"]
    killed = tmp_path / "killed"
    with process(tiny_run(data, killed, *more)) as run:
        assert run.stderr is not None
        said = next((line for line in run.stderr if line.startswith("step 7 ")), "")
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert said, "it never came to step 7"
    assert not (killed / "compact.safetensors").exists()
    left = json.loads((killed / "run.json").read_text())
    assert (left["finished"], left["plan"]["steps"], left["data"]["images"]) == (False, 12, 12)
    code, _, err = call(tiny_run(data, killed, *more), capsys)
    assert code == 2
    assert "go on with --resume" in err
    code, text, err = call(tiny_run(data, killed, *more, "--resume", "--json"), capsys)
    assert code == 0, err
    assert "step 1 " not in err
    assert json.loads(text)["outcome"]["steps"] == 12
    assert json.loads((killed / "run.json").read_text())["finished"] is True
    code, _, err = call(tiny_run(data, tmp_path / "whole", *more, "--resume"), capsys)
    assert code == 0
    assert "starts from the beginning" in err
    one, other = (load_file(p / "compact.safetensors") for p in (killed, tmp_path / "whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_keeps_every_step_and_says_how_to_go_on(data, tmp_path, number):
    """Though minutes lie between two savings, and nothing was saved before."""
    with process(tiny_run(data, tmp_path / "out", "--steps", 2000, "--device", "cpu")) as run:
        assert run.stderr is not None
        assert any(line.startswith("step 3 ") for line in run.stderr)
        run.send_signal(number)
        said = run.stderr.read()
        assert run.wait() == 130
    assert "Stopping after this step" in said
    assert said.splitlines()[-2:] == [
        "out keeps the run: the same command with --resume goes on with it.",
        "Stopped.",
    ]
    kept = read_state(tmp_path / "out" / "compact.training.pt")["state"]["step"]
    shown = [int(line.split()[1]) for line in said.splitlines() if line.startswith("step ")]
    assert kept == max([3, *shown])


@pytest.mark.parametrize("name", ["compact.safetensors", "compact.best.safetensors"])
@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_weights_of_another_run_are_never_overwritten(data, tmp_path, capsys, name, more):
    """Of one that is done, or was ended before it kept anything to go on from."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"hours of work")
    code, text, err = call(tiny_run(data, out, "--steps", 1, *more), capsys)
    assert (code, text) == (2, "")
    assert err == f"out holds weights of a run ({name}); name another --out.\n"
    assert (out / name).read_bytes() == b"hours of work"
