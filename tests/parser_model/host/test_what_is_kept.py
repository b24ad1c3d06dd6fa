"""What a host keeps in its memory: for so long, and so much."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import numpy as np
import pytest

from parser_model import ParsedImage, RequestError
from parser_model.host import app, wire
from parser_model.host.handles import Handles
from parser_model.host.limits import Limits
from parser_model.host.requests import HttpError, read_request
from parser_model.memory import FeatureMemory, content_key
from tests.parser_model.host.host_server import Boxes, boxes, connect, host, picture


class Remembering(Boxes):
    """The scripted parser, with a memory of what it saw."""

    def __init__(self, shapes, clock) -> None:
        super().__init__(shapes)
        self.memory = FeatureMemory[bytes](2**20, len, clock)

    def parse(self, images, prompts, *, modality=None, site=None):
        self.memory.get(content_key(images[0]), lambda: b"seen")
        return super().parse(images, prompts, modality=modality, site=site)


def test_images_are_forgotten_in_time_though_no_request_follows(monkeypatch):
    now = [0.0]
    kept: list[Handles] = []

    def watched(*given) -> Handles:
        kept.append(Handles(*given))
        return kept[-1]

    monkeypatch.setattr(app, "Handles", watched)
    monkeypatch.setattr(app, "_SWEEP_SECONDS", 0.01)
    parser = Remembering({"liver": [(10, 12, 40, 50)]}, lambda: now[0])
    with host(parser, limits=Limits(handle_seconds=1800), clock=lambda: now[0]) as served:
        connect(served.address).parse([picture()], ["liver"])
        now[0] = 1799
        time.sleep(0.2)
        assert (kept[0].held_bytes, parser.memory.held_bytes) == (picture().nbytes, 4)
        now[0] = 1801
        deadline = time.monotonic() + 20
        while kept[0].held_bytes or parser.memory.held_bytes:
            assert time.monotonic() < deadline, "an image is still there"
            time.sleep(0.01)
        assert httpx.get(f"{served.address}/healthz").status_code == 200


def blank(rows: int, columns: int) -> bytes:
    return wire.pack_image(np.zeros((rows, columns, 3), np.uint8))


def test_pixels_are_counted_over_all_images_of_a_request_before_any_is_decoded(monkeypatch):
    monkeypatch.setattr(wire, "unpack_image", lambda _: pytest.fail("decoded"))
    body = wire.pack_message({"phrases": ["liver"]}, [blank(600, 600)] * 4)
    assert len(body) < 20_000
    with pytest.raises(HttpError) as caught:
        read_request(wire.CONTENT_TYPE, body, Limits(pixels=4 * 360_000 - 1))
    assert (caught.value.status, caught.value.code) == (413, "too_many_pixels")
    asked = read_request(wire.CONTENT_TYPE, body, Limits(pixels=4 * 360_000))
    assert asked.pixels == 4 * 360_000


def test_a_client_counts_them_as_its_host_does():
    image = picture()
    with host(boxes(), limits=Limits(pixels=2 * image[..., 0].size)) as served:
        remote = connect(served.address)
        assert remote.parse([ParsedImage(image, (image,))], ["liver"])[0][0].present
        with pytest.raises(RequestError, match="million pixels; the host"):
            remote.parse([ParsedImage(image, (image, image))], ["liver"])
    assert len(served.requests) == 2  # what the host takes, and the one that it does


def test_all_requests_together_hold_four_of_the_largest_images():
    release, working = threading.Event(), threading.Event()
    slow = boxes()

    def parse_slowly(images, prompts, **_):
        working.set()
        release.wait(20)
        return boxes().parse(images, prompts)

    slow.parse = parse_slowly  # type: ignore[method-assign]
    image = picture()
    body = wire.pack_message({"phrases": ["liver"]}, [wire.pack_image(image)])
    headers = {"content-type": wire.CONTENT_TYPE}
    with (
        host(slow, limits=Limits(pixels=image[..., 0].size)) as served,
        ThreadPoolExecutor(5) as pool,
    ):
        asked = [
            pool.submit(served.post, "/v1/parse", content=body, headers=headers) for _ in range(5)
        ]
        assert working.wait(10)
        refused = next(as_completed(asked)).result()  # the others wait for the first
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        release.set()
        assert sorted(one.result().status_code for one in asked) == [200] * 4 + [503]
