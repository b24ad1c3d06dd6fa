"""The compact network in training."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from parser_model.compact.imagenet import start_from_imagenet
from parser_model.compact.network import CompactConfig, CompactNetwork
from parser_model.compact.parser import CompactParser
from parser_model.compact.text import Vocabulary, build_vocabulary
from parser_model.compact.weights import CompactWeights, save_weights
from parser_model.ontology import Ontology
from parser_model.training import loop, score
from parser_model.training.batches import Batch, Batches
from parser_model.training.data import Sample
from parser_model.training.machine import Machine


class CompactTask:
    """See `parser_model.training.trainer.Task`.

    Parameters
    ----------
    samples, held_out : sequence of Sample
        To train on, and to validate on.
    ontology : Ontology
    plan : loop.TrainingPlan
    machine : Machine
    start : CompactWeights, optional
        Weights to train further; their words, places and sizes are kept.
    sizes : dict, optional
        Of the network, where they are not `CompactConfig`'s own.
    paraphrases : mapping of str to sequence of str, optional
        More wordings of targets; see `read_paraphrases`.

    Raises
    ------
    FileError
        If there is nothing to train on.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        held_out: Sequence[Sample],
        ontology: Ontology,
        plan: loop.TrainingPlan,
        machine: Machine,
        start: CompactWeights | None = None,
        sizes: dict[str, Any] | None = None,
        paraphrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        torch.manual_seed(plan.seed)
        self._plan, self._machine, self._ontology = plan, machine, ontology
        self._held_out = list(held_out)
        self.device = machine.device
        self._vocabulary = start.vocabulary if start else _vocabulary(ontology, paraphrases)
        self._places = start.places if start else ontology.places
        config = CompactConfig(
            vocabulary_size=len(self._vocabulary), places=len(self._places), **(sizes or {})
        )
        self.network = CompactNetwork(start.network.config if start else config)
        if start is not None:
            self.network.load_state_dict(start.network.state_dict())
        elif plan.encoder == "imagenet":
            start_from_imagenet(self.network.encode_image.backbone)
        self.network = cast(
            CompactNetwork,
            self.network.to(self.device).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        )
        if plan.taught == "presence":
            self.network.requires_grad_(False)
            self.network.presence.requires_grad_(True)
        if plan.taught == "decoder":
            for part in (
                self.network.encode_image,
                self.network.encode_text,
                self.network.presence,
            ):
                part.requires_grad_(False)
        self.averaged: CompactNetwork = copy.deepcopy(self.network)
        self.averaged.requires_grad_(False)
        self._before = copy.deepcopy(self.network) if start and plan.start_share else None
        self._size = self.network.config.image_size
        self._batches = Batches(
            list(samples),
            ontology,
            self._vocabulary,
            plan,
            self._size,
            self._places,
            device=self.device,
            paraphrases=paraphrases,
        )
        self.optimiser = torch.optim.AdamW(
            loop.parameter_groups(self.network, plan.weight_decay),
            betas=(0.9, 0.98),
            fused=self.device == "cuda" or None,
        )
        self._judged = torch.compile(self._judge, dynamic=False) if plan.compiled else self._judge

    def step(self, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        for group in self.optimiser.param_groups:
            group["lr"] = loop.learning_rate(share, self._plan.learning_rate) * group["share"]
        size = loop.working_size(share, self._size, self._plan.sizes)
        batch = self._batches.next(size)  # in full precision: drawing is not what takes time
        with self._machine.mixed():
            return self._judged(*batch)

    def _judge(self, *tensors: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        batch = Batch(*tensors)
        images = batch.images.to(memory_format=torch.channels_last)
        if self._plan.taught == "presence":
            tokens = self.network.encode_image(images).tokens.index_select(0, batch.owners)
            presence = self.network.presence(tokens, self.network.encode_text(batch.words))
            told = loop.presence_loss(presence.float(), batch)
            return told, {"presence": told.detach()}
        if self._plan.taught == "decoder":
            features = self.network.encode_image(images).take(batch.owners)
            logits = self.network.decode(features, self.network.encode_text(batch.words))
            return loop.masks_loss(logits.float(), batch)
        logits, presence, places = self.network(images, batch.words, batch.owners)
        return loop.loss_of(logits.float(), presence.float(), places.float(), batch)

    def draws(self) -> dict[str, Any]:
        return self._batches.draws()

    def restore_draws(self, draws: dict[str, Any]) -> None:
        self._batches.restore_draws(draws)

    def validate(self) -> dict[str, float] | None:
        if not self._held_out:
            return None
        network = self._finished()
        weights = CompactWeights(network, self._vocabulary, self._places, {}, "")
        parser = CompactParser(weights, self._ontology, None, memory_bytes=0, device=self.device)
        return validation_dice(score.score_masks(parser, self._held_out))

    def write(self, path: Path, record: dict[str, Any]) -> None:
        unfinished = path.with_name(path.name + ".part")
        network = self._finished()
        save_weights(unfinished, network, self._vocabulary, self._places, record)
        unfinished.replace(path)

    @torch.no_grad()
    def _finished(self) -> CompactNetwork:
        """The averaged network, with the plan's share of what it started from."""
        if self._before is None:
            return self.averaged.eval()
        network = copy.deepcopy(self.averaged)
        for new, old in zip(network.parameters(), self._before.parameters(), strict=True):
            new.lerp_(old, self._plan.start_share)
        return network.eval()


def _vocabulary(ontology: Ontology, paraphrases: Mapping[str, Sequence[str]] | None) -> Vocabulary:
    return build_vocabulary(ontology, (t for texts in (paraphrases or {}).values() for t in texts))


def validation_dice(scores: Sequence[score.MaskScore]) -> dict[str, float]:
    """Mean Dice by modality, and the mean of those as "mean"."""
    by_modality: dict[str, list[float]] = {}
    for one in scores:
        by_modality.setdefault(one.modality, []).append(one.dice)
    table = {name: float(np.mean(values)) for name, values in sorted(by_modality.items())}
    return {**table, "mean": float(np.mean(list(table.values())))}


def gentler(plan: loop.TrainingPlan) -> loop.TrainingPlan:
    """The plan for weights that learnt much already: smaller steps on milder changes."""
    return replace(
        plan,
        learning_rate=0.75 * plan.learning_rate,
        strength=0.6 * plan.strength,
        recolouring=0.6 * plan.recolouring,
        sizes=((0.6, 0.667), (1.0, 1.0)),
    )
