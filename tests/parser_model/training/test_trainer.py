"""A run from its first step to its files: learning, validation, resuming after a kill."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from parser_model import FileError, RequestError
from parser_model.compact.weights import load_weights
from parser_model.ontology import ontology
from parser_model.training.checkpoint import read_state, write_state
from parser_model.training.compact_task import CompactTask
from parser_model.training.loop import TrainingPlan
from parser_model.training.machine import Machine
from parser_model.training.plans import read_config
from parser_model.training.survey import survey
from parser_model.training.trainer import Files, Progress, train


class KilledError(BaseException):
    """Stands for a kill: nothing of the run gets a chance to clean up."""


def compact_plan(config) -> TrainingPlan:
    assert isinstance(config.plan, TrainingPlan)
    return config.plan


def start_run(
    folder,
    tiny,
    out,
    report=lambda _: None,
    *,
    stopping=lambda: False,
    resume=False,
    steps=10,
    seed=0,
    **plan,
):
    config = read_config(str(tiny)).with_numbers(steps=steps, seed=seed, **plan)
    samples = survey(folder, "train", ontology()).samples
    held_out = survey(folder, "val", ontology()).samples
    task = CompactTask(
        samples, held_out, ontology(), compact_plan(config), Machine(), sizes=config.sizes
    )
    out.mkdir(exist_ok=True)
    files = Files.of(out, "compact")
    mark = f"{steps} {seed}"
    outcome = train(
        task,
        config.plan,
        files,
        {"by": "test"},
        report,
        fingerprint=mark,
        resume=resume,
        stopping=stopping,
    )
    return files, outcome


def test_a_few_steps_learn_where_the_lung_is(folder, tiny, tmp_path):
    seen: list[Progress] = []
    _, outcome = start_run(folder, tiny, tmp_path / "out", seen.append, steps=60, images=6)
    masks = [p.measures["mask"] for p in seen]
    assert outcome.steps == 60
    assert masks[-1] < 0.85 * masks[0]


def test_weights_are_written_with_their_record_and_the_best_beside(folder, tiny, tmp_path):
    seen: list[Progress] = []
    files, outcome = start_run(folder, tiny, tmp_path / "out", seen.append)
    weights = load_weights(files.last)
    assert weights.record["by"] == "test"
    assert weights.record["steps"] == 10
    assert not weights.network.training
    assert [row["step"] for row in outcome.validations] == [5, 10]  # every half of the budget
    assert outcome.best == pytest.approx(max(r["mean"] for r in outcome.validations), abs=1e-4)
    assert load_weights(files.best).record["steps"] in (5, 10)
    assert not files.state.exists()
    assert [p.share for p in seen] == pytest.approx([i / 10 for i in range(1, 11)])
    assert all(p.seconds_left is not None and p.seconds_left >= 0 for p in seen)


def test_a_killed_run_goes_on_as_if_nothing_had_happened(folder, tiny, tmp_path):
    whole, _ = start_run(folder, tiny, tmp_path / "whole", save_minutes=0.0)

    def kill_at_7(progress):
        if progress.step == 7:
            raise KilledError

    with pytest.raises(KilledError):
        start_run(folder, tiny, tmp_path / "killed", kill_at_7, save_minutes=0.0)
    steps = []
    parts, outcome = start_run(
        folder, tiny, tmp_path / "killed", lambda p: steps.append(p.step), resume=True
    )
    assert steps[0] == 7  # the state of step 6 was the last one kept
    assert outcome.steps == 10
    assert len(outcome.validations) == 2
    for name in ("last", "best"):
        one, other = (load_file(getattr(files, name)) for files in (whole, parts))
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_stopped_run_loses_no_step(folder, tiny, tmp_path):
    """Between two savings, and in the last step, when there is nothing left to stop."""
    whole, _ = start_run(folder, tiny, tmp_path / "whole")
    steps = []
    with pytest.raises(KeyboardInterrupt):
        start_run(
            folder,
            tiny,
            tmp_path / "out",
            lambda p: steps.append(p.step),
            stopping=lambda: len(steps) == 7,
        )
    parts, outcome = start_run(
        folder,
        tiny,
        tmp_path / "out",
        lambda p: steps.append(p.step),
        stopping=lambda: len(steps) == 10,
        resume=True,
    )
    assert steps == list(range(1, 11))
    assert outcome.steps == 10
    one, other = (load_file(files.last) for files in (whole, parts))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_that_diverges_stops_at_once_and_keeps_the_best(folder, tiny, tmp_path, monkeypatch):
    healthy = CompactTask.step

    def step(task, share):
        loss, parts = healthy(task, share)
        return (loss * float("nan") if share >= 0.7 else loss), parts

    monkeypatch.setattr(CompactTask, "step", step)
    steps = []
    said = (
        "diverged after step 7: .* smaller learning_rate. compact.best.safetensors keeps the best"
    )
    with pytest.raises(RequestError, match=said):
        start_run(folder, tiny, tmp_path / "out", lambda p: steps.append(p.step))
    assert steps[-1] == 7
    files = Files.of(tmp_path / "out", "compact")
    assert not files.last.exists()
    assert load_weights(files.best).record["steps"] == 5


@pytest.mark.parametrize("steps", [1, 10])
def test_weights_that_a_file_cannot_hold_are_not_written(folder, tiny, tmp_path, steps):
    """Also where the loss was a number to the end."""
    with pytest.raises(RequestError, match=r"diverged after step \d: .* smaller learning_rate\.$"):
        start_run(folder, tiny, tmp_path / "out", steps=steps, learning_rate=1e9)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_seed_decides_the_weights(folder, tiny, tmp_path):
    a, _ = start_run(folder, tiny, tmp_path / "a", steps=2)
    b, _ = start_run(folder, tiny, tmp_path / "b", steps=2)
    c, _ = start_run(folder, tiny, tmp_path / "c", steps=2, seed=1)
    first, again, other = (load_file(files.last) for files in (a, b, c))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_a_run_on_other_data_or_numbers_is_not_resumed(folder, tiny, tmp_path):
    def kill(progress):
        if progress.step == 2:
            raise KilledError

    with pytest.raises(KilledError):
        start_run(folder, tiny, tmp_path / "out", kill, save_minutes=0.0)
    with pytest.raises(FileError, match="other data or with other numbers"):
        start_run(folder, tiny, tmp_path / "out", resume=True, steps=20)


def test_a_damaged_state_is_refused_and_a_half_written_one_never_seen(tmp_path):
    path = tmp_path / "x.training.pt"
    write_state(path, {"step": 1})
    assert read_state(path) == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.training.pt"]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FileError, match="damaged"):
        read_state(path)
    torch.save([1], path)
    with pytest.raises(FileError, match="does not hold"):
        read_state(path)


def test_a_budget_of_minutes_ends_by_the_clock(folder, tiny, tmp_path):
    config = read_config(str(tiny)).with_numbers(minutes=1e-4)
    samples = survey(folder, "train", ontology()).samples
    task = CompactTask(samples, [], ontology(), compact_plan(config), Machine(), sizes=config.sizes)
    outcome = train(task, config.plan, Files.of(tmp_path, "compact"), {}, lambda _: None)
    assert 1 <= outcome.steps < 50
    assert outcome.validations == []
    assert outcome.best is None


def test_training_goes_on_from_given_weights_with_their_words(folder, tiny, tmp_path):
    files, _ = start_run(folder, tiny, tmp_path / "out", steps=2)
    start = load_weights(files.last)
    config = read_config(str(tiny)).with_numbers(steps=1)
    samples = survey(folder, "train", ontology()).samples
    task = CompactTask(samples, [], ontology(), compact_plan(config), Machine(), start)
    task.write(tmp_path / "same.safetensors", {})
    assert load_weights(tmp_path / "same.safetensors").vocabulary.words == start.vocabulary.words
    one, other = load_file(files.last), load_file(tmp_path / "same.safetensors")
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_paraphrases_of_the_data_are_asked_and_their_words_learnt(folder, tiny):
    config = read_config(str(tiny)).with_numbers(steps=1)
    samples = survey(folder, "train", ontology()).samples
    plan = compact_plan(config)
    said = {"left lung": ["sinistral breather"]}
    task = CompactTask(
        samples, [], ontology(), plan, Machine(), sizes=config.sizes, paraphrases=said
    )
    index = task._vocabulary.words.index("breather") + 2
    batches = [task._batches.next(64) for _ in range(20)]
    share = np.mean([(batch.words == index).any(1).float().mean().item() for batch in batches])
    assert 0.1 < share < 0.4
