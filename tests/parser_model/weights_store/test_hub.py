"""The hub as it is on bad days: slow, broken off, wrong, closed, elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from parser_model.errors import RequestError, ServiceError, SetupError
from parser_model.weights_store.content import Described
from parser_model.weights_store.hub import Hub
from parser_model.weights_store.sources import HubFile
from tests.parser_model.weights_store.hub_server import COMMIT, FakeHub, contents_of, git_hash

LARGE, SMALL = HubFile("some/model", "weights.pt"), HubFile("some/model", "words.txt")
CONTENT = os.urandom(1 << 20)


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    hub.files |= {"some/model/weights.pt": CONTENT, "some/model/words.txt": b"two words\n"}
    hub.large.add("some/model/weights.pt")
    return hub


def client(hub: FakeHub, **settings) -> Hub:
    return Hub(hub.address, **{"pauses": (0.0, 0.0), "timeout": 5.0, **settings})


def fetch(hub: FakeHub, file: HubFile, folder: Path, progress=None, **settings) -> bytes:
    asked = client(hub, **settings)
    return asked.download(file, asked.describe(file), folder, progress).read_bytes()


def test_a_large_file_is_described_by_the_hub_and_not_by_its_store(hub):
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert client(hub).describe(LARGE) == Described(len(CONTENT), digest, None, COMMIT)
    assert hub.got("store", "HEAD") == []


def test_a_small_file_is_described_by_what_a_relative_redirect_leads_to(hub):
    said = client(hub).describe(SMALL)
    assert said == Described(10, None, git_hash(b"two words\n"), COMMIT)


def test_files_come_whole_with_progress_from_the_revision_described(hub, tmp_path):
    steps: list[tuple[str, int, int | None]] = []
    got = fetch(hub, LARGE, tmp_path / "d", lambda *step: steps.append(step))
    assert got == CONTENT
    assert steps[-1] == ("weights.pt", len(CONTENT), len(CONTENT))
    assert [s[1] for s in steps] == sorted(s[1] for s in steps)
    assert f"/resolve/{COMMIT}/" in hub.got("hub")[0].path
    assert fetch(hub, SMALL, tmp_path / "d") == b"two words\n"
    assert not [name for name in contents_of(tmp_path / "d") if name.endswith(".part")]


def test_a_broken_off_download_goes_on_where_it_was(hub, tmp_path):
    hub.break_after = [300_000, 300_000]
    assert fetch(hub, LARGE, tmp_path) == CONTENT
    assert [a.headers.get("Range") for a in hub.got()] == [None, "bytes=300000-", "bytes=600000-"]


def test_a_download_that_keeps_failing_is_continued_by_the_next_command(hub, tmp_path):
    hub.break_after = [400_000, 0, 0, 0]
    with pytest.raises(ServiceError, match=r"broke off after 0\.4 MB; run the same command again"):
        fetch(hub, LARGE, tmp_path)
    assert [name.endswith(".part") for name in contents_of(tmp_path)] == [True]
    assert fetch(hub, LARGE, tmp_path) == CONTENT
    assert hub.got()[-1].headers["Range"] == "bytes=400000-"


def test_a_store_that_ignores_ranges_starts_over(hub, tmp_path):
    hub.break_after, hub.ignore_range = [300_000], True
    assert fetch(hub, LARGE, tmp_path) == CONTENT


def test_what_changed_on_the_hub_does_not_continue_an_old_download(hub, tmp_path):
    hub.break_after = [300_000, 0, 0, 0]
    with pytest.raises(ServiceError):
        fetch(hub, LARGE, tmp_path)
    hub.files["some/model/weights.pt"] = newer = os.urandom(500_000)
    assert fetch(hub, LARGE, tmp_path) == newer


def test_too_much_of_an_unfinished_file_is_thrown_away(hub, tmp_path):
    said = client(hub).describe(LARGE)
    (tmp_path / f"{said.key}-weights.pt.part").write_bytes(CONTENT + b"and more")
    assert fetch(hub, LARGE, tmp_path) == CONTENT


def test_a_slow_hub_is_waited_for_and_a_silent_one_is_not(hub, tmp_path):
    hub.wait = 0.02
    assert fetch(hub, LARGE, tmp_path / "a", timeout=2.0) == CONTENT
    hub.wait = 1.0
    with pytest.raises(ServiceError, match="does not answer in time"):
        fetch(hub, LARGE, tmp_path / "b", timeout=0.2, pauses=())


def test_a_store_that_falls_silent_is_asked_for_the_rest(hub, tmp_path):
    hub.silent_after = [200_000]
    assert fetch(hub, LARGE, tmp_path, timeout=0.3) == CONTENT
    assert hub.got()[-1].headers["Range"] == "bytes=200000-"


def test_a_busy_hub_is_asked_again(hub, tmp_path):
    hub.busy = 2
    assert fetch(hub, LARGE, tmp_path) == CONTENT


def test_a_wrong_hash_is_refused_and_not_kept(hub, tmp_path):
    hub.wrong_hash = True
    with pytest.raises(SetupError, match=r"weights\.pt .* is not the file it should be"):
        fetch(hub, LARGE, tmp_path)
    assert contents_of(tmp_path) == []


def test_a_file_altered_while_it_waited_is_refused(hub, tmp_path):
    said = client(hub).describe(LARGE)
    (tmp_path / f"{said.key}-weights.pt.part").write_bytes(b"\0" * 400_000)
    with pytest.raises(SetupError, match="not the file it should be"):
        fetch(hub, LARGE, tmp_path)
    assert fetch(hub, LARGE, tmp_path) == CONTENT


def test_a_known_hash_counts_where_the_hub_gives_none(hub, tmp_path):
    said = Described(len(CONTENT), None, None, COMMIT)
    known = HubFile(LARGE.repository, LARGE.name, ("f" * 64, hashlib.sha256(CONTENT).hexdigest()))
    other = HubFile(LARGE.repository, LARGE.name, ("f" * 64,))
    assert client(hub).download(known, said, tmp_path).read_bytes() == CONTENT
    with pytest.raises(SetupError, match="sha256"):
        client(hub).download(other, said, tmp_path)


def test_a_wrong_size_is_refused(hub, tmp_path):
    said = client(hub).describe(LARGE)
    wrong = Described(said.size and said.size - 1, said.sha256, None, COMMIT)
    with pytest.raises(SetupError, match="bytes instead of"):
        client(hub).download(LARGE, wrong, tmp_path)


@pytest.mark.parametrize(
    ("status", "token", "sentence"),
    [
        (401, None, "set HF_TOKEN"),
        (401, "t", "does not give .* to your token"),
        (403, "t", "access may have to be granted"),
        (404, None, "There is no weights.pt"),
        (418, None, "status 418"),
    ],
)
def test_a_refusal_says_what_to_do(hub, tmp_path, status, token, sentence):
    hub.status = status
    with pytest.raises(ServiceError, match=sentence) as caught:
        fetch(hub, LARGE, tmp_path, token=token)
    assert "words of the hub" not in str(caught.value)
    assert len(hub.asked) == 1  # refusals are not tried again


def test_the_token_stays_with_the_hub(hub, tmp_path):
    hub.needs_token = "secret"
    assert fetch(hub, LARGE, tmp_path, token="secret") == CONTENT
    assert fetch(hub, SMALL, tmp_path, token="secret") == b"two words\n"
    assert {a.headers.get("Authorization") for a in hub.asked if a.at == "hub"} == {"Bearer secret"}
    assert {a.headers.get("Authorization") for a in hub.got()} == {None}


def test_a_token_is_not_sent_in_clear_over_a_network():
    asked = Hub("http://hub.example", "secret")
    assert not asked._is_hub(asked._base.copy_with(path="/x"))
    safe = Hub("https://hub.example", "secret")
    assert safe._is_hub(safe._base.copy_with(path="/x"))
    assert not safe._is_hub(safe._base.copy_with(host="store.hub.example"))
    assert not safe._is_hub(safe._base.copy_with(scheme="http"))


def test_redirects_to_nowhere_are_refused(hub, tmp_path):
    hub.store = "ftp://127.0.0.1"
    with pytest.raises(ServiceError, match="no web address"):
        fetch(hub, LARGE, tmp_path)
    hub.circles = True
    with pytest.raises(ServiceError, match="in circles"):
        fetch(hub, LARGE, tmp_path)


def test_no_network_is_said_so(home, tmp_path):
    nobody = Hub("http://127.0.0.1:9", pauses=())
    with pytest.raises(ServiceError, match=r"cannot be reached.*--from FILE"):
        nobody.describe(LARGE)


@pytest.mark.parametrize("address", ["hub", "ftp://hub.example", "", "http://", "http://hub:port"])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(RequestError, match="PARSECHAT_HUB"):
        Hub(address)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_said_so(hub, tmp_path):
    said = client(hub).describe(LARGE)
    (tmp_path / f"{said.key}-weights.pt.part").symlink_to("/dev/full")
    with pytest.raises(SetupError, match=r"make room.*PARSECHAT_HOME") as caught:
        fetch(hub, LARGE, tmp_path)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
