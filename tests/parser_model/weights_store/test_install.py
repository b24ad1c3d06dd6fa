"""Installing: whole or not at all, once, and without the network ever after."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors import safe_open

from parser_model.biomedparse.checkpoint import convert_checkpoint, load_network
from parser_model.errors import FileError, ServiceError, SetupError
from parser_model.weights_store import install as installing
from parser_model.weights_store.hub import Hub
from parser_model.weights_store.install import Given, install
from parser_model.weights_store.places import (
    StoreSettings,
    cache_folder,
    model_folder,
    one_at_a_time,
)
from parser_model.weights_store.record import RECORD, installed
from parser_model.weights_store.sources import SOURCES
from parser_model.weights_store.tokenizer_files import merges_sha256, take_tokenizer
from parser_model.weights_store.verify import verify
from tests.parser_model.weights_store.hub_server import COMMIT, contents_of
from tests.parser_model.weights_store.substitutes import (
    CHECKPOINT,
    CONFIG,
    DISTRIBUTIONS,
    MERGES,
    hub_files,
    small_source,
)

SOURCE = small_source()
NOBODY = Hub("http://127.0.0.1:9", pauses=())
FILES = [
    "biomedparse_v1.safetensors",
    RECORD,
    "target_dist.json",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
]


@pytest.fixture
def mine(tmp_path):
    """A folder in which the user keeps all files."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in hub_files().items():
        (folder / name.rpartition("/")[2]).write_bytes(content)
    return folder


def test_everything_is_fetched_converted_and_cleared_away(hub, home):
    record = install(SOURCE)
    assert contents_of(home / "models" / "biomedparse") == FILES
    assert contents_of(home) == [".lock", *(f"models/biomedparse/{name}" for name in FILES)]
    assert installed("biomedparse") == record
    assert record.checkpoint.origin == f"microsoft/BiomedParse@{COMMIT}"
    assert record.files["tokenizer/merges.txt"].origin.startswith("openai/")


def test_the_converted_file_holds_the_used_numbers_and_no_others(hub, home, tmp_path):
    record = install(SOURCE)
    path = model_folder("biomedparse") / record.weights_file
    (tmp_path / "public.pt").write_bytes(hub.files[CHECKPOINT])
    public = torch.load(tmp_path / "public.pt", weights_only=True)
    with safe_open(path, framework="pt") as stored:
        names = set(stored.keys())
        assert all(torch.equal(stored.get_tensor(name), public[name]) for name in names)
    assert names < set(public)
    assert not any("biomed_encoder" in name or "sptial" in name for name in names)
    assert record.numbers_used == sum(public[name].numel() for name in names)
    assert record.numbers_used + record.numbers_skipped == sum(t.numel() for t in public.values())
    assert record.numbers_skipped > 109_482_240  # the second text encoder has its real size here
    load_network(path, CONFIG)


def test_afterwards_no_network_is_needed(hub, home, source):
    install(SOURCE)
    before = len(hub.asked)
    hub.status = 404
    assert verify(source).problem is None
    assert installed("biomedparse") is not None
    assert len(hub.asked) == before


def test_refused_access_shows_before_anything_large_is_fetched(hub, home):
    hub.missing = {DISTRIBUTIONS}
    with pytest.raises(ServiceError, match=r"There is no target_dist\.json"):
        install(SOURCE)
    assert hub.got("store") == []
    assert installed("biomedparse") is None


def test_a_broken_off_installation_is_taken_up_by_the_next(hub, home):
    hub.break_after = [1_000_000, 0]
    with pytest.raises(ServiceError, match="broke off"):
        install(SOURCE, hub=Hub(hub.address, pauses=(0.0,)))
    assert installed("biomedparse") is None
    assert contents_of(home / "models") == []
    install(SOURCE)
    assert hub.got()[-1].headers["Range"] == "bytes=1000000-"


