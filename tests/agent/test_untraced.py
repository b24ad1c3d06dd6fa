"""Tracing that another program was set up for learns nothing of a conversation."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import threading

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.tracers.langchain import wait_for_all_tracers
from langsmith import run_trees, utils

from agent.chat import root
from agent.paraphrasing import Paraphraser
from parser_model.ontology import ontology


class _Listener(http.server.BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"] or 0)))
        self.send_response(202)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def told(monkeypatch):
    """What a tracing service on this machine is sent."""
    bodies: list[bytes] = []
    handler = type("Handler", (_Listener,), {"bodies": bodies})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for prefix in ("LANGCHAIN", "LANGSMITH"):
        monkeypatch.setenv(f"{prefix}_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv(f"{prefix}_API_KEY", "key")
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
    monkeypatch.setattr(run_trees, "_CLIENT", None)
    utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    yield bodies
    utils.get_env_var.cache_clear()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def _something_is_traced(told: list[bytes]) -> bool:
    """Whether the service hears of a call that is not ours, so that its silence means something."""
    FakeListChatModel(responses=["yes"]).invoke("CONTROL")
    wait_for_all_tracers()
    return any(b"CONTROL" in body for body in told)


def test_questions_and_answers_are_not_traced(conversation, told):
    conversation.ask("How large is the liver of SECRETNAME?")
    assert _something_is_traced(told)
    assert not any(b"SECRETNAME" in body or b"1200 px" in body for body in told)


def test_steps_taken_by_different_tasks_are_not_traced(conversation, told):
    async def stream() -> None:
        events = conversation.stream("How large is the liver of SECRETNAME?")
        while True:
            try:
                await asyncio.create_task(anext(events))
            except StopAsyncIteration:
                return

    asyncio.run(stream())
    assert _something_is_traced(told)
    assert not any(b"SECRETNAME" in body or b"1200 px" in body for body in told)


def test_the_targets_that_wordings_are_asked_for_are_not_traced(told, tmp_path):
    model = FakeListChatModel(responses=["the hepatic organ"])
    Paraphraser(model, "model", ontology(), tmp_path)("liver")
    assert _something_is_traced(told)
    assert not any(b"hepatic" in body for body in told)


def test_the_chat_keeps_nothing_in_the_database_of_another_program(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    os.environ |= {"DATABASE_URL": "postgresql://127.0.0.1/x", "LITERAL_API_KEY": "key"}
    shutil.rmtree(root.prepare())
    assert not {"DATABASE_URL", "LITERAL_API_KEY"} & set(os.environ)
