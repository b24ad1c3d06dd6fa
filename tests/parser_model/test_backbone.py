"""The backbone of the compact network, and what it learnt on ImageNet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from skimage import data
from torch import nn

from parser_model import SetupError
from parser_model.compact import imagenet
from parser_model.compact.backbone import Backbone, ScaledConv
from parser_model.compact.imagenet import imagenet_file, start_from_imagenet
from parser_model.compact.network import CompactConfig

CONFIG = CompactConfig(vocabulary_size=1, places=1)
CATS = {281, 282, 283, 284, 285}  # classes of ImageNet: five kinds of cats
ESPRESSO, CUP = 967, 968


@pytest.fixture(scope="module")
def backbone():
    built = Backbone(CONFIG.widths, CONFIG.depths).eval()
    start_from_imagenet(built)
    return built


def likeliest(backbone, picture):
    """The class that the package's own classifier sees in the backbone's coarsest map (an int)."""
    stored = torch.load(imagenet_file(), map_location="cpu", weights_only=True)
    side = min(picture.shape[:2])
    left = (picture.shape[1] - side) // 2
    x = torch.from_numpy(np.array(picture[:side, left : left + side])).permute(2, 0, 1)[None]
    x = F.interpolate(x.float(), (224, 224), mode="bilinear", antialias=True) / 127.5 - 1
    mean, variance, gain, bias = (
        stored[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    with torch.inference_mode():
        x = F.conv2d(backbone(x)[-1], stored["_conv_head.weight"])
        x = F.relu6(F.batch_norm(x, mean, variance, gain, bias, eps=1e-3)).mean((2, 3))
        return int(F.linear(x, stored["_fc.weight"], stored["_fc.bias"]).argmax())


def test_it_sees_in_photographs_what_imagenet_taught(backbone):
    assert likeliest(backbone, data.chelsea()) in CATS
    assert likeliest(backbone, data.coffee()) in {ESPRESSO, CUP}


def test_maps_are_at_strides_2_to_32(backbone):
    maps = backbone(torch.zeros(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 32, 48),
        (24, 16, 24),
        (40, 8, 12),
        (112, 4, 6),
        (320, 2, 3),
    ]


def test_weights_have_the_size_of_random_ones(backbone):
    """Else one step of the optimiser would be nothing to some channels and much to others."""
    random = Backbone(CONFIG.widths, CONFIG.depths)
    for learnt, drawn in zip(convolutions(backbone), convolutions(random), strict=True):
        ratio = learnt.weight.std() / drawn.weight.std()
        assert 0.4 < ratio < 1.2


def convolutions(network: nn.Module) -> list[ScaledConv]:
    return [m for m in network.modules() if isinstance(m, ScaledConv)]


def test_strided_convolutions_pad_to_the_right_and_below():
    conv = ScaledConv(1, 1, 3, stride=2, linear=True)
    with torch.no_grad():
        conv.weight.zero_()[0, 0, 0, 0] = 1  # looks at the first pixel under it
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(conv(x)[0, 0], x[0, 0, ::2, ::2])


def test_a_missing_package_and_other_sizes_are_said(monkeypatch, tmp_path):
    small = Backbone((8,) * 8, (1,) * 7)
    with pytest.raises(SetupError, match=r"backbone: _conv_stem is .* encoder = .random."):
        start_from_imagenet(small)
    damaged = tmp_path / "lite.pth"
    damaged.write_bytes(b"not tensors")
    with pytest.raises(SetupError, match=r"lite\.pth does not fit"):
        start_from_imagenet(small, damaged)
    monkeypatch.setattr(imagenet, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install .*encoder = .random."):
        start_from_imagenet(small)
