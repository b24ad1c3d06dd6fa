"""The recipe of the compact network: what is drawn, what is lost, how large the steps are.

How a run goes from step to step, is kept and resumed, is in `trainer`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from parser_model.compact.network import CompactNetwork
from parser_model.errors import FileError
from parser_model.ontology import Ontology, Place
from parser_model.training.augment import appearance, flips_for, geometry, warp
from parser_model.training.data import Sample, absent_targets, read_image, read_mask
from parser_model.training.phrases import say

_HELD_BYTES = 4 * 2**30
_PARAPHRASED = 0.25
_COLOUR = frozenset({"pathology", "dermoscopy", "endoscope", "fundus"})

MODALITY_SHARES = {
    # How often each modality is drawn; the hard and the varied ones more often.
    "CT": 0.19,
    "MRI": 0.18,
    "MRI-FLAIR": 0.025,
    "MRI-T1-Gd": 0.025,
    "X-Ray": 0.08,
    "pathology": 0.11,
    "ultrasound": 0.11,
    "fundus": 0.08,
    "endoscope": 0.11,
    "dermoscopy": 0.06,
    "OCT": 0.05,
}


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that decides a run besides the data.

    Attributes
    ----------
    minutes : float
        Budget in processor time over the number of threads: minutes on an idle machine, and the
        same work on a busy one. The learning rate follows the share of it that is spent.
    wall_minutes : float or None
        Stop by the clock on the wall as well; None never does.
    steps : int or None
        Budget in steps instead: the same result on any machine.
    sizes : tuple of (float, float)
        Working sizes as (up to which share of the budget, share of the full size): small images
        first, where steps are cheap.
    strength : float
        Of the geometric augmentation, 0 to 1.
    images, prompts : int
        Per step: images encoded, and phrases asked of each at most.
    negative_share : float
        Of the phrases about images that have other targets too; half of it more where not.
    word_drop : float
        Share of words that are replaced by the unknown word.
    average : float
        Share of the running average of weights that a step keeps.
    shares : mapping of str to float
        How often each modality is drawn; what is not named is not trained on.
    report_every : int
        Steps between two lines of progress.
    validate_every : float
        Share of the budget between two validations.
    validation_images : int
        At most so many in one, of all kinds evenly.
    save_minutes : float
        Between two savings of the state that a stopped run resumes from.
    """

    minutes: float = 55.0
    wall_minutes: float | None = None
    steps: int | None = None
    sizes: tuple[tuple[float, float], ...] = ((0.45, 0.625), (0.75, 0.8125), (1.0, 1.0))
    strength: float = 1.0
    images: int = 16
    prompts: int = 2
    negative_share: float = 0.15
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    word_drop: float = 0.02
    average: float = 0.995
    shares: Mapping[str, float] = field(default_factory=lambda: dict(MODALITY_SHARES))
    seed: int = 0
    report_every: int = 25
    validate_every: float = 0.1
    validation_images: int = 90
    save_minutes: float = 5.0


class EncodesWords(Protocol):
    """A vocabulary or tokenizer: phrases to word indices."""

    def encode(self, phrases: Sequence[str]) -> NDArray[np.int64]:
        """Indices (P, L) of the words of each phrase."""
        ...


class DrawingPlan(Protocol):
    """What a plan says about the drawing of batches; see `TrainingPlan`."""

    @property
    def images(self) -> int: ...
    @property
    def prompts(self) -> int: ...
    @property
    def negative_share(self) -> float: ...
    @property
    def strength(self) -> float: ...
    @property
    def word_drop(self) -> float: ...
    @property
    def shares(self) -> Mapping[str, float]: ...
    @property
    def seed(self) -> int: ...


