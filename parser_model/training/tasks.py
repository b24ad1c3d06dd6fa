"""From a configuration and samples to a network that is ready for its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parser_model.biomedparse.checkpoint import load_network
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.compact.weights import file_sha256, load_weights
from parser_model.errors import RequestError, SetupError
from parser_model.ontology import ontology
from parser_model.training.compact_task import CompactTask
from parser_model.training.data import Sample
from parser_model.training.full_task import FullTask
from parser_model.training.loop import TrainingPlan
from parser_model.training.machine import Machine
from parser_model.training.plans import Config, FineTuningPlan
from parser_model.training.trainer import Task
from parser_model.weights_store.places import model_folder
from parser_model.weights_store.record import installed
from parser_model.weights_store.sources import SOURCES


def task_of(
    config: Config,
    machine: Machine,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    *,
    start: Path | None = None,
    tokenizer: Path | None = None,
    paraphrases: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Task, dict[str, Any] | None]:
    """The network with its data, and the record of the weights it starts from.

    Parameters
    ----------
    config : Config
    machine : Machine
    samples, held_out : sequence of Sample
        To train on, and to validate on.
    start : Path, optional
        Weights to train further; biomedparse takes the installed ones when left out.
    tokenizer : Path, optional
        Of biomedparse, where its weights are not installed.
    paraphrases : mapping of str to sequence of str, optional
        More wordings of targets.

    Raises
    ------
    RequestError, SetupError
        If weights are missing or damaged, or do not go with the configuration.
    """
    if isinstance(config.plan, TrainingPlan):
        weights = load_weights(start) if start else None
        if config.plan.taught != "all" and weights is None:
            raise RequestError(
                f"The {config.plan.taught} alone is taught to finished weights; "
                "name them with --start."
            )
        if config.plan.start_share and weights is None:
            raise RequestError("start_share is of the weights named with --start; name them.")
        if weights and config.sizes:
            raise RequestError("--start keeps the network's sizes, so [network] cannot be given.")
        compact = CompactTask(
            samples, held_out, ontology(), config.plan, machine, weights, config.sizes, paraphrases
        )
        return compact, {"sha256": weights.sha256, **weights.record} if weights else None
    return _full(config.plan, machine, samples, held_out, start, tokenizer, paraphrases)


def _full(
    plan: FineTuningPlan,
    machine: Machine,
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
    start: Path | None,
    tokenizer: Path | None,
    paraphrases: Mapping[str, Sequence[str]] | None,
) -> tuple[Task, dict[str, Any]]:
    source = SOURCES["biomedparse"]
    record = installed(source.name)
    if start is None and record is None:
        raise SetupError(
            "Fine-tuning needs the weights of biomedparse; run 'parsechat models download "
            "biomedparse' or name a file with --start."
        )
    if tokenizer is None and record is None:
        raise SetupError("Name the tokenizer's merges.txt with --tokenizer.")
    folder = model_folder(source.name)
    weights = start or folder / (record.weights_file if record else "")
    network = load_network(weights, source.config)
    reader = Tokenizer.from_file(tokenizer or folder / "tokenizer")
    task = FullTask(network, reader, samples, held_out, ontology(), plan, machine, paraphrases)
    return task, {"sha256": file_sha256(weights)}
