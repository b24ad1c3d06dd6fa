"""SAM through transformers, with a tiny random model: shapes, frames, plain refusals."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

from parser_model.box_prompted import load_box_prompted
from parser_model.errors import SetupError

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers (the extra sam) is not installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A SAM of two layers with random weights, as it would be downloaded."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    vision = {
        "hidden_size": 16,
        "output_channels": 16,
        "num_pos_feats": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 128,
        "patch_size": 16,
        "window_size": 4,
        "global_attn_indexes": [1],
        "mlp_dim": 32,
    }
    prompt = {"hidden_size": 16, "image_size": 128, "patch_size": 16, "mask_input_channels": 4}
    decoder = {
        "hidden_size": 16,
        "mlp_dim": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "iou_head_hidden_dim": 16,
    }
    config = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder
    )
    where = tmp_path_factory.mktemp("sam")
    transformers.SamModel(config).save_pretrained(where)
    processor = transformers.SamImageProcessor(
        size={"longest_edge": 128}, pad_size={"height": 128, "width": 128}
    )
    transformers.SamProcessor(processor).save_pretrained(where)
    return where


@needs_transformers
def test_masks_have_the_frame_of_the_image_one_a_box(folder):
    model = load_box_prompted(str(folder))
    image = np.random.default_rng(0).integers(0, 256, (90, 140, 3), np.uint8)
    boxes = [(10 + k, 20, 60 + k, 70) for k in range(20)]  # more than go in at once
    masks = model.outline(image, boxes)
    assert masks.shape == (20, 90, 140)
    assert masks.dtype == np.bool_
    # An answer does not depend on the boxes beside it, nor on the batch it falls into.
    assert (masks[18] == model.outline(image, boxes[18:19])[0]).all()


@needs_transformers
def test_weights_that_are_not_all_there_are_refused(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop(next(name for name in weights if "vision_encoder" in name))
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SetupError, match="not complete"):
        load_box_prompted(str(tmp_path))


@needs_transformers
def test_a_model_of_another_kind_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(SetupError, match="kind 'bert'"):
        load_box_prompted(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match="No model like SAM"):
        load_box_prompted(str(tmp_path / "empty"))
    with pytest.raises(SetupError, match="is not there"):
        load_box_prompted(str(tmp_path / "none"))


def test_without_transformers_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("parser_model.box_prompted.find_spec", lambda name: None)
    with pytest.raises(SetupError, match="pip install"):
        load_box_prompted("facebook/sam-vit-base")
