"""Pictures are served by token and id, to their session only, as long as it lives."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from agent.chat import pictures
from agent.chat.routes import router
from agent.chat.sessions import ChatSession, registry
from tests.agent.chat_fake import FakeConversation
from tools.geometry import Geometry
from tools.scan import Scan


async def _ask(session: ChatSession) -> None:
    async for _ in session.conversation.stream("How large is the optic disc?"):
        pass


@pytest.fixture
def session(tmp_path: Path) -> Iterator[ChatSession]:
    path = tmp_path / "scan.png"
    Image.fromarray(np.full((60, 90, 3), 128, np.uint8)).save(path)
    registry.configure(FakeConversation)  # type: ignore[arg-type]
    opened = asyncio.run(registry.open("tab"))
    opened.conversation.add_file(path)
    asyncio.run(_ask(opened))
    yield opened
    asyncio.run(registry.close_all())


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(router)
    return TestClient(app)


def _picture(client: TestClient, url: str) -> Image.Image:
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["cache-control"] == "no-store"
    return Image.open(io.BytesIO(answer.content))


def test_layers_of_a_scan_have_one_size(client: TestClient, session: ChatSession) -> None:
    sizes = {
        _picture(client, session.url(item)).size
        for item in ("scan-1", "mask-1", "mask-1-outline", "mask-2")
    }
    assert sizes == {(900, 600)}


def test_the_mask_layer_is_the_mask(client: TestClient, session: ChatSession) -> None:
    layer = np.asarray(_picture(client, session.url("mask-1")))
    mask = session.conversation.case.objects["mask-1"].mask
    assert np.array_equal(layer[5::10, 5::10, 3] == 255, mask)
    assert set(map(tuple, layer[layer[..., 3] > 0][:, :3])) == {(0x2D, 0xD4, 0xBF)}


def test_layers_of_a_volume_are_those_of_the_slice(
    client: TestClient, session: ChatSession
) -> None:
    mask = np.zeros((60, 90, 4), bool)
    mask[10:30, 20:50, 2] = True
    case = session.conversation.case
    case.scans["scan-7"] = Scan(np.where(mask, 200, 0).astype(np.uint8), Geometry())
    case.objects["mask-7"] = SimpleNamespace(mask=mask, colour="#2dd4bf")  # type: ignore[assignment]
    shown = np.asarray(_picture(client, session.url("scan-7-slice-2")).convert("L"))
    assert (shown[5::10, 5::10] > 100).sum() == mask.sum()
    layer = np.asarray(_picture(client, session.url("mask-7-slice-2")))
    assert np.array_equal(layer[5::10, 5::10, 3] == 255, mask[..., 2])
    assert _picture(client, session.url("mask-7-outline-slice-2")).size == (900, 600)
    for item in ("scan-7-slice-4", "mask-7-slice-4", "mask-7", "scan-1-slice-0", "scan-7-slice-x"):
        assert client.get(session.url(item)).status_code == 404, item


def test_unknown_tokens_and_items_are_not_found(client: TestClient, session: ChatSession) -> None:
    token = session.token
    for url in (
        "/scans/guess/scan-1.png",
        f"/scans/{token}/scan-2.png",
        f"/scans/{token}/mask-9.png",
        f"/scans/{token}/mask-1-overlay.png",  # the fake wrote none
        f"/scans/{token}/..%2F..%2Fetc%2Fpasswd.png",
        f"/scans/{token}/case.json",
        f"/scans/{token}/scan-1x.png",
        "/samples/nothing.png",
    ):
        assert client.get(url).status_code == 404, url


def test_a_closed_session_serves_nothing(client: TestClient, session: ChatSession) -> None:
    assert client.get(session.url("scan-1")).status_code == 200
    asyncio.run(registry.close("tab"))
    assert client.get(session.url("scan-1")).status_code == 404
    assert session.conversation.closed  # type: ignore[attr-defined]


def test_tokens_differ_and_are_long(session: ChatSession) -> None:
    other = asyncio.run(registry.open("another tab"))
    assert other.token != session.token
    assert len(session.token) >= 43  # 32 random bytes


def test_uploads_cannot_be_read_back(client: TestClient) -> None:
    answer = client.get("/project/file/anything?session_id=tab")
    assert Image.open(io.BytesIO(answer.content)).size == (1, 1)


def test_samples_have_thumbnails_without_a_download(client: TestClient) -> None:
    answer = client.get("/samples/retina.png")
    assert Image.open(io.BytesIO(answer.content)).size == (96, 96)


def test_a_huge_scan_is_reduced_and_a_small_one_enlarged_in_whole_steps() -> None:
    assert pictures.canvas_size(8000, 4000) == (2048, 1024)
    assert pictures.canvas_size(64, 64) == (960, 960)
    assert pictures.canvas_size(1411, 1411) == (1411, 1411)


def test_the_cache_forgets_the_oldest() -> None:
    cache = pictures.PictureCache(limit=10)
    cache.put("a", b"12345")
    cache.put("b", b"12345")
    assert cache.get("a")
    cache.put("c", b"1")
    assert cache.get("b") is None
    assert cache.get("a")
