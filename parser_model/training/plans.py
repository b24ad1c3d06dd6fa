"""What ``--config`` names: a network, and the numbers of a run, by name or from a TOML file.

A file holds only what differs from the defaults; every key is a field of the plan or of the
network's sizes, and unknown ones are refused by name::

    model = "compact"            # or "biomedparse"

    [plan]                       # parser_model.training.loop.TrainingPlan
    minutes = 120
    learning_rate = 0.002
    sizes = [[0.5, 0.75], [1.0, 1.0]]

    [plan.shares]                # how often each modality is drawn
    CT = 0.5
    MRI = 0.5

    [network]                    # parser_model.compact.network.CompactConfig; not for biomedparse
    image_size = 320
"""

from __future__ import annotations

import dataclasses
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, TypeVar

from parser_model.compact.network import CompactConfig
from parser_model.errors import FileError, RequestError
from parser_model.training.limits import check_plan, check_value
from parser_model.training.loop import TrainingPlan

MODELS = ("compact", "biomedparse")
_WRITTEN: Final = {n: Path(__file__).with_name(f"{n}.toml") for n in ("presence", "tumors")}
"""Files that a name stands for."""
NAMES: Final = (*MODELS, *_WRITTEN)
PARTS = ("backbone", "pixel_decoder", "text", "decoder")
_MULTIPLES_OF: Final = {"image_size": 32, "decoder_widths": 8, "context_width": 4, "text_width": 4}
_GIVEN_BY_DATA = ("vocabulary_size", "places")


@dataclass(frozen=True)
class FineTuningPlan:
    """Everything that decides a fine-tuning of the full network besides the data.

    Attributes
    ----------
    minutes, wall_minutes, steps, seed : float, float or None, int or None, int
    report_every, validate_every, validation_images, save_minutes : int, float, int, float
        As in `TrainingPlan`.
    freeze : tuple of str
        Parts that stay as they are: "backbone", "pixel_decoder", "text", "decoder".
    images, prompts : int, float
        Per step: images, and phrases asked of each in the mean.
    learning_rate, weight_decay : float
    average : float
        Share of a running average of weights that a step keeps; 0 keeps none, which saves the
        memory of a second network.
    strength, recolouring, shares, word_drop
        As in `TrainingPlan`.
    negative_share, closeups : float
        Of phrases about absent objects, and of images cut so that objects are absent; they teach
        this network nothing (it has no answer "no").
    synthetic : float
        As in `TrainingPlan`.
    """

    minutes: float = 60.0
    wall_minutes: float | None = None
    steps: int | None = None
    freeze: tuple[str, ...] = ("backbone", "text")
    images: int = 2
    prompts: float = 2.0
    learning_rate: float = 1e-5
    weight_decay: float = 0.05
    average: float = 0.0
    strength: float = 0.5
    recolouring: float = 0.5
    word_drop: float = 0.0
    negative_share: float = 0.0
    closeups: float = 0.0
    synthetic: float = 0.0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(TrainingPlan().shares))
    seed: int = 0
    report_every: int = 5
    validate_every: float = 0.25
    validation_images: int = 27
    save_minutes: float = 15.0

    def __post_init__(self) -> None:
        for part in self.freeze:
            if part not in PARTS:
                raise RequestError(f"Unknown part '{part}' to freeze; use {', '.join(PARTS)}.")
        if set(self.freeze) == set(PARTS):
            raise RequestError("With every part frozen there is nothing to train.")
        check_plan(self)


@dataclass(frozen=True)
class Config:
    """A network to train and how.

    Attributes
    ----------
    model : {"compact", "biomedparse"}
    plan : TrainingPlan or FineTuningPlan
    sizes : dict
        Fields of `CompactConfig` that differ from the defaults.
    """

    model: str
    plan: TrainingPlan | FineTuningPlan
    sizes: dict[str, Any] = field(default_factory=dict)

    def with_numbers(self, **numbers: Any) -> Config:
        """The same with some numbers of the plan set; those that are None stay.

        A budget in minutes takes the place of one in steps.
        """
        given = {name: value for name, value in numbers.items() if value is not None}
        if "minutes" in given and "steps" not in given:
            given["steps"] = None
        return replace(self, plan=_filled(self.plan, given, "the plan"))


