"""Files at fault, workers that die, and what neither may do."""

from __future__ import annotations

import logging
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from parser_model import FileError, SetupError
from tests.tools.reading_files import SECRETS, write_dicom
from tools.reading import Limits, formats, open_scan, start_worker
from tools.reading.process import POOL

REPO = Path(__file__).resolve().parents[2]
HOSTILE = "tests.tools.reading_hostile"


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
    return path


@pytest.fixture
def png_reader(monkeypatch):
    """Let a hostile reader read PNG files in the worker."""
    return lambda name: monkeypatch.setitem(formats.READERS, "PNG", f"{HOSTILE}:{name}")


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


# ------------------------------------------------------------------ files at fault


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"Dear colleague,\nthe scan is fine.\n", "text, not an image"),
        ("Sehr geehrte Frau Kollegin, die Prüfung läuft".encode(), "text, not an image"),
        (b"a,b\n1,2\n", "text, not an image"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x"></svg>', "SVG"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"NRRD0004\n", "NRRD"),
        (bytes(344) + b"n+1\0", "NIfTI"),
        (b"\x00\x01\x02\x03" * 64, "not of a kind"),
        (b"\xff", "not of a kind"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
        (b"II*\0\x08\0\0\0", "damaged|cut short"),
        (bytes(128) + b"DICM", "damaged or cut short"),
        (png(60_000, 60_000, zlib.compress(b"\0" * 100)), "60,000 x 60,000"),
        (png(100, 100, b"no zlib"), "damaged"),
    ],
)
def test_one_sentence_and_quickly(tmp_path, content, says):
    path = tmp_path / "Quillfeather.png"
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises(FileError, match=says) as caught:
        open_scan(path)
    assert time.monotonic() - start < 5
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert "Quillfeather" not in text
    assert str(tmp_path) not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_places_that_are_no_files(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        open_scan(tmp_path / "missing.png")
    with pytest.raises(FileError, match="no such file"):
        open_scan(tmp_path / "missing" / "missing.png")
    with pytest.raises(FileError, match="empty"):
        open_scan(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FileError, match="folder holds no image"):
        open_scan(tmp_path)
    with pytest.raises(FileError, match="cannot be read"):
        open_scan("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="regular"):
        open_scan(tmp_path / "pipe")


def test_the_name_does_not_count(tmp_path, picture):
    renamed = picture.rename(tmp_path / "scan.dcm")
    assert open_scan(renamed).source_format == "PNG"


def test_relative_and_odd_names(tmp_path, picture, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_scan("picture.png").shape == (8, 8)
    odd = picture.rename(tmp_path / "n\udcff ä\n.png")
    assert open_scan(odd).shape == (8, 8)


# ------------------------------------------------------------------ limits


def test_pixels_are_counted_before_decoding(picture):
    assert open_scan(picture, limits=Limits(pixels=64)).shape == (8, 8)
    with pytest.raises(FileError, match="limit is 63 pixels"):
        open_scan(picture, limits=Limits(pixels=63))


def test_large_files_are_refused(picture):
    with pytest.raises(FileError, match="GiB"):
        open_scan(picture, limits=Limits(file_bytes=10))


def test_limits_are_valid():
    for wrong in ({"pixels": 0}, {"seconds": 0}, {"seconds": float("inf")}, {"memory_bytes": -1}):
        with pytest.raises(ValueError, match="limit"):
            Limits(**wrong)


def test_a_reader_that_hangs_is_killed_in_time(picture):
    start_worker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(formats.READERS, "PNG", f"{HOSTILE}:hangs")
        start = time.monotonic()
        with pytest.raises(FileError, match="given up after"):
            open_scan(picture, limits=Limits(seconds=0.5))
        assert time.monotonic() - start < 4
    assert open_scan(picture).shape == (8, 8)


@pytest.mark.parametrize(("reader", "says"), [("crashes", "decoder stop"), ("eats", "memory")])
def test_a_reader_that_breaks_the_worker_breaks_nothing_else(picture, reader, says):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(formats.READERS, "PNG", f"{HOSTILE}:{reader}")
        with pytest.raises(FileError, match=says):
            open_scan(picture, limits=Limits(memory_bytes=1 << 30))
    assert open_scan(picture).shape == (8, 8)


def test_a_worker_killed_between_files_is_replaced(picture):
    open_scan(picture)
    killed = POOL.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert open_scan(picture).shape == (8, 8)
    assert POOL.pid != killed


def test_a_worker_that_cannot_start_is_no_files_fault(picture):
    POOL.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(SetupError, match="could not be started"):
            open_scan(picture)
    assert open_scan(picture).shape == (8, 8)


def test_the_worker_is_kept(picture):
    open_scan(picture)
    first = POOL.pid
    open_scan(picture)
    assert POOL.pid == first


def test_threads_may_open_files_at_once(tmp_path):
    paths = []
    for shade in range(12):
        path = tmp_path / f"{shade}.png"
        Image.new("L", (32, 32), shade).save(path)
        paths.append(path)
    found: dict[int, int] = {}

    def work(shade):
        found[shade] = int(open_scan(paths[shade]).pixels[0, 0])

    threads = [threading.Thread(target=work, args=(shade,)) for shade in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {shade: shade for shade in range(12)}


def test_a_forked_child_gets_its_own_worker(picture):
    open_scan(picture)
    mine = POOL.pid
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if open_scan(picture).shape == (8, 8) and POOL.pid != mine else 1
            POOL.stop()
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert open_scan(picture).shape == (8, 8)
    assert POOL.pid == mine


def test_the_worker_ends_with_its_parent(picture):
    code = (
        "import os, signal, sys; from tools.reading import open_scan; "
        "from tools.reading.process import POOL; open_scan(sys.argv[1]); "
        "print(POOL.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, str(picture)]
    result = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    worker = int(result.stdout)
    for _ in range(100):
        if not _runs(worker):
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# ------------------------------------------------------------------ privacy


def test_texts_of_files_reach_neither_logs_nor_errors(picture, png_reader, caplog, capfd):
    png_reader("quotes")
    with caplog.at_level(logging.DEBUG), pytest.raises(FileError) as caught:
        open_scan(picture)
    said = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert "Quillfeather" not in said
    assert "picture.png" not in said
    assert "ValueError in tests" not in str(caught.value)


def test_a_damaged_patient_module_is_not_quoted(tmp_path, caplog, capfd):
    path = write_dicom(tmp_path / "image", np.zeros((4, 4), np.uint8), PatientName=SECRETS[0])
    path.write_bytes(path.read_bytes().replace(b"19440229", b"194x0229"))
    with caplog.at_level(logging.DEBUG):
        assert open_scan(path).shape == (4, 4)
    said = caplog.text + "".join(capfd.readouterr())
    assert not any(secret in said for secret in SECRETS)


def test_the_worker_has_neither_torch_nor_keys(picture, png_reader, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    POOL.stop()
    png_reader("reports")
    assert open_scan(picture).pixels.tolist() == [[0, 0]]


# ------------------------------------------------------------------ damage


def _damaged(data: bytes, cut: float, flips: list[tuple[float, int]]) -> bytes:
    kept = bytearray(data[: int(len(data) * cut)])
    for place, value in flips:
        if kept:
            kept[int(place * (len(kept) - 1))] = value
    return bytes(kept)


@given(
    kind=st.sampled_from(["png", "dicom", "tiff", "jpeg"]),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=4),
)
def test_damage_ends_in_a_scan_or_a_file_error(tmp_path_factory, kind, cut, flips):
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(_damaged(_intact(tmp_path_factory, kind), cut, flips))
    said = ""
    try:
        scan = open_scan(path, limits=Limits(pixels=1_000_000, seconds=5))
    except FileError as error:
        said = str(error)
    else:
        assert scan.display(scan.middle_slice).dtype == np.uint8
    assert said == "" or said.endswith(".")
    assert not any(secret in said for secret in SECRETS)


def _intact(tmp_path_factory, kind):
    path = tmp_path_factory.getbasetemp() / f"intact-{kind}"
    if not path.exists():
        pixels = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
        if kind == "dicom":
            place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0] * 3}
            write_dicom(path, pixels, Modality="CT", PixelSpacing=[1, 1], **place)
        else:
            Image.fromarray(pixels).save(path, format=kind)
    return path.read_bytes()
