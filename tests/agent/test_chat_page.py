"""The page in a real browser, against a real server on a free loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from agent.chat import samples

pytestmark = pytest.mark.browser

REPO = Path(__file__).resolve().parents[2]
REAL = "from agent.chat.server import run; import sys; run(port=int(sys.argv[1]))"
FAKE = "from tests.agent.chat_server import main; main()"
PATIENCE = 60_000  # milliseconds; the machine may be busy


@dataclass
class Server:
    """A running server, and the folder it was started from."""

    url: str
    folder: Path
    temporary: Path


@dataclass
class Seen:
    """What the browser asked for and complained about."""

    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def _serve(code: str, tmp_path: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder, temporary = tmp_path / "cwd", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(port)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO), "TMPDIR": str(temporary)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(url, timeout=5)
                break
            except httpx.TransportError:
                said = (tmp_path / "log").read_text()
                assert process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.2)
        yield Server(url, folder, temporary)
    finally:
        process.terminate()
        process.wait(20)
        log.close()
    assert not list(folder.iterdir()), "nothing is written where the chat was started"
    assert not list(temporary.glob("parsechat-*")), "nothing stays when it stops"


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Server]:
    yield from _serve(REAL, tmp_path)


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve(FAKE, tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="module")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine")
    return path


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(chromium: str, seen: Seen) -> Iterator[Page]:
    """A page that notes every request to another host and every complaint of the browser."""
    flags = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
        "--disable-background-networking --disable-component-update"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags.split())
        page = browser.new_page(viewport={"width": 1280, "height": 900})

        def asked(url: str) -> None:
            if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
                seen.outside.append(url)

        page.on("request", lambda request: asked(request.url))
        page.on("websocket", lambda websocket: asked(websocket.url))
        page.on(
            "console",
            lambda m: seen.complaints.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        yield page
        browser.close()


def _open(page: Page, server: Server) -> None:
    page.goto(server.url)
    # Samples are offered at once, but only enabled when the page has reached its session.
    expect(page.get_by_role("button", name="Retina: how large")).to_be_enabled(timeout=PATIENCE)


def _ask(page: Page, question: str, *files: Path) -> None:
    if files:
        page.set_input_files("#upload-button-input", [str(file) for file in files])
        page.wait_for_load_state("networkidle")
    page.fill("#chat-input", question)
    expect(page.locator("#chat-submit")).to_be_enabled(timeout=PATIENCE)
    page.click("#chat-submit")


def _answer(page: Page) -> str:
    """Text of the last answer, once its picture is there."""
    expect(page.locator(".pc-overlay").last).to_be_visible(timeout=PATIENCE)
    return page.locator('[data-step-type="assistant_message"] .message-content').last.inner_text()


def _loaded(page: Page, selector: str) -> bool:
    image = page.locator(selector).first
    expect(image).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("image => image.complete", arg=image.element_handle())
    return bool(image.evaluate("image => image.naturalWidth > 0"))


def test_upload_ask_and_see(real: Server, page: Page, seen: Seen, tmp_path: Path) -> None:
    retina = samples.by_key("retina")
    assert retina is not None
    assert retina.path is not None
    _open(page, real)
    _ask(page, "How large is the optic disc?", retina.path)
    answer = _answer(page)
    assert "optic disc" in answer
    assert "px" in answer

    expect(page.get_by_role("button", name="Find optic disc")).to_be_visible()
    assert _loaded(page, "img.pc-scan")
    assert _loaded(page, "img.pc-mask")
    mask = page.locator("img.pc-mask").first
    before = mask.evaluate("image => image.style.opacity")
    slider = page.get_by_role("slider", name="Mask opacity")
    slider.focus()
    slider.press("Home")
    for _ in range(4):
        slider.press("ArrowRight")
    assert (before, mask.evaluate("image => image.style.opacity")) == ("0.45", "0.2")
    for _ in range(5):
        slider.press("ArrowRight")

    area = page.locator(".pc-table tbody tr").first
    assert area.locator(".pc-value").inner_text() in answer
    expect(page.locator(".pc-overlay footer")).to_contain_text("Parser: compact")
    assert seen.outside == []
    assert seen.complaints == []

    page.mouse.move(0, 0)
    slider.blur()
    page.set_viewport_size({"width": 1120, "height": 1180})
    page.wait_for_timeout(700)
    shot = tmp_path / "screenshot.png"
    page.screenshot(path=shot)
    assert shot.stat().st_size > 20_000
    # Not PARSECHAT_*: the tests forget those.
    if os.environ.get("UPDATE_SCREENSHOT"):
        shutil.copyfile(shot, REPO / "docs" / "screenshot.png")


def test_a_volume_shows_the_slice_it_speaks_of(
    real: Server, page: Page, seen: Seen, tmp_path: Path, data_root: Path
) -> None:
    series = sorted((data_root / "data" / "samples" / "ct_series_j2k").glob("*.dcm"))
    with zipfile.ZipFile(tmp_path / "series.zip", "w") as packed:
        for file in series:
            packed.write(file, file.name)
    _open(page, real)
    _ask(page, "How large is the liver?", tmp_path / "series.zip")
    assert "mL" in _answer(page)
    assert _loaded(page, "img.pc-scan")
    assert _loaded(page, "img.pc-mask")
    assert not seen.outside


def test_a_sample_is_one_click_and_credited(fake: Server, page: Page, seen: Seen) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    assert "px²" in _answer(page)
    expect(page.locator(".pc-overlay footer")).to_contain_text("CC0")
    assert _loaded(page, '[data-step-type="user_message"] img')
    assert seen.outside == []
    assert seen.complaints == []


def test_masks_can_be_hidden_and_found_from_a_number(fake: Server, page: Page) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    _answer(page)
    masks = page.locator("img.pc-mask")
    expect(masks).to_have_count(2)
    row = page.get_by_role("row", name="Longest diameter").get_by_role("button")
    row.click()
    page.mouse.move(0, 0)
    row.blur()
    dimmed = [float(m.evaluate("image => image.style.opacity")) for m in masks.all()]
    assert dimmed[0] < dimmed[1] == 0.45
    page.get_by_role("checkbox", name="optic disc").press("Space")
    expect(masks).to_have_count(1)
    frame = page.get_by_role("group", name="scan-1")
    frame.focus()
    frame.press("+")
    assert "scale(1.4)" in (page.locator(".pc-stage").get_attribute("style") or "")
    frame.press("0")
    assert "scale(1)" in (page.locator(".pc-stage").get_attribute("style") or "")


def test_a_question_waits_for_its_scan(fake: Server, page: Page, tmp_path: Path) -> None:
    broken, nameless = tmp_path / "broken.png", tmp_path / "IM0001"
    broken.write_text("no picture")
    Image.fromarray(np.full((80, 80, 3), 99, np.uint8)).save(nameless, "PNG")
    _open(page, fake)
    _ask(page, "How large is it?")
    expect(page.get_by_text("I need a scan to look at")).to_be_visible(timeout=PATIENCE)
    _ask(page, "", broken)
    expect(page.get_by_text("This is not a picture I can read.")).to_be_visible(timeout=PATIENCE)
    _ask(page, "", nameless)
    assert "covers" in _answer(page)
    uploads = list(fake.temporary.glob("parsechat-chat-*/.files/*/*"))
    assert not [path for path in uploads if path.suffix in (".png", ".bin", "")]
    assert page.get_by_text("broken.png").count() == 0


def test_errors_have_an_id_and_nothing_is_lost(fake: Server, page: Page) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    _answer(page)
    _ask(page, "please crash")
    expect(page.get_by_text("Something went wrong on our side (error")).to_be_visible(
        timeout=PATIENCE
    )
    _ask(page, "And now?")
    expect(page.locator(".pc-overlay")).to_have_count(2, timeout=PATIENCE)
    log = (fake.folder.parent / "log").read_text()
    assert "ValueError" in log
    assert "Patient Zero" not in log


def test_stopping_leaves_the_conversation_usable(fake: Server, page: Page) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    _answer(page)
    _ask(page, "be slow")
    expect(page.get_by_role("button", name="Find optic disc, vessel").last).to_be_visible()
    page.click("#stop-button")
    _ask(page, "And now?")
    expect(page.locator(".pc-overlay")).to_have_count(2, timeout=PATIENCE)


def test_a_volume_can_be_stopped_between_slices(
    real: Server, page: Page, seen: Seen, tmp_path: Path
) -> None:
    """The work ends there, and what is asked next, of another scan, is asked of that alone."""
    voxels = np.random.default_rng(0).normal(40, 20, (96, 96, 400)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "long.nii.gz")
    retina = samples.by_key("retina")
    assert retina is not None
    assert retina.path is not None
    _open(page, real)
    _ask(page, "How large is the liver?", tmp_path / "long.nii.gz")
    expect(page.get_by_role("button", name="of 400")).to_be_visible(timeout=PATIENCE)
    page.click("#stop-button")
    expect(page.locator("#stop-button")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_text("Task manually stopped.")).to_be_visible(timeout=PATIENCE)
    _ask(page, "How large is the optic disc?", retina.path)
    assert "optic disc" in _answer(page)
    expect(page.get_by_role("button", name="Find optic disc")).not_to_contain_text("of 400")
    assert not seen.outside


def test_the_scale_can_be_given(fake: Server, page: Page) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    _answer(page)
    page.get_by_label("Millimetres per pixel").fill("0,02")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_text("scan-1 now has 0.02 mm per pixel, as you said")).to_be_visible(
        timeout=PATIENCE
    )


def test_a_new_chat_deletes_the_old_one(fake: Server, page: Page) -> None:
    _open(page, fake)
    page.get_by_role("button", name="Retina: how large").click()
    _answer(page)
    url = fake.url + str(page.locator("img.pc-scan").get_attribute("src"))
    assert httpx.get(url).status_code == 200
    page.click("#new-chat-button")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("button", name="Retina: how large")).to_be_visible(timeout=PATIENCE)
    for _ in range(50):
        if httpx.get(url).status_code == 404:
            return
        time.sleep(0.1)
    pytest.fail("the picture of the old conversation is still served")
