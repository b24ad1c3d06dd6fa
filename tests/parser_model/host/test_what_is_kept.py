"""What a host keeps in its memory: for so long, and so much."""

from __future__ import annotations

import time

import httpx

from parser_model.host import app
from parser_model.host.handles import Handles
from parser_model.host.limits import Limits
from parser_model.memory import FeatureMemory, content_key
from tests.parser_model.host.host_server import Boxes, connect, host, picture


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
