"""Loading: strict about every entry, safe about every file, one copy in memory."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from parser_model.biomedparse.checkpoint import (
    CheckpointError,
    check_entries,
    convert_checkpoint,
    load_network,
    network_from_entries,
)
from parser_model.biomedparse.config import BiomedParseConfig
from parser_model.biomedparse.entries import unused_groups
from parser_model.biomedparse.precision import lower_precision
from parser_model.errors import SetupError
from tests.parser_model.biomedparse.conftest import TINY

SOME = "sem_seg_head.predictor.query_feat.weight"
BERT = "sem_seg_head.predictor.lang_encoder.biomed_encoder"


@pytest.fixture
def public(entries):
    """Entries of a complete file; those of the second text encoder would be large: no storage."""
    unused = {n: s for group in unused_groups(TINY).values() for n, s in group.items()}
    return entries | {name: torch.zeros(1).expand(shape) for name, shape in unused.items()}


def test_a_complete_file_and_a_converted_one_load(entries, public):
    assert len(public) == len(entries) + 207
    for given in (entries, public):
        network = network_from_entries(given, TINY)
        assert not network.training
        assert not any(p.requires_grad for p in network.parameters())


def test_weights_are_taken_and_not_copied(entries):
    network = network_from_entries(entries, TINY)
    assert network.get_parameter(SOME).data_ptr() == entries[SOME].data_ptr()


def test_missing_entries_are_named(entries):
    del entries[SOME]
    with pytest.raises(CheckpointError, match=SOME) as caught:
        network_from_entries(entries, TINY)
    assert caught.value.missing == (SOME,)


def test_unexpected_entries_are_named(entries):
    entries["model.extra.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match=r"model\.extra\.weight") as caught:
        network_from_entries(entries, TINY)
    assert caught.value.unexpected == ("model.extra.weight",)


def test_misshapen_entries_are_named_with_both_shapes(entries):
    entries[SOME] = torch.zeros(3, 4)
    with pytest.raises(CheckpointError, match=r"\[3, 4\] instead of \[7, 32\]"):
        network_from_entries(entries, TINY)


def test_entries_that_are_no_weights_are_named(entries):
    entries[SOME] = entries[SOME].long()
    with pytest.raises(CheckpointError, match=SOME):
        network_from_entries(entries, TINY)


@pytest.mark.parametrize(
    "name",
    [
        "dilation_kernel",
        f"{BERT}.pooler.dense.bias",
        f"{BERT}.encoder.layer.11.output.dense.weight",
    ],
)
def test_half_a_group_of_unused_entries_is_an_error(public, name):
    del public[name]
    with pytest.raises(CheckpointError, match=name):
        network_from_entries(public, TINY)


def test_misshapen_unused_entries_are_an_error(public):
    public["dilation_kernel"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match="dilation_kernel"):
        network_from_entries(public, TINY)


def test_the_public_list_of_entries_is_accepted(reference):
    found = {}
    for line in (reference / "state_dict.tsv").read_text().splitlines()[1:]:
        name, shape = line.split("\t")[:2]
        found[name] = tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
    assert len(found) == 1131
    check_entries(found, BiomedParseConfig())
    check_entries(found | {"criterion.empty_weight": (17,)}, BiomedParseConfig())


def test_files_load_and_convert(entries, public, tmp_path):
    source, target = tmp_path / "all.pt", tmp_path / "used.safetensors"
    torch.save(public, source)
    convert_checkpoint(source, target, TINY)
    with safe_open(target, framework="pt") as file:
        assert set(file.keys()) == set(entries)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.pt", "used.safetensors"]
    for path in (source, target):
        assert torch.equal(load_network(path, TINY).get_parameter(SOME), entries[SOME])


def test_files_of_old_versions_load(entries, tmp_path):
    torch.save(entries, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    network = load_network(tmp_path / "old.pt", TINY)
    assert torch.equal(network.get_parameter(SOME), entries[SOME])


def test_a_safetensors_file_is_checked_too(entries, tmp_path):
    del entries[SOME]
    save_file(entries, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=SOME):
        load_network(tmp_path / "x.safetensors", TINY)


class Malicious:
    def __reduce__(self):
        return (open, ("ran", "w"))


def test_code_in_a_file_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({SOME: Malicious()}, "evil.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({SOME: Malicious()}))
    for name in ("evil.pt", "old.pt"):
        with pytest.raises(SetupError, match=name):
            load_network(tmp_path / name, TINY)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_damaged_files_are_explained(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SetupError, match=name):
        load_network(tmp_path / name, TINY)


def test_absent_files_and_other_contents_are_explained(tmp_path):
    with pytest.raises(SetupError, match=r"no weights file gone\.pt"):
        load_network(tmp_path / "gone.pt", TINY)
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    with pytest.raises(SetupError, match="table of named weights"):
        load_network(tmp_path / "list.pt", TINY)


def test_a_file_of_half_the_size_keeps_its_types(entries, tmp_path):
    torch.save(entries, tmp_path / "all.pt")
    convert_checkpoint(
        tmp_path / "all.pt", tmp_path / "low.safetensors", TINY, prepare=lower_precision
    )
    network = load_network(tmp_path / "low.safetensors", TINY, dtype=None)
    assert {p.dtype for p in network.parameters()} == {torch.float32, torch.bfloat16}
    long = load_network(tmp_path / "low.safetensors", TINY)
    assert {p.dtype for p in long.parameters()} == {torch.float32}
