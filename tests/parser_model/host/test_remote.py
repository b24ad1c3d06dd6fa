"""The client against a real host: same results, few bytes, and every trouble in one sentence."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
from PIL import Image

from parser_model import (
    ParsedImage,
    Parser,
    Recogniser,
    RequestError,
    ServiceError,
    SetupError,
    load_parser,
)
from parser_model.host import requests
from parser_model.host.engine import Engine
from parser_model.host.limits import Limits
from parser_model.remote import RemoteParser
from parser_model.types import finder_of
from tests.parser_model.host.host_server import (
    KEY,
    OTHER_KEY,
    Boxes,
    assert_same,
    boxes,
    connect,
    free_port,
    host,
    picture,
)

REPO = Path(__file__).resolve().parents[3]
PHRASES = ["liver", "the spleen", "unicorn", "left kidney", "🫀", "\ud800"]


def client(served, **options) -> RemoteParser:
    return connect(served.address, **options)


@pytest.mark.parametrize("shape", [(96, 128), (1, 1), (7, 300), (64, 65)])
@pytest.mark.parametrize("grey", [False, True])
def test_answers_are_those_of_the_parser(shape, grey):
    image = picture(1, shape, grey=grey)
    with host(boxes()) as served:
        remote = client(served)
        assert isinstance(remote, Parser)
        assert isinstance(remote, Recogniser)
        (theirs,) = remote.parse([image], PHRASES)
        assert_same(boxes().parse([image], PHRASES)[0], theirs)
        assert remote.info == boxes().info
        assert remote.recognise(image) == boxes().recognise(image)


def test_the_compact_parser_answers_the_same_from_afar():
    try:
        local = load_parser()
    except SetupError as error:
        pytest.skip(str(error))
    path = Path(skimage.__file__).parent / "data" / "retina.jpg"
    image = np.asarray(Image.open(path).resize((512, 384)).convert("RGB"))
    phrases = ["optic disc", "vessel", "liver", "unicorn"]
    with host(local) as served:
        remote = client(served)
        for modality in (None, "fundus"):
            (mine,) = local.parse([image], phrases, modality=modality)
            (theirs,) = remote.parse([image], phrases, modality=modality)
            assert_same(mine, theirs)
            assert any(one.mask.any() for one in theirs)
        assert remote.info == local.info
        assert remote.recognise(image) == local.recognise(image)  # type: ignore[attr-defined]


def test_follow_ups_send_no_pixels():
    with host(boxes()) as served:
        remote = client(served)
        image = picture()
        first = remote.parse([image], ["liver"])[0][0]
        again = remote.parse([image.copy()], ["spleen"], modality="CT", site="abdomen")[0][0]
        remote.recognise(image)
        assert (first.encoded, again.encoded) == (True, False)
    hello, *posts = served.requests
    assert hello[0] == "/v1/models"
    assert posts[0][1] > 30_000  # noise does not compress
    assert [path for path, _ in posts[1:]] == ["/v1/parse", "/v1/encode"]
    assert all(size < 2000 for _, size in posts[1:])


def test_neighbouring_slices_belong_to_the_image():
    image = ParsedImage(picture(1), (picture(2), picture(3)))
    with host(boxes()) as served:
        remote = client(served)
        for _ in range(2):
            assert_same(boxes().parse([image], ["liver"])[0], remote.parse([image], ["liver"])[0])
        remote.parse([image.pixels], ["liver"])  # without them it is another image
    assert [size < 2000 for path, size in served.requests if path == "/v1/parse"] == [
        False,
        True,
        False,
    ]


class Stacked(Boxes):
    """The scripted parser, noting of how large a stack each image was said to be."""

    def __init__(self) -> None:
        super().__init__({"liver": [(10, 12, 40, 50)]})
        self.stacks: list[int] = []

    def parse(self, images, prompts, *, modality=None, site=None):
        self.stacks += [i.stack_size if isinstance(i, ParsedImage) else 1 for i in images]
        return super().parse(images, prompts, modality=modality, site=site)


@pytest.mark.parametrize("old", [False, True])
def test_a_host_is_told_how_many_slices_follow_unless_it_is_too_old_to_know(old, monkeypatch):
    if old:
        models = Engine.models
        monkeypatch.setattr(
            Engine, "models", lambda self: {k: v for k, v in models(self).items() if k != "stacks"}
        )
        monkeypatch.setattr(requests, "_FIELDS", requests._FIELDS - {"stack_size"})
    parser = Stacked()
    with host(parser) as served:
        remote = client(served)
        remote.parse([ParsedImage(picture(1), stack_size=300)], ["liver"])
        remote.parse([ParsedImage(picture(1), stack_size=300)], ["spleen"])  # by its handle
        remote.parse([picture(1)], ["liver"])  # the same picture, but of no stack
    assert parser.stacks == ([1, 1, 1] if old else [300, 300, 1])
    assert sum(size > 2000 for path, size in served.requests if path == "/v1/parse") == 1


def test_an_expired_handle_is_replaced_unnoticed():
    now = [0.0]
    with host(boxes(), limits=Limits(handle_seconds=10), clock=lambda: now[0]) as served:
        remote = client(served)
        image = picture()
        remote.parse([image], ["liver"])
        now[0] = 9
        remote.parse([image], ["liver"])
        now[0] = 25
        assert_same(boxes().parse([image], ["spleen"])[0], remote.parse([image], ["spleen"])[0])
        remote.parse([image], ["liver"])
    sizes = [size > 2000 for path, size in served.requests if path == "/v1/parse"]
    assert sizes == [True, False, False, True, False]


def test_five_hundred_phrases_are_answered_in_parts():
    phrases = [f"thing {n}" for n in range(498)] + ["liver", "spleen"]
    with host(boxes()) as served:
        (theirs,) = client(served).parse([picture()], phrases)
    assert_same(boxes().parse([picture()], phrases)[0], theirs)
    assert [one.phrase for one in theirs if one.present] == ["liver", "spleen"]


class Finding(Boxes):
    """A parser with a way of its own to find everything: it leaves out what lies at the border."""

    def find(self, image, *, modality=None, site=None):
        if modality is None:
            raise RequestError("Say what kind of image this is.")
        found = self.parse([image], list(self.shapes), modality=modality)[0]
        return [one for one in found if one.present and not one.mask[0].any()]


def test_everything_is_found_in_the_way_of_the_hosts_parser():
    shapes = {"liver": [(10, 12, 40, 50)], "spleen": [(0, 60, 20, 90)]}
    image = picture()
    with host(Finding(shapes)) as served:
        remote = client(served)
        assert finder_of(remote) is remote
        mine = Finding(shapes).find(image, modality="CT")
        assert_same(mine, remote.find(image, modality="CT"))
        assert [one.target for one in remote.find(image)] == ["liver"]  # recognised there
        with pytest.raises(RequestError, match="modality"):
            remote.find(image, modality="telepathy")
    assert "/v1/parse" not in {path for path, _ in served.requests}
    with (
        host(Finding(shapes, modality=None)) as served,
        pytest.raises(RequestError, match="Say what kind"),
    ):
        client(served).find(image)


def test_a_hosts_parser_without_such_a_way_is_not_taken_for_one():
    with host(boxes()) as served:
        assert finder_of(client(served)) is None


def test_requests_at_fault_are_told_as_the_parser_tells_them():
    with host(boxes(), limits=Limits(pixels=20_000)) as served:
        remote = client(served)
        at_fault: list[tuple[Any, Any]] = [
            ([], ["liver"]),
            ([picture()], []),
            ([picture()], "liver"),
            ([picture()], [3]),
            ([np.zeros((4, 4), np.uint8)], ["liver"]),
            ([np.zeros((4, 4, 3))], ["liver"]),
        ]
        for images, phrases in at_fault:
            with pytest.raises(RequestError):
                remote.parse(images, phrases)
        with pytest.raises(
            RequestError, match=r"million pixels; the host .* at most 0\.02 million"
        ):
            remote.parse([picture(0, (200, 200))], ["liver"])
        with pytest.raises(RequestError, match="at most 1000 characters"):
            remote.parse([picture()], ["x" * 10_000])
        with pytest.raises(RequestError, match="modality"):
            remote.parse([picture()], ["liver"], modality="x" * 300)


def test_a_wrong_key_is_one_sentence():
    with host(boxes()) as served:
        for key in ("", "wrong-key-of-the-tests"):
            with pytest.raises(ServiceError, match="refuses the key; set PARSECHAT_HOST_KEY"):
                client(served, key=key).parse([picture()], ["liver"])


def test_two_keys_share_nothing():
    with host(boxes()) as served:
        one, other = client(served), client(served, key=OTHER_KEY)
        image = picture()
        one.parse([image], ["liver"])
        other._handles = one._handles.copy()  # as if it had got hold of them
        other.parse([image], ["liver"])
        assert other._handles != one._handles
    sizes = [size > 2000 for path, size in served.requests if path == "/v1/parse"]
    assert sizes == [True, False, True]


def test_a_host_that_goes_and_comes_back():
    port = free_port()
    image = picture()
    with host(boxes(), port=port) as served:
        remote = client(served)
        remote.parse([image], ["liver"])
        assert remote.info.name == "shapes"
    with pytest.raises(ServiceError, match=rf"127\.0\.0\.1:{port} cannot be reached") as caught:
        remote.parse([image], ["liver"])
    assert "\n" not in str(caught.value)
    changed = boxes()
    changed.info = boxes().info.__class__(**{**vars(boxes().info), "name": "another"})
    with host(changed, port=port):
        assert_same(boxes().parse([image], ["liver"])[0], remote.parse([image], ["liver"])[0])
        assert remote.info.name == "another"


def test_a_restart_between_two_questions_is_not_noticed():
    port = free_port()
    image = picture()
    with host(boxes(), port=port) as served:
        remote = client(served)
        remote.parse([image], ["liver"])
    with host(boxes(), port=port):  # the kept connection is stale, and the handle unknown
        assert remote.parse([image], ["spleen"])[0][0].present


def test_eight_at_once():
    slow = boxes()
    original = slow.parse
    running: list[int] = []
    most: list[int] = []

    def parse(images, prompts, **options):
        running.append(1)
        most.append(len(running))
        time.sleep(0.02)
        running.pop()
        return original(images, prompts, **options)

    slow.parse = parse  # type: ignore[method-assign]
    with host(slow) as served, ThreadPoolExecutor(8) as pool:
        remote = client(served)
        images = [picture(n) for n in range(8)]
        answers = list(pool.map(lambda image: remote.parse([image], PHRASES)[0], images * 2))
    for image, theirs in zip(images * 2, answers, strict=True):
        assert_same(boxes().parse([image], PHRASES)[0], theirs)
    assert max(most) == 1  # the model is never called twice at once


def test_a_full_host_is_waited_for_but_not_forever(monkeypatch):
    monkeypatch.setattr("parser_model.host.connection._LONGEST_PAUSE", 0.05)
    working, release = threading.Event(), threading.Event()
    slow = boxes()

    def parse(images, prompts, **options):
        working.set()
        release.wait(20)
        return boxes().parse(images, prompts, **options)

    slow.parse = parse  # type: ignore[method-assign]
    with host(slow, limits=Limits(waiting=1)) as served, ThreadPoolExecutor(2) as pool:
        remote = client(served)
        first = pool.submit(remote.parse, [picture(1)], ["liver"])
        assert working.wait(10)
        with pytest.raises(ServiceError, match="is busy; try again later"):
            remote.parse([picture(2)], ["liver"])
        second = pool.submit(remote.parse, [picture(3)], ["liver"])
        time.sleep(0.05)
        release.set()
        assert all(answer.result()[0][0].present for answer in (first, second))


def test_maps_are_sent_as_wanted():
    image = picture()
    with host(boxes()) as served:
        coarse = client(served, probability="uint8").parse([image], ["liver"])[0]
        bare = client(served, probability="none").parse([image], ["liver"])[0]
    mine = boxes().parse([image], ["liver"])[0]
    assert_same(mine, coarse)  # 0 and 1 survive
    assert_same(mine, bare, exact=False)
    assert not bare[0].probability.any()


def test_the_hosts_precision_is_not_overruled():
    with host(boxes()) as served:
        assert client(served, precision="fp32").info.precision == "fp32"
        with pytest.raises(RequestError, match="computes in fp32, not bf16"):
            client(served, precision="bf16").parse([picture()], ["liver"])


@pytest.mark.parametrize(
    "address",
    ["http://", "http://user:secret@127.0.0.1:1", "http://127.0.0.1:99999", "http://x/?a=b"],
)
def test_bad_addresses(address):
    with pytest.raises(RequestError) as caught:
        load_parser(address)
    assert "secret" not in str(caught.value)


def test_a_key_that_cannot_be_sent():
    with pytest.raises(SetupError, match="PARSECHAT_HOST_KEY"):
        RemoteParser("http://127.0.0.1:1", key="schlüssel")


def test_the_client_needs_no_torch():
    code = """
import sys
for name in ("torch", "safetensors", "fastapi", "uvicorn", "starlette"):
    sys.modules[name] = None
import numpy as np
from parser_model import load_parser
parser = load_parser(sys.argv[1])
found = parser.parse([np.zeros((80, 100, 3), np.uint8)], ["liver"])[0][0]
print(parser.info.name, found.target, int(found.mask.sum()))
"""
    with host(boxes()) as served:
        done = subprocess.run(
            [sys.executable, "-c", code, served.address],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "", "PARSECHAT_HOST_KEY": KEY},
        )
    assert (done.stdout.split(), done.stderr) == (["shapes", "liver", "1140"], "")
