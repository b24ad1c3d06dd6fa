"""A conversation whose parser is on a host: one setting, and no harm when the host is away."""

from __future__ import annotations

import pytest

from agent import Conversation
from agent.settings import Settings
from parser_model import ServiceError
from parser_model.host import wire
from parser_model.loading import _remote
from parser_model.remote import RemoteParser
from tests.parser_model.host.host_server import KEY, boxes, clients, free_port, host, picture


@pytest.fixture
def setting(monkeypatch):
    """Choose a host as a user does, by two environment variables."""
    port = free_port()
    monkeypatch.setenv("PARSECHAT_PARSER", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("PARSECHAT_HOST_KEY", KEY)
    _remote.cache_clear()
    yield port
    made = _remote(f"http://127.0.0.1:{port}", "auto", KEY)
    assert isinstance(made, RemoteParser)
    clients.append(made)
    _remote.cache_clear()


def test_the_host_is_killed_and_restarted_in_the_middle(setting, tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(wire.pack_image(picture()))
    with host(boxes(), port=setting) as served:
        conversation = Conversation(Settings(), directory=tmp_path / "case")
        assert conversation.info.name == "shapes"
        conversation.add_file(file, modality="CT")
        first = conversation.ask("How large is the liver?")
        assert "1140" in first.answer.replace(",", "")
        again = conversation.ask("How large is the spleen?")
        assert [call.encoded for call in again.calls if call.tool == "segment"] == [False]
    sizes = [size for path, size in served.requests if path != "/v1/models"]
    assert sizes[0] > 2000
    assert all(size < 2000 for size in sizes[1:])

    with pytest.raises(ServiceError, match="cannot be reached") as caught:
        conversation.ask("Is there a left kidney?")
    assert "\n" not in str(caught.value)
    with host(boxes(), port=setting):
        assert conversation.ask("Is there a left kidney?").refused
        assert len(conversation.turns) == 3
    conversation.close()


def test_everything_is_found_from_afar(setting, tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(wire.pack_image(picture()))
    with host(boxes(), port=setting):
        conversation = Conversation(directory=tmp_path / "case")
        conversation.add_file(file, modality="CT")
        turn = conversation.ask("What is in this image?")
        found = {conversation.case.objects[name].target for name in turn.object_ids}
        assert found == {"liver", "spleen"}
    conversation.close()