def read_config(given: str, device: str = "cpu") -> Config:
    """A configuration by a network's name, or from a TOML file ("presence" is one of ours).

    Parameters
    ----------
    given : str
    device : str
        What it will run on: a GPU has defaults of its own.

    Raises
    ------
    FileError, RequestError
        For a file that is missing or no TOML, an unknown key, or a value of the wrong kind.
    """
    if given in MODELS:
        return _defaults(given, device)
    path = _WRITTEN.get(given, Path(given))
    if not path.is_file():
        raise RequestError(
            f"--config is {', '.join(NAMES)} or a TOML file; there is no file '{path.name}'."
        )
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path.name} is no TOML file: {error}.") from error
    unknown = sorted(set(tree) - {"model", "plan", "network"})
    if unknown:
        raise RequestError(
            f"{path.name} has the unknown keys {', '.join(unknown)}; use model, plan, network."
        )
    config = _defaults(tree.get("model", "compact"), device)
    plan = _filled(config.plan, tree.get("plan", {}), f"[plan] of {path.name}")
    return replace(config, plan=plan, sizes=_sizes(config.model, tree.get("network", {}), path))


def _defaults(model: Any, device: str) -> Config:
    if model not in MODELS:
        raise RequestError(f"Unknown model '{model}'; use {', '.join(MODELS)}.")
    plan = TrainingPlan.for_device(device) if model == "compact" else FineTuningPlan()
    return Config(model, plan)


def _sizes(model: str, given: Any, path: Path) -> dict[str, Any]:
    if given and model != "compact":
        raise RequestError(f"[network] of {path.name} is for compact; {model} has its own sizes.")
    forbidden = [name for name in _GIVEN_BY_DATA if name in given]
    if forbidden:
        raise RequestError(f"{', '.join(forbidden)} of [network] follow from the ontology.")
    template = CompactConfig(vocabulary_size=1, places=1)
    filled = _filled(template, given, f"[network] of {path.name}")
    sizes = {name: getattr(filled, name) for name in given}
    for name, size in sizes.items():
        step = _MULTIPLES_OF.get(name, 1)
        if any(n < 1 or n % step for n in (size if isinstance(size, tuple) else (size,))):
            what = f"a multiple of {step} above 0" if step > 1 else "above 0"
            raise RequestError(f"{name} in [network] of {path.name} must be {what}.")
    return sizes


T = TypeVar("T", TrainingPlan, FineTuningPlan, CompactConfig, TrainingPlan | FineTuningPlan)


def _filled(template: T, given: Any, where: str) -> T:
    """A dataclass with some fields set from plain values, each of its own kind."""
    if not isinstance(given, dict):
        raise RequestError(f"{where} must be a table of names and values.")
    kinds = typing.get_type_hints(type(template))
    unknown = sorted(set(given) - set(kinds))
    if unknown:
        raise RequestError(
            f"{where} has no {', '.join(unknown)}; there are {', '.join(sorted(kinds))}."
        )
    values = {
        name: _fitting(value, kinds[name], f"{name} in {where}") for name, value in given.items()
    }
    for name, value in values.items():
        check_value(name, value, f"{name} in {where}")
    return dataclasses.replace(template, **values)


def _fitting(value: Any, kind: Any, where: str) -> Any:
    """A value as its field wants it: whole numbers may stand for others, lists for tuples."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (UnionType, typing.Union):
        (kind,) = (k for k in inside if k is not NoneType)
        return None if value is None else _fitting(value, kind, where)
    if origin is tuple and isinstance(value, list | tuple):
        if inside[-1] is Ellipsis:
            inside = (inside[0],) * len(value)
        if len(inside) == len(value):
            return tuple(_fitting(v, k, where) for v, k in zip(value, inside, strict=True))
    elif origin is Mapping and isinstance(value, dict):
        return {str(k): _fitting(v, inside[1], where) for k, v in value.items()}
    elif kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind in (int, str, bool) and type(value) is kind:
        return value
    raise RequestError(f"{where} cannot be {value!r}.")
