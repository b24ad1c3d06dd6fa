"""``doctor`` and ``models``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import platform
import textwrap
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from agent.llm import planner_name
from agent.models_commands import state_of
from agent.parsers import chosen_parser
from agent.settings import Settings
from parser_model import ParsechatError, SetupError, load_parser
from parser_model.loading import PARSERS, WEIGHTS

_TAB = " " * 17
_PACKAGES = {
    "torch": "the bundled parser",
    "chainlit": "the web chat",
    "pydicom": "DICOM files",
    "langchain": "the agent",
}


def doctor(*, as_json: bool) -> None:
    """Print what is installed and what is missing."""
    settings = Settings()
    remote = settings.parser.startswith(("http://", "https://"))
    found: dict[str, Any] = {
        "version": version("parsechat"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "parser": settings.parser,
        "parsers": {name: state_of(name) for name in PARSERS},
        "planner": planner_name(settings),
        "llm": settings.llm,
        "llm_base_url": settings.llm_base_url,
    }
    problems = [
        f"{name} is missing ({use} needs it); run 'make setup'."
        for name, use in _PACKAGES.items()
        if found["packages"][name] is None and not (remote and name == "torch")
    ]
    try:
        info = chosen_parser(settings).info
        found |= {
            "weights_sha256": info.weights_sha256,
            "calibration": info.calibration,
            "precision": info.precision,
            "device": f"{info.device}, on the host" if remote else info.device,
        }
        if not remote:
            found |= _this_machine(info.device)
        if info.calibration is None:
            problems.append(
                "No presence calibration fits these weights, so presence is null; run "
                f"'parsechat models calibrate {info.name} --data DIR'."
            )
    except ParsechatError as error:
        problems.append(str(error))
    if settings.llm == "openai" and not (settings.llm_base_url or settings.llm_api_key):
        problems.append("PARSECHAT_LLM is 'openai' but neither its address nor a key is set.")
    found["problems"] = problems
    if as_json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        if isinstance(value, dict):
            for part, state in value.items():
                print(f"{part:16} {state or 'missing'}")
        elif name != "problems":
            print(f"{name:16} {value if value is not None else '-'}")
    print("\n".join(f"! {p}" for p in problems) or "Everything needed is here.")


def _this_machine(device: str) -> dict[str, str]:
    """What could compute here, and what bfloat16 gains there, measured in at most two seconds."""
    from parser_model.devices import chosen_device, compute_settings
    from parser_model.speed_test import bfloat16_gain

    gain = f"{bfloat16_gain(device):.2g} times as fast as fp32 in large products"
    return {
        "biomedparse_device": str(chosen_device(compute_settings().device)),
        "bfloat16": f"{gain}; 'auto' means fp32, --precision bf16 is less exact",
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def list_models(*, as_json: bool) -> None:
    """Print the parsers of this version."""
    if as_json:
        rows = [
            {"name": name, "bundled": name == "compact", "state": state_of(name)}
            for name in PARSERS
        ]
        print(json.dumps({"models": rows}))
        return
    for name in PARSERS:
        print(f"{name}  ({state_of(name)})")


def model_info(name: str, *, as_json: bool) -> None:
    """Print who a parser is and, in short, what made it.

    Parameters
    ----------
    name : str
        As for `load_parser`: a name, a host, or a file of weights that ``train`` made.
    as_json : bool

    Raises
    ------
    RequestError
        For an unknown name.
    """
    info = load_parser(name).info
    bundled = name == "compact"
    file = Path(name) if name.endswith(".safetensors") else None
    record = training_record(file or WEIGHTS / "compact.safetensors") if bundled or file else None
    document = {
        "name": info.name,
        "weights_sha256": info.weights_sha256,
        "calibration": info.calibration,
        "licence": info.licence,
        "input_size": list(info.input_size),
        "vocabulary": list(info.vocabulary),
        "training": record,
    }
    if as_json:
        print(json.dumps(document))
        return
    document.pop("training")
    for key, value in (document | _in_short(record)).items():
        print(
            textwrap.fill(_listed(value), 97, initial_indent=f"{key:16} ", subsequent_indent=_TAB)
        )
    if file:
        print("The whole record: --json.")
    if bundled:
        print("Weights: research use only, see parser_model/weights/LICENSE-WEIGHTS.")
        print("How good it is, and on what: docs/model-card.md. The whole record: --json.")


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _in_short(record: dict[str, Any] | None) -> dict[str, str]:
    """What made weights, a line each: the data, every run from the first on, the last scores."""
    if record is None:
        return {}
    data, scores = record["data"], dict(record["validation"] or {})
    lines = {
        "data": f"{data['images']} images with {data['masks']} masks of {len(data['sources'])} "
        f"sources; sha256 {data['sha256'][:8]}",
        "modalities": _listed(data["modalities"]),
    }
    runs = [record]
    while runs[0].get("before"):
        runs.insert(0, runs[0]["before"])
    for number, run in enumerate(runs, 1):
        lines[f"run {number}"] = (
            f"{run['command']} ({run['steps']} steps in {run['seconds'] / 60:.0f} minutes; "
            f"{run['machine']}; {run['trained']})"
        )
    if not scores:  # there was no val/ beside train/
        return lines
    step = scores.pop("step")
    dice = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
    lines["validation"] = f"Dice on {data['validation_images']} images at step {step}: {dice}"
    return lines


def training_record(path: Path) -> dict[str, Any]:
    """How weights of compact were made, read from the weights file's own header."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        return dict(json.loads(header["__metadata__"]["record"]))
    except (OSError, ValueError, KeyError) as error:
        raise SetupError(f"The weights file {path.name} cannot be read.") from error