@pytest.mark.parametrize("step", ["convert_checkpoint", "_swap"])
def test_an_interruption_leaves_what_was_installed_before(hub, home, monkeypatch, step):
    before = install(SOURCE)

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        place = installing if step == "_swap" else "parser_model.biomedparse.checkpoint"
        if isinstance(place, str):
            patch.setattr(f"{place}.{step}", interrupted)
        else:
            patch.setattr(place, step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            install(SOURCE)
    assert installed("biomedparse") == before
    assert contents_of(home / "models" / "biomedparse") == FILES


def test_an_interruption_between_the_renames_is_recovered_from(hub, home):
    install(SOURCE)
    final = model_folder("biomedparse")
    final.rename(final.with_name("biomedparse.old"))
    hub.status = 404
    with pytest.raises(ServiceError):
        install(SOURCE)
    assert installed("biomedparse") is not None


def test_a_killed_conversion_is_never_used(home, mine):
    """What a process killed in the middle leaves behind is cleared by the next."""
    staged = model_folder("biomedparse").with_name("biomedparse.part")
    staged.mkdir(parents=True)
    (staged / "biomedparse_v1.safetensors.part").write_bytes(b"half")
    assert installed("biomedparse") is None
    install(SOURCE, Given(mine), hub=NOBODY)
    assert contents_of(home / "models") == [f"biomedparse/{name}" for name in FILES]


def test_files_the_user_has_need_no_network(home, mine):
    before = contents_of(mine)
    record = install(SOURCE, Given(mine / "biomedparse_v1.pt"), hub=NOBODY)
    assert record.checkpoint.origin == "a file given"
    assert record.notes == ()
    assert contents_of(mine) == before


def test_an_already_converted_file_is_taken_too(home, mine, tmp_path):
    converted = mine / "mine.safetensors"
    convert_checkpoint(mine / "biomedparse_v1.pt", converted, CONFIG)
    record = install(SOURCE, Given(converted), hub=NOBODY)
    assert record.numbers_skipped == 0


def test_without_the_score_table_there_is_a_note_and_without_tokenizer_a_sentence(home, mine):
    (mine / "target_dist.json").unlink()
    record = install(SOURCE, Given(mine), hub=NOBODY)
    assert "target_dist.json" not in record.files
    assert "reference's score" in record.notes[0]
    (mine / "merges.txt").rename(mine.parent / "merges.txt")
    with pytest.raises(SetupError, match="--tokenizer-from"):
        install(SOURCE, Given(mine), hub=NOBODY)
    install(SOURCE, Given(mine, mine.parent / "merges.txt"), hub=NOBODY)
    with pytest.raises(FileError, match="no tokenizer file"):
        install(SOURCE, Given(mine, mine / "nothing"), hub=NOBODY)
    with pytest.raises(FileError, match="There is no file"):
        install(SOURCE, Given(mine / "nothing.pt"), hub=NOBODY)


def test_a_checkpoint_with_code_in_it_is_not_opened(home, mine):
    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    (mine / "biomedparse_v1.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(SetupError, match="could run code"):
        install(SOURCE, Given(mine), hub=NOBODY)


def test_another_network_is_refused_by_name(home, mine):
    torch.save({"fc.weight": torch.zeros(3)}, mine / "biomedparse_v1.pt")
    with pytest.raises(SetupError, match=r"missing: .*unexpected: fc\.weight"):
        install(SOURCE, Given(mine), hub=NOBODY)
    assert installed("biomedparse") is None
    assert contents_of(home / "models") == []


def test_a_cut_checkpoint_is_refused(home, mine):
    content = (mine / "biomedparse_v1.pt").read_bytes()
    (mine / "biomedparse_v1.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(SetupError, match="damaged"):
        install(SOURCE, Given(mine), hub=NOBODY)


def test_too_little_room_is_said_before_the_download(hub, home, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=len(hub.files[CHECKPOINT]))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SetupError, match=r"GB are needed .* PARSECHAT_HOME"):
        install(SOURCE)
    assert hub.got("store") == []


def test_a_home_that_cannot_be_written_is_said_so(hub, home):
    home.parent.joinpath("home").write_text("a file where the folder should be")
    with pytest.raises(SetupError, match="PARSECHAT_HOME"):
        install(SOURCE)


def test_two_downloads_at_once_do_not_mix(hub, home):
    pytest.importorskip("fcntl")
    with one_at_a_time(home), pytest.raises(SetupError, match="Another download is running"):
        install(SOURCE)


def test_changes_after_the_installation_are_noticed(home, mine, source):
    record = install(SOURCE, Given(mine), hub=NOBODY)
    folder = model_folder("biomedparse")
    weights = folder / record.weights_file
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    report = verify(source)
    assert [f.path for f in report.files if not f.unchanged] == [record.weights_file]
    assert "changed since the installation" in str(report.problem)
    weights.write_bytes(content[:-1])
    with pytest.raises(SetupError, match="--again"):
        installed("biomedparse")
    (folder / RECORD).write_text("{")
    with pytest.raises(SetupError, match=r"record .* is damaged"):
        installed("biomedparse")
    (folder / RECORD).write_text(json.dumps({"format": 0}))
    with pytest.raises(SetupError, match="another version"):
        installed("biomedparse")


def test_verify_counts_names_and_numbers(home, mine, source):
    with pytest.raises(SetupError, match="models download biomedparse"):
        verify(source)
    record = install(SOURCE, Given(mine), hub=NOBODY)
    report = verify(source)
    assert report.problem is None
    assert report.numbers == record.numbers_used
    assert all(f.unchanged for f in report.files)
    assert sorted([RECORD, *(f.path for f in report.files)]) == FILES


def test_a_foreign_tokenizer_is_refused(tmp_path):
    (tmp_path / "merges.txt").write_bytes(hub_files()[MERGES])
    with pytest.raises(SetupError, match="its merges differ"):
        take_tokenizer(tmp_path, tmp_path / "to", SOURCES["biomedparse"])
    (tmp_path / "vocab.json").write_text('{"<|startoftext|>": 1, "<|endoftext|>": 2}')
    with pytest.raises(SetupError, match="do not belong together"):
        take_tokenizer(tmp_path, tmp_path / "to", SOURCE)
    (tmp_path / "vocab.json").write_text("[]")
    with pytest.raises(SetupError, match="damaged"):
        take_tokenizer(tmp_path, tmp_path / "to", SOURCE)


def test_clips_own_tokenizer_is_accepted(data_root, tmp_path):
    packed = data_root / "reference" / "clip_bpe" / "bpe_simple_vocab_16e6.txt.gz"
    if not packed.is_file():
        pytest.skip("CLIP's vocabulary is not at hand")
    assert merges_sha256(packed) == SOURCES["biomedparse"].merges_sha256
    kept = take_tokenizer(packed, tmp_path / "to", SOURCES["biomedparse"])
    assert [path.name for path in kept] == [packed.name]


def test_home_is_the_users_cache_unless_set(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder().name == "Caches"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local"


def test_settings_come_from_the_environment_or_a_file(home, tmp_path, monkeypatch):
    assert StoreSettings().hub.startswith("https://")
    assert StoreSettings().hub_token is None
    (tmp_path / ".env").write_text("PARSECHAT_HUB=http://127.0.0.1:1\nHF_TOKEN=general\n")
    token = StoreSettings().hub_token
    assert StoreSettings().hub == "http://127.0.0.1:1"
    assert token is not None
    assert token.get_secret_value() == "general"
    assert "general" not in repr(StoreSettings())
    monkeypatch.setenv("PARSECHAT_HUB_TOKEN", "own")
    token = StoreSettings().hub_token
    assert token is not None
    assert token.get_secret_value() == "own"
