"""The recipe of the compact network: what is drawn, what is lost, how large the steps are.

How a run goes from step to step, is kept and resumed, is in `trainer`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from parser_model.compact.network import CompactNetwork
from parser_model.errors import RequestError
from parser_model.training.batches import Batch
from parser_model.training.limits import check_plan

ENCODERS = ("imagenet", "random")
TAUGHT = ("all", "presence", "decoder")
_SEEN_PIXELS = 8.0
_GENTLE = ("backbone", "context", "encode_text", "presence", "place")

MODALITY_SHARES = {
    # How often each modality is drawn; the hard and the varied ones more often.
    "CT": 0.22,
    "MRI": 0.24,
    "MRI-FLAIR": 0.025,
    "MRI-T1-Gd": 0.025,
    "X-Ray": 0.05,
    "pathology": 0.12,
    "ultrasound": 0.08,
    "fundus": 0.08,
    "endoscope": 0.10,
    "dermoscopy": 0.05,
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
    recolouring : float
        Share of the changes of grey values and colours that are made, 0 to 1.
    closeups : float
        Share of images of which a square of a third to three quarters of the side is taken: half
        of them with the object, half beside it, where it is absent then. Whole images alone do
        not teach what an image without a lesion looks like, where each has one.
    synthetic : float
        Share of images into which a synthetic tumor is drawn; see
        `parser_model.training.synthetic`.
    taught : {"all", "presence", "decoder"}
        Parts of the network that learn. With "presence" alone masks stay as they are; with
        "decoder" alone masks change, and presence and the kind of image stay.
    start_share : float
        Share of the weights it starts from in those that are written: what was learnt before is
        kept better, and what is new nearly as well (M. Wortsman et al., "Robust Fine-Tuning of
        Zero-Shot Models", CVPR 2022).
    encoder : {"imagenet", "random"}
        What the image backbone starts from; see `parser_model.compact.imagenet`. Going on from
        finished weights, it is theirs.
    images : int
        Per step.
    prompts : float
        Phrases asked of an image in the mean, 1 or more.
    negative_share : float
        Of the phrases beyond the first of an image, where it has other targets; where it has
        none, all of them are of absent ones.
    word_drop : float
        Share of words that are replaced by the unknown word.
    average : float
        Share of the running average of weights that a step keeps.
    shares : mapping of str to float
        How often each modality is drawn; what is not named is not trained on.
    compiled : bool
        Compile the steps: on a GPU it took a minute and a half before the first one.
    report_every : int
        Steps between two lines of progress.
    validate_every : float
        Share of the budget between two validations.
    validation_images : int
        At most so many in one, of all kinds evenly.
    save_minutes : float
        Between two savings of the state that a stopped run resumes from.
    """

    minutes: float = 95.0
    wall_minutes: float | None = None
    steps: int | None = None
    sizes: tuple[tuple[float, float], ...] = ((0.5, 0.5), (0.8, 0.667), (1.0, 1.0))
    strength: float = 0.8
    recolouring: float = 0.8
    closeups: float = 0.0
    synthetic: float = 0.0
    taught: str = "all"
    start_share: float = 0.0
    encoder: str = "imagenet"
    images: int = 12
    prompts: float = 1.5
    negative_share: float = 0.15
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    word_drop: float = 0.02
    average: float = 0.998
    shares: Mapping[str, float] = field(default_factory=lambda: dict(MODALITY_SHARES))
    compiled: bool = False
    seed: int = 0
    report_every: int = 25
    validate_every: float = 0.1
    validation_images: int = 90
    save_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise RequestError(f"encoder cannot be '{self.encoder}'; use {', '.join(ENCODERS)}.")
        if self.taught not in TAUGHT:
            raise RequestError(f"taught cannot be '{self.taught}'; use {', '.join(TAUGHT)}.")
        check_plan(self)

    @classmethod
    def for_device(cls, device: str) -> TrainingPlan:
        """The defaults above, or on a GPU, which sees far more images in its time.

        So the changes of images may be as strong as they go, and steps larger.
        """
        if device != "cuda":
            return cls()
        return cls(
            minutes=7.5,
            sizes=((0.4, 0.667), (1.0, 1.0)),
            strength=1.0,
            recolouring=1.0,
            images=32,
            prompts=2.0,
            learning_rate=2e-3,
            weight_decay=0.05,
            report_every=250,
            validate_every=0.25,
        )


def loss_of(
    logits: Tensor, presence: Tensor, places: Tensor, batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy and Dice of the mask, cross-entropy of presence and place.

    What left the image in a crop is judged neither present nor absent. Nothing here waits for an
    accelerator.
    """
    masks, parts = masks_loss(logits, batch)
    told = presence_loss(presence, batch)
    place = F.cross_entropy(places, batch.places)
    parts |= {"presence": told.detach(), "place": place.detach()}
    return masks + 0.3 * told + 0.4 * place, parts


def masks_loss(logits: Tensor, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Cross-entropy and Dice of masks (P, S, S) of what is in view, and emptiness of the others.

    Both where the masks are known.
    """
    area = batch.masks.sum((1, 2))
    present, absent = _judged(batch)
    bce = F.binary_cross_entropy_with_logits(logits, batch.masks, reduction="none")
    bce = (bce * batch.known).mean((1, 2))
    p = torch.sigmoid(logits) * batch.known
    dice = (2 * (p * batch.masks).sum((1, 2)) + 20.0) / (p.sum((1, 2)) + area + 20.0)
    seen = _mean_where(bce + 1 - dice, present)
    parts = {"dice": _mean_where(dice, present).detach(), "mask": seen.detach()}
    return seen + 0.3 * _mean_where(bce, absent), parts


def presence_loss(presence: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of presence logits (P,), over what is judged either present or absent."""
    present, absent = _judged(batch)
    bce = F.binary_cross_entropy_with_logits(presence, present, reduction="none")
    return _mean_where(bce, (present + absent) * batch.teaches)


def _judged(batch: Batch) -> tuple[Tensor, Tensor]:
    """1 for phrases of what is in view, and for those of what is absent, (P,) each."""
    present = batch.present & (batch.masks.sum((1, 2)) >= _SEEN_PIXELS)
    return present.float(), (~batch.present).float()


def _mean_where(x: Tensor, weight: Tensor) -> Tensor:
    return (x * weight).sum() / weight.sum().clamp(min=1)


def working_size(share: float, full: int, sizes: tuple[tuple[float, float], ...]) -> int:
    """The size of images at a share of the budget: a multiple of 32, full size beyond the last."""
    ratio = next((ratio for until, ratio in sizes if share < until), 1.0)
    return max(32, int(full * ratio) // 32 * 32)


def learning_rate(share: float, peak: float) -> float:
    """Warm-up over the first 3 % of the budget, then a cosine to zero."""
    if share < 0.03:
        return peak * max(share / 0.03, 0.02)
    return peak * 0.5 * (1 + math.cos(math.pi * min((share - 0.03) / 0.97, 1.0)))


def parameter_groups(network: CompactNetwork, weight_decay: float) -> list[dict[str, object]]:
    """The decoder at the full learning rate; what attends, reads words or is learnt already, less.

    Norms, biases and positions do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        gentle = any(part in name for part in _GENTLE)
        decays = parameter.ndim > 1 and "position" not in name
        kind = (0.25 if gentle else 1.0, weight_decay if decays else 0.0)
        groups.setdefault(kind, []).append(parameter)
    return [
        {"params": members, "share": share, "weight_decay": decay}
        for (share, decay), members in groups.items()
    ]
