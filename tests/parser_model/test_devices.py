"""Which device computes: a GPU that gives the CPU's answers, else the CPU, and why."""

from __future__ import annotations

import pytest
import torch

from parser_model import devices, speed_test
from parser_model.biomedparse import trial
from parser_model.errors import SetupError


@pytest.fixture(autouse=True)
def chosen_anew():
    yield
    for remembered in (devices.chosen_device, trial.trouble_on):
        remembered.cache_clear()


@pytest.fixture
def machine(monkeypatch):
    """A machine with some accelerators, of which some have trouble."""

    def install(*seen, trouble=None):
        devices.chosen_device.cache_clear()
        monkeypatch.setattr(devices, "is_here", lambda name: name in seen)
        monkeypatch.setattr(trial, "trouble_on", lambda name: (trouble or {}).get(name))

    return install


def test_a_gpu_that_computes_rightly_is_taken_by_itself(machine):
    machine("cuda", "mps")
    assert devices.chosen_device().name == "cuda"
    machine("mps")
    assert str(devices.chosen_device()) == "mps (found, and it gives the CPU's answers)"
    machine()
    assert str(devices.chosen_device()) == "cpu (PyTorch sees no GPU)"


def test_a_gpu_in_trouble_is_left_alone_and_the_reason_is_told(machine):
    machine("cuda", trouble={"cuda": "its answers differ"})
    assert str(devices.chosen_device()) == "cpu (cuda is not used: its answers differ)"
    with pytest.raises(SetupError, match="cuda cannot be used: its answers differ"):
        devices.chosen_device("cuda")
    assert devices.chosen_device("cpu").name == "cpu"


def test_a_device_that_is_not_here_is_refused(machine):
    machine()
    with pytest.raises(SetupError, match="mps cannot be used: PyTorch does not see it"):
        devices.chosen_device("mps")


def test_the_trial_runs_the_network():
    assert trial.trouble_on("cpu") is None
    # Tensors of this device have no values, so it stands for one that breaks down on the way.
    assert "does not run on it" in str(trial.trouble_on("meta"))


@pytest.mark.parametrize("spoil", [lambda v: v + v.std() * 0.2, lambda v: v * torch.nan])
@pytest.mark.parametrize("which", [0, 3])
def test_wrong_answers_are_trouble(monkeypatch, spoil, which):
    right = trial._answers("cpu")
    wrong = [spoil(value) if i == which else value for i, value in enumerate(right)]
    monkeypatch.setattr(trial, "_answers", lambda device: right if device == "cpu" else wrong)
    assert "its answers differ" in str(trial.trouble_on("another"))


def test_bfloat16_is_refused_where_it_is_far_slower(monkeypatch):
    monkeypatch.setattr(speed_test, "bfloat16_gain", lambda device: 0.6)
    devices.check_bfloat16("cpu")
    monkeypatch.setattr(speed_test, "bfloat16_gain", lambda device: 0.01)
    with pytest.raises(SetupError, match="about 100 times slower than float32") as caught:
        devices.check_bfloat16("cpu")
    assert "leave --precision bf16 out" in str(caught.value)


def test_settings_that_cannot_be_are_named(monkeypatch):
    monkeypatch.setenv("PARSECHAT_DEVICE", "abacus")
    with pytest.raises(SetupError, match="PARSECHAT_DEVICE is wrong"):
        devices.compute_settings()
    monkeypatch.setenv("PARSECHAT_DEVICE", "")
    monkeypatch.setenv("PARSECHAT_IMAGE_MEMORY_MB", "-1")
    with pytest.raises(SetupError, match="PARSECHAT_IMAGE_MEMORY_MB is wrong"):
        devices.compute_settings()
