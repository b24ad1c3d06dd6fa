"""Which numbers may be short: the network in bfloat16 where that costs little and gains much.

Every layer casts its input to its own weights' type, so precision is decided by the weights
alone. All in bfloat16 is too coarse: errors gather in the running sums between layers, and the
decoder's hard thresholds turn them into other masks. So the running sums, the norms, the steps
between stages (a twentieth of the work and a third of the error), the text encoder and the
decoder stay in float32; the products inside backbone blocks and the wide convolutions of the
pixel decoder, nine tenths of the work, are made in bfloat16.

What stays in float32 is computed in float32: on NVIDIA GPUs that has to be asked for.
"""

from __future__ import annotations

import torch
from torch import nn

from parser_model.biomedparse.backbone import FocalBlock
from parser_model.biomedparse.network import BiomedParseNetwork
from parser_model.biomedparse.pixel_decoder import NormedConv


def whole_float32() -> None:
    """Have NVIDIA GPUs use all bits of float32, in this process.

    By default cuDNN cuts the inputs of convolutions to 10 bits of mantissa (TF32), and some
    containers set the same for matrix products. bfloat16 is not touched.
    """
    # The older names: the newer ones do not exist in all versions that are allowed, and PyTorch
    # refuses a mixture of both.
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")


def lower_precision(
    network: BiomedParseNetwork, dtype: torch.dtype = torch.bfloat16
) -> BiomedParseNetwork:
    """Shorten the weights that may be short, in place.

    Parameters
    ----------
    network : BiomedParseNetwork
        In float32.
    dtype : torch.dtype

    Returns
    -------
    BiomedParseNetwork
        The same network.
    """
    for module in network.modules():
        if isinstance(module, FocalBlock):
            for part in module.modules():
                if isinstance(part, nn.Linear | nn.Conv2d):
                    _shorten(part, dtype)
        elif isinstance(module, NormedConv):
            _shorten(module, dtype)
    _shorten(network.sem_seg_head.pixel_decoder.mask_features, dtype)
    return network


def _shorten(layer: nn.Linear | nn.Conv2d, dtype: torch.dtype) -> None:
    """Replace weight and bias; norms that are parts of the layer keep their type."""
    for name, value in list(layer.named_parameters(recurse=False)):
        setattr(layer, name, nn.Parameter(value.detach().to(dtype), requires_grad=False))
