"""What each step is asked: which images, which phrases about them, and how they are changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from parser_model.errors import FileError
from parser_model.ontology import Ontology, Place
from parser_model.training.augment import appearance, flips_for, geometry, grids, warp
from parser_model.training.closeups import Square, affine, square
from parser_model.training.data import PARTLY_LABELLED, SOME_OF_MANY, Sample, absent_targets
from parser_model.training.phrases import one_of, say
from parser_model.training.pixels import Pixels, to_device
from parser_model.training.synthetic import TARGET, Synthetic, SyntheticTumors

T = TypeVar("T")

_PARAPHRASED = 0.25
_RARE = 0.65  # 1 draws targets as often as they occur, 0 all alike
_NEXT_TO = 0.01  # of an outline, as a share of the image's side
_COLOUR = frozenset({"pathology", "dermoscopy", "endoscope", "fundus"})


class EncodesWords(Protocol):
    """A vocabulary or tokenizer: phrases to word indices."""

    def encode(self, phrases: Sequence[str]) -> NDArray[np.int64]:
        """Indices (P, L) of the words of each phrase."""
        ...


class DrawingPlan(Protocol):
    """What a plan says about the drawing of batches; see `loop.TrainingPlan`."""

    @property
    def images(self) -> int: ...
    @property
    def prompts(self) -> float: ...
    @property
    def negative_share(self) -> float: ...
    @property
    def strength(self) -> float: ...
    @property
    def recolouring(self) -> float: ...
    @property
    def closeups(self) -> float: ...
    @property
    def synthetic(self) -> float: ...
    @property
    def word_drop(self) -> float: ...
    @property
    def shares(self) -> Mapping[str, float]: ...
    @property
    def seed(self) -> int: ...


class Batch(NamedTuple):
    """One step's input and truth: P phrases about N images, at least one about each.

    Attributes
    ----------
    images : (N, 3, S, S) Tensor
        From -1 to 1.
    words : (P, L) Tensor of int64
    owners : (P,) Tensor of int64
        Which image each phrase is about.
    present : (P,) Tensor of bool
        False also for what a close-up leaves out.
    masks : (P, S, S) Tensor
        Share of each pixel that the object takes, 0 to 1.
    places : (N,) Tensor of int64
        What kind of image each is.
    teaches : (P,) Tensor of bool
        Whether presence can be learnt from it. Not from synthetic tumors: nobody knows whether the
        image has a real one besides, so there would be many to say yes to and none to say no to.
    known : (P, S, S) Tensor
        1 where the mask is sure, else 0: everywhere, but of sources that outline some of many
        objects (`SOME_OF_MANY`) only on what they outline and next to it.
    """

    images: Tensor
    words: Tensor
    owners: Tensor
    present: Tensor
    masks: Tensor
    places: Tensor
    teaches: Tensor
    known: Tensor


class Batches:
    """Draws augmented batches from samples.

    What is asked is drawn on the processor, while an accelerator still computes the step before;
    pixels are changed on the device.

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
    device : str
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
        device: str = "cpu",
        pad: bool = False,
        paraphrases: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._paraphrases = paraphrases or {}
        self._places = {p: i for i, p in enumerate(places or ontology.places)}
        self.samples = [s for s in samples if s.masks]
        self.ontology, self.vocabulary, self.plan = ontology, vocabulary, plan
        self._device = device
        self._rng = np.random.default_rng(plan.seed)
        self._generator = torch.Generator(device).manual_seed(plan.seed)
        self._absent = [absent_targets(s, ontology) for s in self.samples]
        self._absent_here = [
            sorted(set(absent) & set(ontology.targets_in(s.place.modality, s.place.site)))
            for s, absent in zip(self.samples, self._absent, strict=True)
        ]
        self._catalogue = {m: frozenset(ontology.targets_in(m)) for m in ontology.modalities}
        self._homes = {
            target: [
                p for p in ontology.places if target in ontology.targets_in(p.modality, p.site)
            ]
            for target in ontology.targets
        }
        self._modalities = self._groups(plan)
        self._pixels = Pixels(self.samples, size, device, pad=pad)
        self._tumors = SyntheticTumors(self.samples, ontology) if plan.synthetic else None

    def _groups(self, plan: DrawingPlan) -> _Wheel[_Wheel[list[int]]]:
        """Modalities by their shares, in each the targets by their number, softened."""
        by_target: dict[str, dict[str, list[int]]] = {}
        for index, sample in enumerate(self.samples):
            for target in sample.masks:
                by_target.setdefault(sample.place.modality, {}).setdefault(target, []).append(index)
        present = [m for m in plan.shares if m in by_target and plan.shares[m] > 0]
        if not present:
            raise FileError("None of the images is of a modality that the plan gives a share.")
        return _Wheel(
            present,
            [plan.shares[m] for m in present],
            [
                _Wheel(
                    list(by_target[m]),
                    [len(i) ** _RARE for i in by_target[m].values()],
                    list(by_target[m].values()),
                )
                for m in present
            ],
        )

    def draws(self) -> dict[str, Any]:
        """Where the random draws stand, for `restore_draws`."""
        return {"numpy": self._rng.bit_generator.state, "torch": self._generator.get_state()}

    def restore_draws(self, draws: dict[str, Any]) -> None:
        """Go on drawing where another run stopped."""
        self._rng.bit_generator.state = draws["numpy"]
        self._generator.set_state(draws["torch"])

    def _draw(self) -> tuple[int, str]:
        """A modality by its share, a target by its number, softened, an image at random."""
        _, targets = self._modalities.turn(self._rng)
        target, images = targets.turn(self._rng)
        return one_of(images, self._rng), target

    def _questions(
        self, drawn: Sequence[tuple[int, str]], changed: Collection[int] = ()
    ) -> list[tuple[int, str, bool]]:
        """What is asked: (which of the drawn images, target, whether it is there), by image.

        Each image's own target, then questions dealt out at random until there are `plan.prompts`
        an image in the mean: other targets of the image, or absent ones. The target again, in
        other words, where there is nothing else to ask, as in images that were changed.
        """
        asked = [(row, target, True) for row, (_, target) in enumerate(drawn)]
        left = [
            [] if row in changed else [t for t in self.samples[i].masks if t != target]
            for row, (i, target) in enumerate(drawn)
        ]
        while len(asked) < round(self.plan.prompts * len(drawn)):
            row = int(self._rng.random() * len(drawn))
            index, target = drawn[row]
            absent, here = self._absent[index], self._absent_here[index]
            share = self.plan.negative_share
            if row in changed:
                asked.append((row, target, True))
            elif absent and share and (not left[row] or self._rng.random() < share):
                pool = here if here and self._rng.random() < 0.5 else absent
                asked.append((row, one_of(pool, self._rng), False))
            elif left[row]:
                asked.append((row, left[row].pop(int(self._rng.random() * len(left[row]))), True))
            else:
                asked.append((row, target, True))
        return sorted(asked, key=lambda question: question[0])

    def next(self, size: int) -> Batch:
        """One augmented batch at a working size, at most the one held in memory."""
        drawn = [self._draw() for _ in range(self.plan.images)]
        lumps = self._lumps(drawn)
        asked = self._questions(drawn, lumps)
        places = [self.samples[index].place for index, _ in drawn]
        named = [lumps[row].place if row in lumps else place for row, place in enumerate(places)]
        phrases = [self._phrase(named[row], target, there) for row, target, there in asked]
        words = self._dropped(self.vocabulary.encode(phrases))
        owners = torch.tensor([row for row, _, _ in asked])
        colour = torch.tensor([p.modality in _COLOUR for p in places])
        kinds = torch.tensor([self._places[p] for p in places])
        present = torch.tensor([there for _, _, there in asked])
        teaches = torch.tensor([row not in lumps for row, _, _ in asked])
        words, owners, colour, kinds, present, teaches = (
            to_device(x, self._device) for x in (words, owners, colour, kinds, present, teaches)
        )
        flips = [flips_for(p.modality, p.site) for p in places]
        strength = self.plan.strength
        matrix = geometry(flips, self._generator, strength=strength)
        close = self._closeups(drawn, lumps)
        for row, part in close.items():
            matrix[row] = to_device(affine(part), self._device)
        grid = grids(matrix, size, self._generator, strength=strength)
        images, masks = self._pixels_of(drawn, asked, lumps)
        images = warp(images, grid)
        images = appearance(images, colour, self._generator, share=self.plan.recolouring)
        masks = warp(masks, grid[owners])[:, 0]
        if close:
            whole = [self.samples[i].source not in PARTLY_LABELLED for i, _ in drawn]
            may_go = torch.tensor([row in close and whole[row] for row, _, _ in asked])
            present = present & ~(to_device(may_go, self._device) & (masks.sum((1, 2)) < 1))
        some = [self.samples[index].source in SOME_OF_MANY for index, _ in drawn]
        partly = torch.tensor([there and some[row] for row, _, there in asked])
        known = known_where(masks, to_device(partly, self._device))
        return Batch(images * 2 - 1, words, owners, present, masks, kinds, teaches, known)

    def _pixels_of(
        self,
        drawn: Sequence[tuple[int, str]],
        asked: Sequence[tuple[int, str, bool]],
        lumps: Mapping[int, Synthetic],
    ) -> tuple[Tensor, Tensor]:
        """Images (N, 3, S, S) and masks (P, 1, S, S) before they are changed, lumps drawn in."""
        images = self._pixels.images([index for index, _ in drawn])
        masks = self._pixels.masks([(drawn[row][0], target) for row, target, _ in asked])
        for row, lump in lumps.items():
            alpha, grey = (to_device(torch.from_numpy(x), self._device) for x in lump.pixels)
            images[row] = torch.lerp(images[row], grey, alpha)
            for number, (owner, _, _) in enumerate(asked):
                if owner == row:
                    masks[number] = torch.maximum(masks[number], (alpha >= 0.5).float())
        return images, masks

    def _lumps(self, drawn: list[tuple[int, str]]) -> dict[int, Synthetic]:
        """Images with a synthetic tumor, put in the place of some that were drawn, by row."""
        found = {}
        for row in range(len(drawn)):
            if self._tumors is not None and self._rng.random() < self.plan.synthetic:
                made = self._tumors.draw(self._pixels, self._rng)
                if made is not None:
                    drawn[row], found[row] = (made.sample, TARGET), made
        return found

    def _closeups(
        self, drawn: Sequence[tuple[int, str]], lumps: Collection[int]
    ) -> dict[int, Square]:
        """Squares cut out of some images, by row: half of them beside the object, half with it.

        Beside what is not all outlined nothing can be learnt: such images stay whole.
        """
        share, found = self.plan.closeups, {}
        for row, (index, target) in enumerate(drawn):
            if share and row not in lumps and self._rng.random() < share:
                mask = self._pixels.masks([(index, target)])[0, 0].cpu().numpy() > 0
                beside = bool(self._rng.random() < 0.5)
                # A speck may be gone at the working size.
                part = square(mask, self._rng, beside=beside) if mask.any() else None
                partly = self.samples[index].source in PARTLY_LABELLED
                if part is not None and not (beside and partly):
                    found[row] = part
        return found

    def _phrase(self, place: Place, target: str, present: bool) -> str:
        """A wording of a target in an image; of an absent one sometimes in an image it is in."""
        foreign = not present and target not in self._catalogue[place.modality]
        if foreign and self._rng.random() < 0.4:
            place = one_of(self._homes[target], self._rng)
        more = self._paraphrases.get(target)
        if more and self._rng.random() < _PARAPHRASED:
            return one_of(more, self._rng)
        return say(target, place, self.ontology, self._rng)

    def _dropped(self, words: NDArray[np.int64]) -> Tensor:
        """Some words replaced by the unknown one."""
        drop = (self._rng.random(words.shape) < self.plan.word_drop) & (words > 1)
        return torch.from_numpy(np.where(drop, 1, words))


def known_where(masks: Tensor, partly: Tensor) -> Tensor:
    """Where masks are sure: everywhere, or of those partly drawn, on and next to the outlines.

    Parameters
    ----------
    masks : (P, S, S) Tensor
        Share of each pixel that the object takes, 0 to 1.
    partly : (P,) Tensor of bool

    Returns
    -------
    (P, S, S) Tensor
        1 or 0.
    """
    reach = max(1, round(_NEXT_TO * masks.shape[-1]))
    near = F.max_pool2d(masks[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0] > 0
    return (near | ~partly[:, None, None]).float()


class _Wheel(Generic[T]):
    """Names with what belongs to them, drawn by their weights."""

    def __init__(self, names: Sequence[str], weights: Sequence[float], what: Sequence[T]) -> None:
        self._names, self._what = list(names), list(what)
        self._bounds = np.array(list(accumulate(weights)))

    def turn(self, rng: np.random.Generator) -> tuple[str, T]:
        """One of them."""
        place = rng.random() * self._bounds[-1]
        number = min(int(np.searchsorted(self._bounds, place, "right")), len(self._names) - 1)
        return self._names[number], self._what[number]
