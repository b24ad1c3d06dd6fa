"""Networks without numbers, for weights from a file."""

import torch
from torch import nn

from parser_model.blank import blank


class Mixed(nn.Module):
    """Fills its parameters in all the ways our networks do."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4, padding_idx=0)
        self.attention = nn.MultiheadAttention(4, 2)
        self.linear = nn.Linear(4, 3)
        self.weight = nn.Parameter(torch.empty(2, 3))
        nn.init.kaiming_normal_(self.weight)
        nn.init.trunc_normal_(self.linear.weight, std=0.02)
        self.noise = nn.Parameter(torch.zeros(3).normal_())


def test_a_blank_network_has_the_shapes_and_takes_the_numbers_of_another():
    whole = Mixed()
    with blank():
        network = Mixed()
    assert all(p.is_meta for p in network.parameters())
    network.load_state_dict(whole.state_dict(), assign=True)
    assert all(
        torch.equal(a, b) for a, b in zip(network.parameters(), whole.parameters(), strict=True)
    )


def test_it_draws_no_random_numbers():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    with blank():
        Mixed()
    assert torch.equal(torch.get_rng_state(), before)


def test_afterwards_networks_are_filled_again():
    with blank():
        Mixed()
    weight = nn.Linear(8, 8).weight
    assert not weight.is_meta
    assert weight.std() > 0
