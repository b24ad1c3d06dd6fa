"""Synthetic tumors: lumps drawn into organs that are outlined, with masks that are surely right.

The real tumors in kidneys come from one patient; a network that has seen no more learns where that
one had his. Lumps of any place, size and grey teach what a tumor is. That this carries over to
real ones was shown for the liver by Q. Hu et al., "Label-Free Liver Tumor Segmentation", CVPR 2023;
how the lumps here are drawn is our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from parser_model.errors import FileError
from parser_model.ontology import Ontology, Place
from parser_model.training.data import Sample
from parser_model.training.phrases import one_of
from parser_model.training.pixels import Pixels

SMALLEST: Final = 0.014
LARGEST: Final = 0.12
"""Radii, as shares of the image's side."""
_TRIES: Final = 8
_SEEN: Final = 12.0  # pixels a lump must have
_LIT: Final = 0.06  # what is darker is air, or fat in a narrow window


@dataclass(frozen=True)
class Host:
    """How a lump looks in an organ.

    Attributes
    ----------
    aerated : bool
        The organ is full of air and the lump as solid as the tissue around; otherwise the lump is
        a little darker or brighter than the organ.
    brighter : float
        Share of lumps that are brighter than the organ.
    outgrows : float
        Share of lumps that may grow out of the organ.
    """

    aerated: bool = False
    brighter: float = 0.25
    outgrows: float = 0.0


TARGET: Final = "tumor"
HOSTS: Final[dict[tuple[str, str], Host]] = {
    ("CT", "lung"): Host(aerated=True),
    ("CT", "kidney"): Host(outgrows=0.5, brighter=0.2),
    ("CT", "liver"): Host(outgrows=0.1),
    ("CT", "pancreas"): Host(outgrows=0.5),
    ("CT", "spleen"): Host(outgrows=0.1),
    ("MRI", "prostate transitional zone"): Host(outgrows=0.4, brighter=0.0),
}
"""Organs that get lumps, by modality and target."""


class Lump(NamedTuple):
    """A lump to be drawn into an image.

    Attributes
    ----------
    alpha : (S, S) ndarray of float32
        Share of each pixel that the lump takes, 0 to 1.
    grey : (S, S) ndarray of float32
        Its grey, 0 to 1.
    """

    alpha: NDArray[np.float32]
    grey: NDArray[np.float32]


class Synthetic(NamedTuple):
    """An image with a tumor drawn in.

    Attributes
    ----------
    sample : int
        Its number.
    place : Place
        Where to say the tumor is: in the organ, where tumors of it are known, else where the
        image is of.
    pixels : Lump
    """

    sample: int
    place: Place
    pixels: Lump


class SyntheticTumors:
    """Draws an organ, an image of it and a lump in it.

    Parameters
    ----------
    samples : sequence of Sample
    ontology : Ontology

    Raises
    ------
    FileError
        If no image has one of the organs.
    """

    def __init__(self, samples: Sequence[Sample], ontology: Ontology) -> None:
        self._images: dict[tuple[str, str], list[tuple[int, Place]]] = {}
        for index, sample in enumerate(samples):
            for kind in HOSTS:
                if _has(sample, kind):
                    known = Place(sample.place.modality, kind[1])
                    said = TARGET in ontology.targets_in(known.modality, known.site)
                    place = known if said else sample.place
                    self._images.setdefault(kind, []).append((index, place))
        if not self._images:
            raise FileError("No image has an outlined organ that synthetic tumors are drawn into.")

    def draw(self, pixels: Pixels, rng: np.random.Generator) -> Synthetic | None:
        """One of them; None where no lump fits.

        Parameters
        ----------
        pixels : Pixels
            Of the same samples.
        rng : numpy.random.Generator
        """
        kind = one_of(list(self._images), rng)
        index, place = one_of(self._images[kind], rng)
        image = pixels.images([index])[0].mean(0).cpu().numpy()
        organ = pixels.masks([(index, kind[1])])[0, 0].cpu().numpy() > 0
        if not organ.any() and HOSTS[kind].aerated:
            organ = lungs(image)
        made = lump(image, organ, HOSTS[kind], rng)
        return None if made is None else Synthetic(index, place, made)


def _has(sample: Sample, kind: tuple[str, str]) -> bool:
    """Whether an image shows an organ: outlined, or lungs, which are seen without.

    Not where a tumor was outlined in a mask that is not used: the lump would not be the only one.
    """
    modality, organ = kind
    if TARGET in sample.unknown:
        return False
    seen = organ in sample.masks or (HOSTS[kind].aerated and sample.place.site == organ)
    return sample.place.modality == modality and seen


