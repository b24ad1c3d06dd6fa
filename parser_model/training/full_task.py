"""The full BiomedParse network in fine-tuning, with parts frozen by choice.

At inference a phrase is answered by the query whose vector is most similar to it. So two things
are taught: the mask of one query, and that this query be the most similar. The query is the one
whose mask fits best, in doubt the one that is similar already. Absent objects are not asked for:
the network has no answer "no".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from parser_model.biomedparse.decoder import ImageMemory
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.parser import BiomedParseParser
from parser_model.biomedparse.tokenizer import Tokenizer
from parser_model.ontology import Ontology
from parser_model.training import loop, score
from parser_model.training.batches import Batches
from parser_model.training.compact_task import validation_dice
from parser_model.training.data import Sample
from parser_model.training.machine import Machine
from parser_model.training.plans import FineTuningPlan


class _Ids:
    """The tokenizer in the form `Batches` wants."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, phrases: Sequence[str]) -> NDArray[np.int64]:
        ids, _ = self._tokenizer(phrases)
        return ids


class FullTask:
    """See `parser_model.training.trainer.Task`.

    Parameters
    ----------
    network : BiomedParseNetwork
        In float32; it is changed.
    tokenizer : Tokenizer
    samples, held_out : sequence of Sample
    ontology : Ontology
    plan : FineTuningPlan
    machine : Machine
    paraphrases : mapping of str to sequence of str, optional
        More wordings of targets.
    """

    def __init__(
        self,
        network: BiomedParseNetwork,
        tokenizer: Tokenizer,
        samples: Sequence[Sample],
        held_out: Sequence[Sample],
        ontology: Ontology,
        plan: FineTuningPlan,
        machine: Machine,
        paraphrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        torch.manual_seed(plan.seed)
        self._plan, self._machine, self._ontology = plan, machine, ontology
        self._tokenizer, self._held_out = tokenizer, list(held_out)
        self.device = machine.device
        self.network: BiomedParseNetwork = network.to(self.device)
        for name, part in parts_of(self.network).items():
            for parameter in part:
                parameter.requires_grad_(name not in plan.freeze)
        self.averaged = self.network
        if plan.average > 0:
            self.averaged = copy.deepcopy(self.network)
            self.averaged.requires_grad_(False)
        self._size = network.config.image_size
        self._batches = Batches(
            list(samples),
            ontology,
            _Ids(tokenizer),
            plan,
            self._size,
            device=self.device,
            pad=True,
            paraphrases=paraphrases,
        )
        free = [p for p in self.network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(free, weight_decay=plan.weight_decay)

    def step(self, share: float) -> tuple[Tensor, dict[str, Tensor]]:
        for group in self.optimiser.param_groups:
            group["lr"] = loop.learning_rate(share, self._plan.learning_rate)
        batch = self._batches.next(self._size)
        there = batch.masks.sum((1, 2)) > 0
        losses: list[Tensor] = []
        shown: list[float] = []
        with self._machine.mixed():
            memory = self.network.encode_image((batch.images + 1) * 127.5)
            for i in there.nonzero()[:, 0].tolist():
                image = memory.image(int(batch.owners[i]))
                words, truth, known = batch.words[i : i + 1], batch.masks[i], batch.known[i]
                loss, overlap = self._phrase(image, words, truth, known)
                losses.append(loss)
                shown.append(overlap)
        if not losses:  # everything asked for was cropped away
            free = [p.sum() for p in self.network.parameters() if p.requires_grad]
            return torch.stack(free).sum() * 0.0, {}
        total = torch.stack(losses).mean()
        return total, {"dice": total.new_tensor(np.mean(shown)), "loss": total.detach()}

    def _phrase(
        self, image: ImageMemory, ids: Tensor, truth: Tensor, known: Tensor
    ) -> tuple[Tensor, float]:
        """Loss of one phrase about one image, and the Dice of the mask that would be shown."""
        predictor = self.network.predictor
        with _LastOutput(predictor.decoder_norm) as queries:
            decoded = self.network.decode(image, self.network.encode_text(ids))
        codes = predictor.mask_embed(queries.value[0, 0])  # (Q, C), the queries of this phrase
        height, width = image.mask_features.shape[-2:]
        logits = (codes @ image.mask_features[0].flatten(1)).float()
        target, sure = (
            F.interpolate(x[None, None], (height, width), mode="area").flatten()
            for x in (truth, known)
        )
        fit = mask_loss(logits, target, sure)
        similarity = decoded.similarity[0, 0].float()
        with torch.no_grad():
            best = int((fit - F.log_softmax(similarity, 0)).argmin())
            overlap = dice_of(logits[int(decoded.matched[0, 0])] > 0, target > 0.5)
        return fit[best] - F.log_softmax(similarity, 0)[best], overlap

    def draws(self) -> dict[str, Any]:
        return self._batches.draws()

    def restore_draws(self, draws: dict[str, Any]) -> None:
        self._batches.restore_draws(draws)

    def validate(self) -> dict[str, float] | None:
        if not self._held_out:
            return None
        parser = BiomedParseParser(
            self.averaged.eval(), self._tokenizer, self._ontology, memory_bytes=0
        )
        return validation_dice(score.score_masks(parser, self._held_out))

    def write(self, path: Path, record: dict[str, Any]) -> None:
        unfinished = path.with_name(path.name + ".part")
        tensors = {n: v.detach().cpu().contiguous() for n, v in self.averaged.state_dict().items()}
        metadata = {
            "model": "BiomedParse v1, text prompts only, fine-tuned",
            "record": json.dumps(record),
        }
        save_file(tensors, unfinished, metadata=metadata)
        unfinished.replace(path)


def parts_of(network: BiomedParseNetwork) -> dict[str, list[nn.Parameter]]:
    """The parameters of a network by the part that `--freeze` names; together all of them."""
    text = network.predictor.lang_encoder
    words = {id(p) for p in text.parameters()}
    return {
        "backbone": list(network.backbone.parameters()),
        "pixel_decoder": list(network.sem_seg_head.pixel_decoder.parameters()),
        "text": list(text.parameters()),
        "decoder": [p for p in network.predictor.parameters() if id(p) not in words],
    }


def mask_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy plus one minus Dice of each query's mask, where the target is known.

    Parameters
    ----------
    logits : (Q, L) Tensor
    target : (L,) Tensor
        Share of each place that the object takes, 0 to 1.
    known : (L,) Tensor
        Share of each place for which that is sure, 0 to 1.

    Returns
    -------
    (Q,) Tensor
    """
    wanted = target.expand_as(logits)
    bce = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    bce = (bce * known).mean(1)
    p = logits.sigmoid() * known
    dice = 1 - (2 * (p * wanted).sum(1) + 1) / (p.sum(1) + wanted.sum(1) + 1)
    return bce + dice


def dice_of(found: Tensor, truth: Tensor) -> float:
    """Dice of two masks; 1 where both are empty."""
    total = int(found.sum() + truth.sum())
    return 2 * int((found & truth).sum()) / total if total else 1.0


class _LastOutput:
    """Keeps what a module returned last: the decoder tells masks of matched queries only."""

    value: Tensor

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __enter__(self) -> _LastOutput:
        def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self.value = output

        self._handle = self._module.register_forward_hook(keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
