"""What the server answers to, and what every answer carries."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from agent.chat import security

PAGE = """<head><link rel="preconnect" href="https://fonts.example" crossorigin />
<link
  rel="stylesheet"
  href="https://cdn.example/katex.css"
/><link rel="icon" href="/favicon" /><script>const a = 1;</script>
<script type="module" src="/assets/index.js"></script></head>"""


async def _size(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=[Route("/", _size, methods=["GET", "POST"])])
    guard = security.Guard(
        app, policy=lambda: security.content_security_policy(PAGE), hosts=("127.0.0.1", "[::1]")
    )
    return TestClient(guard, base_url="http://127.0.0.1:8000")


def test_outside_links_go_and_own_links_stay() -> None:
    page = security.without_outside_links(PAGE)
    assert "https://" not in page
    assert '<link rel="icon" href="/favicon" />' in page


def test_policy_names_no_outside_host_and_no_inline_scripts_but_the_page_s_own() -> None:
    policy = security.content_security_policy(PAGE)
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "http" not in policy
    assert "*" not in policy
    assert "'unsafe-inline'" not in scripts
    assert scripts.count("'sha256-") == 1


def test_every_answer_carries_the_headers(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/nothing-here")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.0.0.1", "[::1]:8000", "[::1]"])
def test_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_other_sites_in_the_same_browser_are_refused(client: TestClient, origin: str) -> None:
    assert client.post("/", headers={"origin": origin}).status_code == 403


def test_own_origin_is_answered(client: TestClient) -> None:
    assert client.post("/", headers={"origin": "http://127.0.0.1:8000"}).status_code == 200


def test_too_large_a_body_is_refused(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "MAX_BODY", 100)
    assert client.post("/", content=b"x" * 100).text == "100"
    assert client.post("/", content=b"x" * 101).status_code == 413
    assert client.post("/", headers={"content-length": "-1"}).status_code == 413
