"""What no parser may crash on: a right answer or one clear sentence, here and from afar."""

from __future__ import annotations

import numpy as np
import pytest

from parser_model import RequestError, load_parser
from parser_model.remote import RemoteParser
from tests.parser_model.biomedparse.conftest import TINY
from tests.parser_model.host.host_server import clients, connect, host

PARSERS = ("compact", "biomedparse", "compact afar", "biomedparse afar")


@pytest.fixture(scope="module")
def small_biomedparse():
    import torch

    from parser_model.biomedparse.checkpoint import network_from_entries
    from parser_model.biomedparse.network import BiomedParseNetwork
    from parser_model.biomedparse.substitute import substitute_entries
    from tests.parser_model.biomedparse.test_parser import make

    with torch.device("meta"):
        shapes = {n: tuple(v.shape) for n, v in BiomedParseNetwork(TINY).state_dict().items()}
    return make(network_from_entries(substitute_entries(shapes.items()), TINY))


@pytest.fixture(params=PARSERS, scope="module")
def parser(request, small_biomedparse):
    chosen = small_biomedparse if request.param.startswith("biomedparse") else load_parser()
    if not request.param.endswith("afar"):
        yield chosen
        return
    with host(chosen) as served:
        yield connect(served.address)
        while clients:
            clients.pop().close()


def picture(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)


@pytest.mark.parametrize("phrases", [[], (), "liver"])
def test_phrases_that_are_no_list(parser, phrases):
    with pytest.raises(RequestError, match="list of phrases"):
        parser.parse([picture(8, 8)], phrases)


def test_no_image(parser):
    with pytest.raises(RequestError, match="at least one image"):
        parser.parse([], ["liver"])


def test_five_hundred_phrases_keep_their_order(parser):
    phrases = [("liver", "🫁", "", "a spaceship", "optic disc")[i % 5] for i in range(500)]
    (found,) = parser.parse([picture(40, 50)], phrases)
    assert [one.phrase for one in found] == phrases
    assert [one.target for one in found[:5]] == ["liver", None, None, None, "optic disc"]
    assert all(np.array_equal(one.mask, found[0].mask) for one in found[::5])


def test_a_phrase_of_ten_thousand_characters(parser):
    if isinstance(parser, RemoteParser):  # a host bounds what it takes in
        with pytest.raises(RequestError, match="at most 1000 characters"):
            parser.parse([picture(8, 8)], ["x" * 10_000])
        return
    (found,) = parser.parse([picture(8, 8)], ["x" * 10_000, "liver"])
    assert [one.target for one in found] == [None, "liver"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (20_000, 300)])
def test_images_of_any_shape_have_masks_in_their_own_frame(parser, shape):
    found = parser.parse([picture(*shape)], ["liver"], modality="CT")[0][0]
    assert found.mask.shape == found.probability.shape == shape
    assert np.isfinite(found.probability).all()


@pytest.mark.parametrize(
    "image",
    [
        np.full((8, 8, 3), np.nan),
        np.full((8, 8, 3), np.inf, np.float32),
        np.full((8, 8, 3), 0.5),
        np.zeros((8, 8, 3), np.int16),
        np.zeros((8, 8), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        "scan.png",
    ],
)
def test_what_is_no_picture_is_refused_in_a_sentence(parser, image):
    with pytest.raises(RequestError, match=r"A parser takes images") as caught:
        parser.parse([image], ["liver"])
    assert "\n" not in str(caught.value)
