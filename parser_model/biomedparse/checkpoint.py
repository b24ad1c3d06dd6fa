"""Loading weights: strictly, safely, and with one copy in memory.

The network is built without storage (on PyTorch's meta device) and takes the file's own tensors,
which are mapped from disk. Entries that text prompts do not need are checked by name and shape
and never read.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.entries import Shapes, unused_groups
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.precision import whole_float32
from parser_model.blank import blank
from parser_model.errors import SetupError

_NAMED_AT_MOST = 12


class CheckpointError(SetupError):
    """A checkpoint whose entries are not those of the network.

    Attributes
    ----------
    missing, unexpected : tuple of str
        Names of entries.
    misshapen : tuple of str
        Names with the shape found and the shape wanted.
    """

    def __init__(
        self, missing: Sequence[str], unexpected: Sequence[str], misshapen: Sequence[str]
    ) -> None:
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshapen = tuple(misshapen)
        found = [
            f"{len(names)} {kind}: {_some(names)}"
            for kind, names in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("of the wrong shape or kind", self.misshapen),
            )
            if names
        ]
        super().__init__(
            "These are not BiomedParse v1 weights of the expected sizes; entries "
            + "; ".join(found)
            + "."
        )


def _some(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED_AT_MOST
    listed = ", ".join(names[:_NAMED_AT_MOST])
    return f"{listed} and {rest} more" if rest > 0 else listed


def check_entries(found: Mapping[str, tuple[int, ...]], config: BiomedParseConfig) -> None:
    """Compare the names and shapes of a file with those of the network.

    Entries that text prompts do not need may be there or not, but each group of them only as
    a whole: half a group means a damaged or foreign file.

    Parameters
    ----------
    found : mapping of str to tuple of int
    config : BiomedParseConfig

    Raises
    ------
    CheckpointError
        If an entry is missing, unexpected or misshapen.
    """
    with blank():
        network = BiomedParseNetwork(config)
    wanted: Shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for group in unused_groups(config).values():
        if not found.keys().isdisjoint(group):
            wanted |= group
    misshapen = [
        f"{name} ({list(found[name])} instead of {list(shape)})"
        for name, shape in wanted.items()
        if name in found and found[name] != shape
    ]
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    if missing or unexpected or misshapen:
        raise CheckpointError(missing, unexpected, misshapen)


def network_from_entries(
    entries: Mapping[str, Tensor],
    config: BiomedParseConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
) -> BiomedParseNetwork:
    """Build the network around given tensors, without copying those that fit.

    Parameters
    ----------
    entries : mapping of str to Tensor
        The used entries, and any whole group of unused ones.
    config : BiomedParseConfig, optional
    device : torch.device or str
        For a CUDA device, TF32 is switched off in this process.
    dtype : torch.dtype or None
        Type of the weights in memory; None leaves each as it is.

    Returns
    -------
    BiomedParseNetwork
        In evaluation mode, without gradients.

    Raises
    ------
    CheckpointError
    """
    config = config or BiomedParseConfig()
    strange = [
        f"{name} (not an array of floating-point numbers)"
        for name, value in entries.items()
        if not isinstance(value, Tensor) or not value.is_floating_point()
    ]
    if strange:
        raise CheckpointError((), (), strange)
    check_entries({name: tuple(value.shape) for name, value in entries.items()}, config)
    with blank():
        network = BiomedParseNetwork(config)
    network.requires_grad_(False).eval()
    if torch.device(device).type == "cuda":
        whole_float32()
    used = network.state_dict().keys()
    chosen = {name: entries[name].detach().to(device=device, dtype=dtype) for name in used}
    network.load_state_dict(chosen, strict=True, assign=True)
    return network


def load_network(
    path: Path | str,
    config: BiomedParseConfig | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = torch.float32,
) -> BiomedParseNetwork:
    """Load a checkpoint: the public ``.pt`` file or a converted ``.safetensors`` one.

    Parameters
    ----------
    path : Path or str
    config : BiomedParseConfig, optional
        By default that of the public checkpoint.
    device : torch.device or str
    dtype : torch.dtype or None
        None leaves each weight as it is in the file.

    Raises
    ------
    SetupError
        If the file is not there, or cannot be read without running code from it.
    CheckpointError
        If its entries are not those of the network.
    """
    config = config or BiomedParseConfig()
    return network_from_entries(read_entries(path, config), config, device=device, dtype=dtype)


def read_entries(path: Path | str, config: BiomedParseConfig) -> dict[str, Tensor]:
    """The tensors of a file, mapped rather than read; checked before any is touched."""
    path = Path(path)
    if not path.is_file():
        raise SetupError(f"There is no weights file {path.name} at {path.parent}.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path, config)
    return _read_pickle(path)


def _read_safetensors(path: Path, config: BiomedParseConfig) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    unused = {name for group in unused_groups(config).values() for name in group}
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            check_entries(shapes, config)
            return {name: file.get_tensor(name) for name in names if name not in unused}
    except (SafetensorError, OSError) as error:
        raise SetupError(f"{path.name} is damaged or no safetensors file: {error}.") from error


def _read_pickle(path: Path) -> dict[str, Tensor]:
    content = _unpickle(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise SetupError(f"{path.name} is not a table of named weights.")
    return content


def _unpickle(path: Path) -> Any:
    # weights_only admits tensors and plain containers; code in the file is refused, not run.
    try:
        # Files of PyTorch before 1.6 are no archives and cannot be mapped, only read.
        mapped = zipfile.is_zipfile(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about foreign pickles, which are refused anyway
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise SetupError(
            f"{path.name} holds more than weights and was not opened, because opening it "
            "could run code."
        ) from error
    except (RuntimeError, ValueError, EOFError, OSError) as error:
        raise SetupError(f"{path.name} is damaged or no weights file: {error}.") from error


def convert_checkpoint(
    source: Path | str,
    target: Path | str,
    config: BiomedParseConfig | None = None,
    *,
    prepare: Callable[[BiomedParseNetwork], BiomedParseNetwork] | None = None,
) -> None:
    """Write the used entries of a checkpoint to a safetensors file.

    Parameters
    ----------
    source, target : Path or str
        The target appears only when it is complete.
    config : BiomedParseConfig, optional
    prepare : callable, optional
        Applied before writing, e.g. `lower_precision` for a file of half the size.
    """
    from safetensors.torch import save_file

    network = load_network(source, config)
    if prepare is not None:
        network = prepare(network)
    target = Path(target)
    unfinished = target.with_name(target.name + ".part")
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, unfinished, metadata={"model": "BiomedParse v1, text prompts only"})
    unfinished.replace(target)
