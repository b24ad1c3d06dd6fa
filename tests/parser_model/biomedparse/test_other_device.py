"""Whether the network stays on its device, seen without a GPU.

PyTorch's "meta" device stands for one: its tensors have shapes and no values. A step between it
and the CPU is refused here as a GPU refuses it, so a tensor that is made on the CPU in the middle
of the network is found; so is a value that is read without being copied to the CPU first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from parser_model.biomedparse.checkpoint import network_from_entries
from parser_model.biomedparse.parser import BiomedParseParser
from parser_model.biomedparse.precision import lower_precision, whole_float32
from parser_model.biomedparse.substitute import substitute_entries
from parser_model.biomedparse.trace import Trace, trace_decode, trace_image, trace_text
from parser_model.ontology import ontology
from tests.parser_model.biomedparse.conftest import TINY

ATEN = torch.ops.aten
CONTEXT, LONGEST = 77, 5


class Elsewhere(TorchDispatchMode):
    """Refuses steps between devices, and gives values where a GPU would give some."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:  # inference mode hands over compound operations whole
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        if not any(x.is_meta for x in tensors):
            return func(*args, **kwargs)
        if func is ATEN._local_scalar_dense.default:  # a length, or whether all tokens are real
            return False if args[0].dtype == torch.bool else LONGEST
        if func is ATEN._to_copy.default and kwargs.get("device") == torch.device("cpu"):
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if func is ATEN.index.Tensor and args[1][0].dtype == torch.bool:  # as if all were chosen
            chosen = args[1][0]
            return args[0].new_empty((chosen.numel(), *args[0].shape[chosen.ndim :]))
        # Copies are there to cross; single numbers and indices may come from the CPU.
        if func not in (ATEN._to_copy.default, ATEN.copy_.default, ATEN.index.Tensor):
            strange = [x for x in tensors if not x.is_meta and x.ndim]
            if strange:
                raise RuntimeError(f"{func} got tensors of two devices")
        return func(*args, **kwargs)


@pytest.fixture(params=["fp32", "bf16"])
def elsewhere(request, shapes):
    """The tiny network on the other device, and the context in which it runs."""
    with torch.inference_mode(), Elsewhere():
        network = network_from_entries(substitute_entries(shapes.items()), TINY, device="meta")
        yield lower_precision(network) if request.param == "bf16" else network


def words(count):
    ids = torch.zeros((count, CONTEXT), dtype=torch.int64, device="meta")
    return ids, torch.full((count,), LONGEST, device="meta")


class Tokens:
    """Stands for the tokenizer, whose words the tiny network does not know."""

    def __call__(self, phrases):
        ids = np.zeros((len(phrases), CONTEXT), np.int64)
        return ids, np.full(len(phrases), LONGEST, np.int64)


def test_the_network_stays_on_its_device(elsewhere):
    pixels = torch.zeros((2, 3, 64, 64), dtype=torch.uint8)  # as they come: on the CPU
    memory = elsewhere.encode_image(pixels)
    decoded = elsewhere.decode(memory, elsewhere.encode_text(*words(3)))
    found = (*memory.tensors, decoded.mask_logits, decoded.similarity, decoded.matched)
    assert all(tensor.is_meta for tensor in found)
    assert decoded.mask_logits.shape == (2, 3, 16, 16)


def test_the_parser_brings_its_answers_to_the_cpu(elsewhere):
    tokens: Any = Tokens()
    parser = BiomedParseParser(elsewhere, tokens, ontology())
    images = [np.full((40, 60, 3), i, np.uint8) for i in range(2)]
    found = parser.parse(images, ["liver", "spleen"], modality="CT", site="abdomen")
    assert [[one.probability.shape for one in row] for row in found] == [[(40, 60)] * 2] * 2
    parser.find(images[0], modality="CT", site="abdomen")


@pytest.mark.parametrize("elsewhere", ["fp32"], indirect=True)
def test_recorded_runs_can_be_repeated_elsewhere(elsewhere):
    trace = Trace(lambda key: True)
    memory = trace_image(elsewhere, torch.zeros((1, 3, 64, 64), dtype=torch.uint8), trace)
    ids, lengths = words(2)
    text = trace_text(elsewhere, ids, lengths, trace)
    trace_decode(elsewhere, memory, text, trace, out_hw=(64, 64))
    assert trace.values["matched_mask_logits"].shape == (2, 16, 16)


def test_a_tensor_on_the_wrong_device_would_be_found(elsewhere):
    memory = elsewhere.encode_image(torch.zeros((1, 3, 64, 64), dtype=torch.uint8))
    text = elsewhere.encode_text(*words(1))
    with pytest.raises(RuntimeError, match="two devices"):
        elsewhere.decode(memory, text._replace(lengths=torch.tensor([LONGEST])))
    with pytest.raises(RuntimeError, match="two devices"):
        elsewhere.normalise(torch.zeros((1, 3, 64, 64), device="meta")) + torch.zeros(64)


@pytest.fixture
def flags():
    """The process's choice of precision, given back after the test."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    yield
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


def shortened():
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_float32_is_whole_once_weights_go_to_a_gpu(flags, shapes):
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    entries = substitute_entries(shapes.items())
    network_from_entries(entries, TINY)
    assert shortened() == (True, True)  # the CPU has no such choice
    try:
        network_from_entries(entries, TINY, device="cuda")
    except (AssertionError, RuntimeError):
        assert not torch.cuda.is_available()
    assert shortened() == (False, False)


def test_whole_float32_leaves_bfloat16_alone(flags):
    before = torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    whole_float32()
    assert torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction == before