def lump(
    image: NDArray[np.float32], organ: NDArray[np.bool_], host: Host, rng: np.random.Generator
) -> Lump | None:
    """A random lump in an organ.

    Parameters
    ----------
    image : (S, S) ndarray of float32
        Greys from 0 to 1.
    organ : (S, S) ndarray of bool
    host : Host
    rng : numpy.random.Generator

    Returns
    -------
    Lump or None
        None where no lump that can be seen fits.
    """
    places = np.argwhere(organ)
    solid = image[image > _LIT]
    if len(places) < _SEEN or len(solid) < _SEEN:
        return None
    middle = float(np.median(solid if host.aerated else image[organ]))
    widest = 1.3 * float(np.sqrt(len(places) / np.pi)) / len(image)
    outgrows = rng.random() < host.outgrows
    for _ in range(_TRIES):
        radius = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST))))
        radius = min(radius, widest) * len(image)
        centre = places[rng.integers(len(places))]
        # Nothing of a lump is further away than this.
        reach = int(3 * radius) + 4
        part = tuple(
            slice(max(0, at - reach), min(size, at + reach + 1))
            for at, size in zip(centre, image.shape, strict=True)
        )
        shape = _shape(part, centre, radius, rng)
        region = organ[part] if host.aerated else ndimage.binary_dilation(organ[part], iterations=2)
        inside = shape * region
        if inside.sum() < max(0.4 * shape.sum(), _SEEN):
            continue
        bone = (image[part] > max(0.8, 1.5 * middle)) & ~organ[part]
        share = shape * ~bone if outgrows else inside
        if host.aerated:
            lit = _solid(solid, middle, share.shape, rng)
        else:
            brighter = rng.random() < host.brighter
            lit = _tinted(image[part], middle, share, rng, brighter=brighter)
        alpha, grey = np.zeros_like(image), np.zeros_like(image)
        alpha[part], grey[part] = share, lit.clip(0, 1)
        return Lump(alpha, grey)
    return None


def lungs(image: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the air is in a CT slice of the chest (S, S): dark, wide, and closed off from outside.

    Narrow dark parts, such as the fat of the chest wall in a narrow window, are left out, and so
    is what is not between the borders of the body.
    """
    dark = ndimage.gaussian_filter(image, len(image) / 256) < _LIT
    wide = ndimage.binary_erosion(dark, iterations=max(1, len(image) // 48), border_value=1)
    parts, _ = ndimage.label(wide)
    sizes = np.bincount(parts.ravel())
    kept = sizes > 0.004 * image.size
    kept[0] = False
    kept[np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])] = False
    lit, count = ndimage.label(~dark)
    if count:
        body = ndimage.find_objects(lit)[int(np.bincount(lit.ravel())[1:].argmax())]
        for number in np.flatnonzero(kept):
            centre = ndimage.center_of_mass(parts == number)
            kept[number] = all(b.start < at < b.stop for b, at in zip(body, centre, strict=True))
    return ndimage.binary_dilation(kept[parts], iterations=max(1, len(image) // 64))


def _shape(
    part: tuple[slice, ...], centre: NDArray[np.int64], radius: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A bumpy ellipse with a soft edge, 0 to 1, in a part of the image."""
    y, x = (
        np.expand_dims(np.arange(s.start, s.stop) - at, 1 - axis)
        for axis, (s, at) in enumerate(zip(part, centre, strict=True))
    )
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 0.45))
    along = (x * np.cos(turn) + y * np.sin(turn)) / stretch
    across = (y * np.cos(turn) - x * np.sin(turn)) * stretch
    angle = np.arctan2(across, along)
    bumps = np.zeros_like(angle)
    for waves in range(2, 8):
        phase = rng.uniform(0, 2 * np.pi)
        bumps += rng.normal(0, 0.22 / waves) * np.cos(waves * angle + phase)
    edge = radius * np.exp(bumps.clip(-0.6, 0.6))
    softness = rng.uniform(0.8, max(1.0, 0.25 * radius))
    return np.clip((edge - np.hypot(along, across)) / softness + 0.5, 0, 1)


def _solid(
    solid: NDArray[np.float32], middle: float, size: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """As bright as the tissue of the image, and as noisy."""
    spread = 1.48 * float(np.median(np.abs(solid - middle)))
    noise = ndimage.gaussian_filter(rng.normal(0, 1, size), rng.uniform(0.6, 1.2))
    noise *= rng.uniform(0.2, 1.0) * spread / max(noise.std(), 1e-6)
    return middle * rng.uniform(0.75, 1.25) + noise + 0.3 * spread * _clouds(size, rng)


def _tinted(
    image: NDArray[np.float32],
    middle: float,
    alpha: NDArray[np.float64],
    rng: np.random.Generator,
    *,
    brighter: bool,
) -> NDArray[np.float64]:
    """Another grey than the organ's, with the grain of the image; some have a core or a rim."""
    grain = image - ndimage.gaussian_filter(image, 1.5)
    noise = 1.48 * float(np.median(np.abs(grain[alpha > 0.5]))) if (alpha > 0.5).any() else 0.0
    step = max(rng.uniform(0.10, 0.40 if brighter else 0.60) * middle, 1.5 * noise)
    grey = middle + (step if brighter else -step)
    surface = grey + grain * rng.uniform(0.5, 1.0) + 0.2 * step * _clouds(alpha.shape, rng)
    depth = ndimage.distance_transform_edt(alpha > 0.5)
    depth = depth / max(float(depth.max()), 1.0)
    if rng.random() < 0.3:  # a core without blood
        surface -= rng.uniform(0.2, 0.6) * step * np.clip((depth - rng.uniform(0.3, 0.6)) * 4, 0, 1)
    if rng.random() < 0.2:  # a rim
        surface += rng.uniform(0.3, 0.9) * step * np.exp(-((depth - 0.15) ** 2) / 0.01)
    return surface


def _clouds(size: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """A smooth random field with a deviation of one."""
    coarse = rng.normal(0, 1, (max(4, size[0] // 12), max(4, size[1] // 12)))
    zoom = (size[0] / coarse.shape[0], size[1] / coarse.shape[1])
    field = ndimage.zoom(coarse, zoom, order=1)[: size[0], : size[1]]
    return field / max(float(field.std()), 1e-6)