class Batches:
    """Draws augmented batches from samples.

    Parameters
    ----------
    samples : list of Sample
    ontology : Ontology
    vocabulary : EncodesWords
    plan : DrawingPlan
    size : int
        Working resolution.
    places : sequence of Place, optional
        Classes of the recognition head; the ontology's when left out.
    pad : bool
        Keep the proportions of images; see `read_image`.
    paraphrases : mapping of str to sequence of str, optional
        More wordings of targets; where there are some, a quarter of the phrases is one of them.
    """

    def __init__(
        self,
        samples: list[Sample],
        ontology: Ontology,
        vocabulary: EncodesWords,
        plan: DrawingPlan,
        size: int,
        places: Sequence[Place] | None = None,
        *,
        pad: bool = False,
        paraphrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._paraphrases = paraphrases or {}
        self._places = {p: i for i, p in enumerate(places or ontology.places)}
        self.samples = [s for s in samples if s.masks]
        self.ontology, self.vocabulary, self.plan, self.size = ontology, vocabulary, plan, size
        self.rng = np.random.default_rng(plan.seed)
        self.generator = torch.Generator().manual_seed(plan.seed)
        self._pad = pad
        # What fits is held in memory, masks as bits; the rest is read when it is drawn.
        self._held = len(self.samples) * size**2 * 3 <= _HELD_BYTES
        self._images = [self._read_image(s.image) for s in self.samples] if self._held else []
        self._masks = [
            {t: np.packbits(self._read_mask(p), axis=None) for t, p in s.masks.items()}
            for s in (self.samples if self._held else [])
        ]
        self.absent = [absent_targets(s, ontology) for s in self.samples]
        self._by_target: dict[str, dict[str, list[int]]] = {}
        for index, sample in enumerate(self.samples):
            for target in sample.masks:
                group = self._by_target.setdefault(sample.place.modality, {})
                group.setdefault(target, []).append(index)
        present = [m for m in plan.shares if m in self._by_target and plan.shares[m] > 0]
        if not present:
            raise FileError("None of the images is of a modality that the plan gives a share.")
        shares = np.array([plan.shares[m] for m in present])
        self._modalities, self._shares = present, shares / shares.sum()

    def draws(self) -> dict[str, Any]:
        """Where the random draws stand, for `restore_draws`."""
        return {"numpy": self.rng.bit_generator.state, "torch": self.generator.get_state()}

    def restore_draws(self, draws: dict[str, Any]) -> None:
        """Go on drawing where another run stopped."""
        self.rng.bit_generator.state = draws["numpy"]
        self.generator.set_state(draws["torch"])

    def _draw(self) -> tuple[int, str]:
        """A modality by its share, a target by the root of its number, an image at random."""
        modality = str(self.rng.choice(self._modalities, p=self._shares))
        targets = self._by_target[modality]
        names = list(targets)
        weights = np.sqrt([len(targets[name]) for name in names])
        target = names[int(self.rng.choice(len(names), p=weights / weights.sum()))]
        return int(self.rng.choice(targets[target])), target

    def _questions(self, index: int, target: str) -> list[tuple[str, bool]]:
        """The drawn target, then another of the image or one that is absent."""
        chosen = [(target, True)]
        others = [t for t in self.samples[index].masks if t != target]
        while len(chosen) < self.plan.prompts:
            chance = 2 * self.plan.negative_share if others else 0.6
            if self.rng.random() < chance and self.absent[index]:
                local = sorted(set(self.absent[index]) & _same_place(self, index))
                pool = local if local and self.rng.random() < 0.5 else self.absent[index]
                chosen.append((str(self.rng.choice(pool)), False))
            elif others:
                chosen.append((others[int(self.rng.integers(len(others)))], True))
            else:
                break
        return chosen

    def next(self, size: int) -> Batch:
        """One augmented batch at a working size, at most the one held in memory."""
        drawn = [self._draw() for _ in range(self.plan.images)]
        asked = [self._questions(index, target) for index, target in drawn]
        places = [self.samples[index].place for index, _ in drawn]
        image = torch.from_numpy(np.stack([self._image(i) for i, _ in drawn])).permute(0, 3, 1, 2)
        flips = [flips_for(p.modality, p.site) for p in places]
        matrix = geometry(flips, self.generator, strength=self.plan.strength)
        x = warp(image.float() / 255.0, matrix, size)
        x = appearance(x, torch.tensor([p.modality in _COLOUR for p in places]), self.generator)
        phrases, owner, present, masks = [], [], [], []
        for number, ((index, _), questions) in enumerate(zip(drawn, asked, strict=True)):
            for target, is_present in questions:
                place = places[number]
                if not is_present and target not in self.ontology.targets_in(place.modality):
                    options = [
                        p
                        for p in self.ontology.places
                        if target in self.ontology.targets_in(p.modality, p.site)
                    ]
                    if self.rng.random() < 0.4:
                        place = options[int(self.rng.integers(len(options)))]
                phrases.append(self._say(target, place))
                owner.append(number)
                present.append(is_present)
                masks.append(self._mask(index, target))
        owners = torch.tensor(owner)
        mask = torch.from_numpy(np.stack(masks)).float()[:, None]
        mask = (warp(mask, matrix[owners], size) > 0.5).float()[:, 0]
        words = torch.from_numpy(self.vocabulary.encode(phrases))
        drop = torch.rand(words.shape, generator=self.generator) < self.plan.word_drop
        words = torch.where(drop & (words > 1), torch.ones_like(words), words)
        kinds = torch.tensor([self._places[p] for p in places])
        return Batch(x * 2 - 1, words, owners, torch.tensor(present), mask, kinds)

    def _say(self, target: str, place: Place) -> str:
        more = self._paraphrases.get(target)
        if more and self.rng.random() < _PARAPHRASED:
            return str(self.rng.choice(more))
        return say(target, place, self.ontology, self.rng)

    def _image(self, index: int) -> NDArray[np.uint8]:
        return self._images[index] if self._held else self._read_image(self.samples[index].image)

    def _mask(self, index: int, target: str) -> NDArray[np.uint8]:
        path = self.samples[index].masks.get(target)
        if path is None:
            return np.zeros((self.size, self.size), np.uint8)
        if not self._held:
            return self._read_mask(path).astype(np.uint8)
        bits = np.unpackbits(self._masks[index][target])
        return bits[: self.size**2].reshape(self.size, self.size)

    def _read_image(self, path: Path) -> NDArray[np.uint8]:
        return read_image(path, self.size, pad=self._pad)

    def _read_mask(self, path: Path) -> NDArray[np.bool_]:
        return read_mask(path, self.size, pad=self._pad)


def _same_place(batches: Batches, index: int) -> set[str]:
    place = batches.samples[index].place
    return set(batches.ontology.targets_in(place.modality, place.site))


@dataclass(frozen=True)
class Batch:
    """One step's input and truth; P phrases about N images."""

    images: Tensor
    words: Tensor
    owners: Tensor
    present: Tensor
    masks: Tensor
    places: Tensor

    def to(self, device: str) -> Batch:
        """The batch where the network is."""
        return Batch(*(getattr(self, f.name).to(device) for f in fields(self)))


def loss_of(
    logits: Tensor, presence: Tensor, places: Tensor, batch: Batch
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropy and Dice of the mask, cross-entropy of presence and place.

    The mask of an object that vanished in a crop counts as empty; presence then is not judged.
    """
    present = batch.present & (batch.masks.sum((1, 2)) > 0)
    judged = present | ~batch.present
    bce = F.binary_cross_entropy_with_logits(logits, batch.masks, reduction="none").mean((1, 2))
    p = torch.sigmoid(logits)
    overlap = (p * batch.masks).sum((1, 2))
    dice = 1 - (2 * overlap + 20.0) / (p.sum((1, 2)) + batch.masks.sum((1, 2)) + 20.0)
    mask_loss = (bce + dice)[present].sum() / max(int(present.sum()), 1)
    empty_loss = bce[~present].sum() / max(int((~present).sum()), 1)
    presence_loss = F.binary_cross_entropy_with_logits(presence[judged], present[judged].float())
    place_loss = F.cross_entropy(places, batch.places)
    total = mask_loss + 0.3 * empty_loss + 0.3 * presence_loss + 0.4 * place_loss
    parts = {
        "dice": 1 - float(dice.detach()[present].mean()),
        "mask": float(mask_loss.detach()),
        "presence": float(presence_loss.detach()),
        "place": float(place_loss.detach()),
    }
    return total, parts


def working_size(share: float, full: int, sizes: tuple[tuple[float, float], ...]) -> int:
    """The size of images at a share of the budget: a multiple of 16, full size beyond the last."""
    ratio = next((ratio for until, ratio in sizes if share < until), 1.0)
    return int(full * ratio) // 16 * 16


def learning_rate(share: float, peak: float) -> float:
    """Warm-up over the first 3 % of the budget, then a cosine to zero."""
    if share < 0.03:
        return peak * max(share / 0.03, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min((share - 0.03) / 0.97, 1.0)))


def parameter_groups(network: CompactNetwork) -> list[dict[str, object]]:
    """Convolutions at the full learning rate; attention, words and heads at a quarter of it."""
    gentle: list[nn.Parameter] = []
    full: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        attentive = any(part in name for part in ("context", "encode_text", "presence", "place"))
        (gentle if attentive else full).append(parameter)
    return [{"params": full, "share": 1.0}, {"params": gentle, "share": 0.25}]
