"""Fine-tuning the full network: it learns, frozen parts stay, and the file is one of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from parser_model import RequestError
from parser_model.biomedparse.checkpoint import load_network, network_from_entries
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.ontology import ontology
from parser_model.training.full_task import FullTask, dice_of, mask_loss, parts_of
from parser_model.training.machine import Machine
from parser_model.training.plans import FineTuningPlan
from parser_model.training.survey import survey
from parser_model.training.trainer import Files, train
from tests.parser_model.biomedparse.conftest import TINY
from tests.parser_model.biomedparse.test_parser import WordsToIds


def fresh_network() -> BiomedParseNetwork:
    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in BiomedParseNetwork(TINY).state_dict().items()}
    return network_from_entries(substitute_entries(shapes.items()), TINY)


def run(folder, out, report=lambda _: None, **numbers):
    numbers = {"report_every": 1, "strength": 0.2, "learning_rate": 1e-3, **numbers}
    plan = FineTuningPlan(**numbers)
    tokenizer: Any = WordsToIds()
    samples = survey(folder, "train", ontology()).samples
    held_out = survey(folder, "val", ontology()).samples
    task = FullTask(fresh_network(), tokenizer, samples, held_out, ontology(), plan, Machine())
    files = Files.of(out, "biomedparse")
    return task, files, train(task, plan, files, {"by": "test"}, report)


def test_the_loss_falls_and_the_file_loads_strictly_by_the_public_names(folder, tmp_path):
    losses = []
    _, files, outcome = run(
        folder, tmp_path, lambda p: losses.append(p.measures["loss"]), steps=40, freeze=()
    )
    assert losses[-1] < 0.9 * losses[0]
    assert 0 <= outcome.validations[-1]["X-Ray"] <= 1
    before, after = fresh_network(), load_network(files.last, TINY)
    for name, part in parts_of(after).items():
        pairs = list(zip(part, parts_of(before)[name], strict=True))
        moved = sum(not torch.equal(a, b) for a, b in pairs)
        assert moved > 0.5 * len(pairs), name


@pytest.mark.parametrize("free", ["pixel_decoder", "text", "decoder", "backbone"])
def test_frozen_parts_stay_bit_for_bit(folder, tmp_path, free):
    frozen = tuple(part for part in parts_of(fresh_network()) if part != free)
    task, files, _ = run(folder, tmp_path, steps=2, freeze=frozen, validate_every=2.0)
    before, after = parts_of(fresh_network()), parts_of(load_network(files.last, TINY))
    for name in before:
        same = all(torch.equal(a, b) for a, b in zip(after[name], before[name], strict=True))
        assert same == (name != free)
    assert {id(p) for g in task.optimiser.param_groups for p in g["params"]} == {
        id(p) for p in parts_of(task.network)[free]
    }


def test_the_parts_are_the_whole_network():
    network = fresh_network()
    parts = [parameter for part in parts_of(network).values() for parameter in part]
    assert len(parts) == len({id(p) for p in parts}) == len(list(network.parameters()))
    with pytest.raises(RequestError, match="Unknown part 'neck'"):
        FineTuningPlan(freeze=("neck",))


def test_an_average_is_kept_where_it_is_asked_for(folder, tmp_path):
    task, files, _ = run(folder, tmp_path, steps=3, average=0.9)
    written = load_network(files.last, TINY).state_dict()
    assert all(torch.equal(written[n], v) for n, v in task.averaged.state_dict().items())
    assert any(not torch.equal(written[n], v) for n, v in task.network.state_dict().items())


def test_losses_have_known_answers():
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    sure = torch.tensor([50.0, 50.0, -50.0, -50.0])
    right, wrong = mask_loss(torch.stack([sure, -sure]), target, torch.ones(4))
    assert right == pytest.approx(0, abs=1e-6)
    assert wrong == pytest.approx(50 + 1 - 1 / 5, abs=1e-4)  # cross-entropy 50, Dice (0 + 1) / 5
    assert dice_of(sure > 0, target > 0.5) == 1
    assert dice_of(sure < 0, target > 0.5) == 0
    assert dice_of(sure > 99, target > 99) == 1
