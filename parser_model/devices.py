"""Which device computes, and how much memory images may take: what BiomedParse runs on.

A GPU is chosen by itself, but never trusted blindly: a small network has to give the CPU's
answers on it first. Where it does not, the CPU computes and the reason is kept for `doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from parser_model.errors import SetupError
from parser_model.intensities import Preparation

ACCELERATORS = ("cuda", "mps")
DEVICES = ("auto", "cpu", *ACCELERATORS)
LEAST_GAIN = 0.25
"""With less, bfloat16 is no use to a network of this size: an answer would take minutes."""


class ComputeSettings(BaseSettings):
    """What can be chosen from outside, as ``PARSECHAT_*`` or in a file ``.env``.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        For BiomedParse; the bundled parser is small and stays on the CPU.
    image_memory_mb : int
        MiB for images that BiomedParse remembers (an image takes 422 MiB); 0 remembers none.
    preparation : {"slice-extremes", "window"}
        Grey values that BiomedParse gets: as its public readers make them, or by the window that
        people look at, which one bright pixel cannot change.
    """

    model_config = SettingsConfigDict(
        env_prefix="PARSECHAT_", env_file=".env", extra="ignore", env_ignore_empty=True
    )

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    image_memory_mb: int = Field(default=1024, ge=0)
    preparation: Preparation = "slice-extremes"


def compute_settings() -> ComputeSettings:
    """The settings.

    Raises
    ------
    SetupError
        If one of them cannot be.
    """
    try:
        return ComputeSettings()
    except ValidationError as error:
        problem = error.errors()[0]
        name = f"PARSECHAT_{str(problem['loc'][0]).upper()}"
        raise SetupError(f"The setting {name} is wrong: {problem['msg']}.") from error


@dataclass(frozen=True)
class Device:
    """What computes.

    Attributes
    ----------
    name : str
        As PyTorch calls it.
    why : str
        Why this one, in a few words.
    """

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


@lru_cache(maxsize=len(DEVICES))
def chosen_device(wanted: str = "auto") -> Device:
    """The device for a wish.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda", "mps"}
        "auto" takes a GPU that PyTorch sees and that computes rightly, else the CPU.

    Raises
    ------
    SetupError
        If the device that was named is not here, or computes wrongly.
    """
    if wanted == "cpu":
        return Device("cpu", "as set")
    from parser_model.biomedparse.trial import trouble_on

    seen = [name for name in ACCELERATORS if is_here(name)]
    if wanted != "auto":
        trouble = trouble_on(wanted) if wanted in seen else "PyTorch does not see it"
        if trouble:
            raise SetupError(f"{wanted} cannot be used: {trouble}; set PARSECHAT_DEVICE to cpu.")
        return Device(wanted, "as set")
    troubles = []
    for name in seen:
        trouble = trouble_on(name)
        if not trouble:
            return Device(name, "found, and it gives the CPU's answers")
        troubles.append(f"{name} is not used: {trouble}")
    return Device("cpu", "; ".join(troubles) or "PyTorch sees no GPU")


def check_bfloat16(device: str) -> None:
    """Refuse bfloat16 where an answer would take longer than anyone waits.

    Raises
    ------
    SetupError
        If products in bfloat16 take more than four times as long as in float32.
    """
    from parser_model.speed_test import bfloat16_gain

    gain = bfloat16_gain(device)
    if gain < LEAST_GAIN:
        raise SetupError(
            f"bfloat16 is about {1 / gain:.0f} times slower than float32 on this machine, so "
            "biomedparse does not run in it here; leave --precision bf16 out."
        )


def is_here(name: str) -> bool:
    """Whether PyTorch sees a device."""
    import torch

    if name == "cuda":
        return torch.cuda.is_available()
    return name == "cpu" or torch.backends.mps.is_available()
