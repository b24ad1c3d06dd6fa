"""Names to parsers."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from parser_model.errors import RequestError, SetupError
from parser_model.types import Parser

WEIGHTS = Path(__file__).parent / "weights"
PARSERS = ("compact", "biomedparse")
PRECISIONS = ("auto", "fp32", "bf16")


def is_address(name: str) -> bool:
    """Tell whether a parser's name is the address of a host."""
    return name.startswith(("http://", "https://"))


def load_parser(
    name: str = "compact", *, precision: str = "auto", host_key: str | None = None
) -> Parser:
    """A parser by name, loaded once per process.

    Parameters
    ----------
    name : str
        "compact" (bundled), "biomedparse" (once downloaded), a host ("http://..."), or a file of
        weights that ``parsechat train`` made of compact ("trained/compact.safetensors").
    precision : {"auto", "fp32", "bf16"}
        "auto" means fp32 for the parsers of this machine, however fast its bfloat16 is: on the
        recorded runs bfloat16 gives other masks (docs/performance.md). "bf16" is refused for
        biomedparse where a short self-test finds it far slower than fp32. A host chooses by itself;
        another precision than its own is refused when it is first asked.
    host_key : str, optional
        For a host; the environment variable PARSECHAT_HOST_KEY when left out.

    Raises
    ------
    RequestError
        For a name or precision that is not known.
    SetupError
        When torch or the weights are missing, or this machine cannot do what is wanted.

    Notes
    -----
    biomedparse computes on the device of `parser_model.devices.ComputeSettings`.
    """
    if precision not in PRECISIONS:
        raise RequestError(f"Unknown precision '{precision}'; use {', '.join(PRECISIONS)}.")
    if is_address(name):
        return _remote(name, precision, host_key or os.environ.get("PARSECHAT_HOST_KEY", ""))
    file = Path(name) if name.endswith(".safetensors") else None
    if file is None and name not in PARSERS:
        raise RequestError(f"Unknown parser '{name}'; this version has {', '.join(PARSERS)}.")
    if find_spec("torch") is None:
        raise SetupError(f"The {name} parser needs PyTorch; run 'make setup' to install it.")
    precision = "fp32" if precision == "auto" else precision
    if name == "biomedparse":
        return _biomedparse(precision)
    return _compact(precision, file or WEIGHTS / "compact.safetensors")


@lru_cache(maxsize=4)
def _compact(precision: str, file: Path) -> Parser:
    # Imported here because torch takes seconds to import, and clients of a host never need it.
    from parser_model.compact.parser import CompactParser
    from parser_model.compact.weights import load_weights
    from parser_model.ontology import ontology
    from parser_model.presence import fitted_calibration, read_calibration

    weights = load_weights(file)
    # What the user fitted counts before what lies beside the weights.
    calibration = fitted_calibration("compact", weights.sha256)
    if calibration is None:
        calibration = read_calibration(file.parent / "compact.calibration.json", weights.sha256)
    return CompactParser(weights, ontology(), calibration, precision=precision)


@lru_cache(maxsize=2)
def _biomedparse(precision: str) -> Parser:
    from parser_model.weights_store.record import installed

    # Before torch is imported: seconds are no use to someone who has no weights.
    if installed("biomedparse") is None:
        raise SetupError(
            "The weights of biomedparse are not here; run 'parsechat models download biomedparse' "
            "(with --from FILE if you have them)."
        )
    from parser_model.devices import check_bfloat16, chosen_device, compute_settings
    from parser_model.weights_store.using import load_biomedparse

    settings = compute_settings()
    device = chosen_device(settings.device)
    if precision == "bf16":
        check_bfloat16(device.name)
    return load_biomedparse(
        precision,
        device=device.name,
        memory_bytes=settings.image_memory_mb * 2**20,
        preparation=settings.preparation,
    )


@lru_cache(maxsize=8)
def _remote(address: str, precision: str, key: str) -> Parser:
    # One client a host: its connections and what it knows of sent images are shared.
    from parser_model.remote import RemoteParser

    return RemoteParser(address, key=key, precision=precision)


def forget_parsers() -> None:
    """Load parsers anew when they are next asked for: what they are judged by has changed."""
    _compact.cache_clear()
    _biomedparse.cache_clear()
