"""The host itself, spoken to as a stranger might."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from parser_model import RequestError, ServiceError, SetupError
from parser_model.host import answers, wire
from parser_model.host.auth import Keys, is_own_name
from parser_model.host.limits import Limits
from parser_model.host.requests import HttpError, read_images, read_request
from parser_model.host.serve import run
from parser_model.listening import is_loopback
from tests.parser_model.host.host_server import (
    KEY,
    OTHER_KEY,
    boxes,
    connect,
    free_port,
    host,
    picture,
)

REPO = Path(__file__).resolve().parents[3]
PCM = {"content-type": wire.CONTENT_TYPE}


def message(header: dict, image=None) -> bytes:
    return wire.pack_message(header, [] if image is None else [wire.pack_image(image)])


def error_of(response: httpx.Response) -> tuple[int, str]:
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"].endswith(".")
    assert "\n" not in error["message"]
    return response.status_code, error["code"]


@pytest.fixture(scope="module")
def served():
    limits = Limits(body_bytes=2**20, pixels=20_000, phrases=50)
    with host(boxes(), limits=limits) as peer:
        yield peer


def parse(served, header: dict, image=None, **options) -> httpx.Response:
    return served.post("/v1/parse", content=message(header, image), headers=PCM, **options)


def test_an_image_then_a_handle_in_plain_json(served):
    image = picture()
    first = parse(served, {"phrases": ["liver"], "probability": "uint8"}, image)
    header, parts = wire.unpack_message(first.content)
    (liver,) = answers.unpack_objects(header["objects"], parts, (96, 128), ["liver"])
    assert liver.mask.sum() == 30 * 38
    assert np.array_equal(liver.probability > 0.5, liver.mask)
    again = served.post("/v1/parse", json={"handle": header["handle"], "phrases": ["spleen"]})
    header, parts = wire.unpack_message(again.content)
    (spleen,) = answers.unpack_objects(header["objects"], parts, (96, 128), ["spleen"])
    assert (spleen.mask.sum(), spleen.encoded, len(parts)) == (300, False, 1)


def test_find_gives_what_is_there_without_overlaps():
    overlapping = boxes()
    overlapping.shapes["liver"] = [(0, 0, 40, 50)]
    overlapping.shapes["spleen"] = [(30, 0, 60, 50)]
    with host(overlapping) as served:
        answer = served.post(
            "/v1/find", content=message({"site": "abdomen"}, picture()), headers=PCM
        )
        header, parts = wire.unpack_message(answer.content)
        names = [entry["phrase"] for entry in header["objects"]]
        found = answers.unpack_objects(header["objects"], parts, (96, 128), names)
        assert sorted(names) == ["liver", "spleen"]
        assert header["modality"] == "CT"
        assert not (found[0].mask & found[1].mask).any()
        assert (found[0].mask | found[1].mask).sum() == 60 * 50
        stated = served.post(
            "/v1/find", json={"handle": header["handle"], "modality": "X ray", "site": "chest"}
        )
        assert wire.unpack_message(stated.content)[0]["objects"] == []
        wrong = served.post("/v1/find", json={"handle": header["handle"], "phrases": ["liver"]})
        assert error_of(wrong) == (400, "bad_request")


def test_encode_gives_a_handle_and_the_kind_of_image(served):
    answer = served.post("/v1/encode", content=message({}, picture(5)), headers=PCM)
    header, parts = wire.unpack_message(answer.content)
    assert (header["modality"], header["confidence"], parts) == ("CT", 0.9, [])
    assert len(header["handle"]) >= 32
    assert header["expires_in"] > 0


def test_who_may_ask(served):
    assert httpx.get(f"{served.address}/healthz").json() == {"status": "ok"}
    for path in ("/v1/parse", "/v1/find", "/v1/encode"):
        for headers in ({}, {"authorization": f"Basic {KEY}"}, {"authorization": f"Bearer {KEY}x"}):
            response = served.post(path, key=None, content=b"", headers=headers)
            assert error_of(response) == (401, "unauthorized")
    assert error_of(httpx.get(f"{served.address}/v1/models")) == (401, "unauthorized")
    page = served.post("/v1/parse", headers={"origin": "http://evil.example"}, content=b"")
    assert error_of(page) == (403, "forbidden")


def test_a_handle_of_another_key_is_not_there(served):
    header, _ = wire.unpack_message(parse(served, {"phrases": ["liver"]}, picture()).content)
    follow_up = {"handle": header["handle"], "phrases": ["liver"]}
    assert error_of(served.post("/v1/parse", key=OTHER_KEY, json=follow_up)) == (410, "gone")
    assert error_of(served.post("/v1/parse", json={**follow_up, "handle": "x"})) == (410, "gone")
    assert served.post("/v1/parse", json=follow_up).status_code == 200


PNG = wire.pack_image(picture())
BIG = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "bad_request")),
        (b"PCM1", (400, "bad_request")),
        (b"PCM1\xff\xff\xff\xff{}", (400, "bad_request")),
        (b"PCM1\x02\x00\x00\x00[]", (400, "bad_request")),
        (b"PCM1" + struct.pack("<I", 100_000) + b"[" * 100_000, (400, "bad_request")),
        (b'PCM1\x0f\x00\x00\x00{"parts": [-1]}', (400, "bad_request")),
        (b'PCM1\x10\x00\x00\x00{"parts": [1e9]}', (400, "bad_request")),
        (wire.pack_message({"phrases": ["liver"]}, []), (400, "bad_request")),
        (wire.pack_message({"phrases": []}, [PNG]), (400, "no_phrases")),
        (wire.pack_message({}, [PNG]), (400, "no_phrases")),
        (wire.pack_message({"phrases": "liver"}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": [1]}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "colour": 1}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "handle": "h"}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "site": 3}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "probability": 3}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "stack_size": 0}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"], "stack_size": "9"}, [PNG]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"] * 51}, [PNG]), (413, "too_many_phrases")),
        (wire.pack_message({"phrases": ["x" * 1001]}, [PNG]), (413, "phrase_too_long")),
        (wire.pack_message({"phrases": ["x"]}, [PNG] * 10), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"]}, [b"GIF89a"]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"]}, [PNG[:2000]]), (400, "bad_request")),
        (wire.pack_message({"phrases": ["x"]}, [PNG[:16] + BIG + PNG[29:]]), (413,) * 1),
        (wire.pack_message({"phrases": ["x"]}, [PNG[:24] + b"\x10" + PNG[25:]]), (400,) * 1),
        (b"x" * (2**20 + 1), (413, "too_large")),
    ],
)
def test_malformed_requests_are_answered_in_a_sentence(served, body, expected):
    answer = error_of(served.post("/v1/parse", content=body, headers=PCM))
    assert answer[: len(expected)] == expected


def test_other_types_addresses_and_methods(served):
    assert error_of(served.post("/v1/parse", content=b"x")) == (415, "bad_type")
    assert error_of(served.post("/v1/nothing", content=b"x")) == (404, "not_found")
    assert error_of(httpx.get(f"{served.address}/v1/parse")) == (405, "bad_method")


def test_a_body_in_pieces_is_bounded_too(served):
    def pieces():
        for _ in range(40):
            yield b"x" * 65536

    try:
        answer = error_of(served.post("/v1/parse", content=pieces(), headers=PCM))
    except httpx.TransportError:
        return  # the host hung up on it
    assert answer == (413, "too_large")


def test_damaged_images_and_messages_are_never_a_bug():
    draw = np.random.default_rng(1)
    image = wire.pack_image(picture(0, (9, 12)))
    whole = wire.pack_message({"phrases": ["liver"], "modality": "CT"}, [image])
    limits = Limits(pixels=1000)
    for _ in range(3000):
        damaged = bytearray(whole)
        for place in draw.integers(0, len(whole), draw.integers(1, 5)):
            damaged[place] = draw.integers(0, 256)
        with contextlib.suppress(HttpError):
            read_images(read_request(wire.CONTENT_TYPE, bytes(damaged), limits).images)


def test_a_bomb_is_stopped():
    bomb = zlib.compress(bytes(50_000_000))
    with pytest.raises(wire.WireError):
        wire.unpack_mask(bomb, (10, 10))
    with pytest.raises(wire.WireError):
        wire.unpack_mask(zlib.compress(bytes(5)), (10, 10))
    with pytest.raises(wire.WireError):
        wire.unpack_probability(bomb[:100], (10, 10), "float16")


def test_what_is_packed_comes_back():
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (3, 5), (64, 64), (2, 300)):
        mask = rng.random(shape) > 0.5
        assert np.array_equal(wire.unpack_mask(wire.pack_mask(mask), shape), mask)
        p = rng.random(shape).astype(np.float16)
        assert np.array_equal(
            wire.unpack_probability(wire.pack_probability(p, "float16"), shape, "float16"), p
        )
        coarse = wire.unpack_probability(wire.pack_probability(p, "uint8"), shape, "uint8")
        assert np.abs(coarse.astype(float) - p).max() < 0.0025
        for grey in (False, True):
            image = picture(3, shape, grey=grey)
            png = wire.pack_image(image)
            assert wire.image_size(png) == shape
            assert np.array_equal(wire.unpack_image(png), image)


def test_a_bug_is_told_without_its_data(caplog):
    broken = boxes()

    def parse_badly(images, prompts, **_):
        raise ValueError(f"cannot do {prompts}")

    broken.parse = parse_badly  # type: ignore[method-assign]
    with host(broken) as served, caplog.at_level(logging.INFO, "parsechat.host"):
        response = parse(served, {"phrases": ["secret phrase"]}, picture())
        assert error_of(response) == (500, "bug")
        remote = connect(served.address)
        with pytest.raises(ServiceError, match=r"failed: Something broke .* \(id "):
            remote.parse([picture()], ["secret phrase"])
    assert "ValueError" in caplog.text
    assert "/v1/parse 500" in caplog.text
    for private in ("secret", KEY, "cannot do"):
        assert private not in response.text + caplog.text


def test_slow_answers_and_a_full_queue_end_in_a_sentence():
    release = threading.Event()
    slow = boxes()

    def parse_slowly(images, prompts, **_):
        release.wait(10)
        return boxes().parse(images, prompts)

    slow.parse = parse_slowly  # type: ignore[method-assign]
    with host(slow, limits=Limits(waiting=2, seconds=0.6)) as served:
        results: list[tuple[int, str]] = []

        def ask() -> None:
            response = parse(served, {"phrases": ["liver"]}, picture())
            results.append(error_of(response))

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        full = parse(served, {"phrases": ["liver"]}, picture())
        assert error_of(full) == (503, "busy")
        assert int(full.headers["retry-after"]) >= 1
        for thread in threads:
            thread.join()
        # One took too long, and the other's turn never came.
        assert sorted(results) == [(503, "busy"), (504, "timeout")]
        late = parse(served, {"phrases": ["liver"]}, picture())
        assert error_of(late) == (503, "busy")  # its thread is still at work
        release.set()
        assert connect(served.address).parse([picture()], ["liver"])[0][0].present


def test_a_slow_upload_is_given_up():
    with (
        host(boxes(), limits=Limits(upload_seconds=0.2)) as served,
        socket.create_connection(("127.0.0.1", served.port), 5) as peer,
    ):
        peer.sendall(
            b"POST /v1/parse HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Authorization: Bearer " + KEY.encode() + b"\r\n"
            b"Content-Type: application/x-parsechat\r\nContent-Length: 1000\r\n\r\nPCM1"
        )
        assert b" 408 " in peer.recv(4096).split(b"\r\n")[0]


def test_handles_are_bounded_in_bytes():
    small = picture(0).nbytes
    with host(boxes(), limits=Limits(handle_bytes=2 * small)) as served:
        handles = []
        for seed in range(3):
            answer = served.post("/v1/encode", content=message({}, picture(seed)), headers=PCM)
            handles.append(wire.unpack_message(answer.content)[0]["handle"])
        states = [
            served.post("/v1/parse", json={"handle": h, "phrases": ["liver"]}).status_code
            for h in handles
        ]
        assert states == [410, 200, 200]
        large = picture(0, (300, 300))
        answer = parse(served, {"phrases": ["liver"]}, large)
        assert wire.unpack_message(answer.content)[0]["handle"] is None
        remote = connect(served.address)
        for _ in range(2):
            assert remote.parse([large], ["liver"])[0][0].present


def test_without_keys_only_this_machine_is_answered():
    with host(boxes(), keys=None) as served:
        assert connect(served.address, key="").info.name == "shapes"
        for name in ("evil.example", "evil.example:8100", ""):
            response = httpx.get(f"{served.address}/v1/models", headers={"host": name})
            assert response.status_code in (400, 403)
    with pytest.raises(RequestError, match="PARSECHAT_SERVE_KEYS"):
        run(host="0.0.0.0", port=free_port())
    with pytest.raises(SetupError, match="fewer than 16"):
        run(host="0.0.0.0", port=free_port(), keys="short")
    with pytest.raises(RequestError, match="no address"):
        run("http://127.0.0.1:1", port=free_port())


def test_keys_and_names():
    keys = Keys(f" {KEY} ,{OTHER_KEY},")
    assert keys.caller(f"Bearer {KEY}") == keys.caller(f"bearer  {KEY} ")
    assert keys.caller(f"Bearer {KEY}") != keys.caller(f"Bearer {OTHER_KEY}")
    assert keys.caller(None) is keys.caller("Bearer ") is keys.caller("Bearer ü") is None
    assert KEY not in str(keys.caller(f"Bearer {KEY}"))
    assert [is_loopback(h) for h in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "::")] == (
        [True] * 3 + [False] * 3
    )
    assert [is_own_name(h) for h in ("127.0.0.1:8100", "[::1]:8100", "localhost", "a.b")] == (
        [True] * 3 + [False]
    )
    assert not is_own_name("[::1")


def test_the_verb_serves_and_a_kill_is_survived(tmp_path):
    weights = REPO / "parser_model" / "weights" / "compact.safetensors"
    if not weights.is_file():
        pytest.skip("the bundled weights are not here")
    port = free_port()
    command = [sys.executable, "-m", "agent.cli"]

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*command, "serve", "--port", str(port)], cwd=REPO)
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/healthz")
                return process
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.1)

    remote = connect(f"http://127.0.0.1:{port}", key="")
    image = picture()
    process = start()
    try:
        assert len(remote.parse([image], ["liver"])[0]) == 1
        process.kill()
        process.wait()
        with pytest.raises(ServiceError):
            remote.parse([image], ["liver"])
        process = start()
        assert len(remote.parse([image], ["spleen"])[0]) == 1
        file = tmp_path / "picture.png"
        file.write_bytes(wire.pack_image(image))
        done = subprocess.run(
            [*command, "parse", str(file), "-p", "liver", "--json"],
            cwd=REPO,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "PARSECHAT_PARSER": f"http://127.0.0.1:{port}"},
        )
        assert json.loads(done.stdout)["run"]["parser"] == "compact"
    finally:
        process.kill()
        process.wait()
