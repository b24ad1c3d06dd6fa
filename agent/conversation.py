"""A conversation: scans in, questions in, measured answers out."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import ModelCallLimitMiddleware
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langgraph.config import get_stream_writer

from agent.events import (
    Call,
    Event,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    Turn,
    TurnFinished,
)
from agent.evidence import Renderer, comparatives_without_proof
from agent.llm import chat_model, endpoint_errors, planner_name
from agent.parsers import chosen_parser
from agent.settings import Settings
from agent.toolbox import Outcome, build_tools, prompt_text
from agent.untraced import untraced
from parser_model import Parser, ParserInfo, RequestError
from parser_model.ontology import ontology
from tools.actions import Bench, Watch
from tools.case import Case
from tools.reading import open_scan
from tools.scan import Scan
from tools.volumes import Progress

_MOST_MODEL_CALLS = 60
_MOST_STEPS = 250  # of the agent's graph: about three for each model call
_UNFINISHED = "I stopped before the answer was finished. Ask about fewer things at once."
_LONGEST_QUESTION = 4000


class Conversation:
    """Scans, questions and answers that refer to each other.

    Parameters
    ----------
    settings : Settings, optional
        From the environment when left out.
    parser : Parser, optional
        Replaces the one that the settings name.
    model : BaseChatModel, optional
        Replaces the one that the settings name; tests pass a scripted one.
    directory : Path, optional
        Where the case is kept; a private temporary directory when left out.

    Examples
    --------
    >>> conversation = Conversation()                               # doctest: +SKIP
    >>> conversation.add_file("retina.jpg")                         # doctest: +SKIP
    'scan-1'
    >>> conversation.ask("How large is the optic disc?").answer     # doctest: +SKIP
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        parser: Parser | None = None,
        model: BaseChatModel | None = None,
        directory: Path | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.parser = parser or chosen_parser(self.settings)
        self.case = Case(directory or Path(tempfile.mkdtemp(prefix="parsechat-")))
        self.turns: list[Turn] = []
        self._messages: list[BaseMessage] = []
        self._watch = Watch()
        self._agent = create_agent(
            model=model or chat_model(self.settings),
            tools=build_tools(Bench(self.case, self.parser, lambda: self._watch)),
            system_prompt=prompt_text("system.md"),
            middleware=[ModelCallLimitMiddleware(run_limit=_MOST_MODEL_CALLS, exit_behavior="end")],
        )

    @property
    def info(self) -> ParserInfo:
        """Who finds the objects."""
        return self.parser.info

    @property
    def banner(self) -> str:
        """One line: which parser and which planner answer."""
        planner = planner_name(self.settings)
        where = "no LLM" if planner == "offline" else "an LLM that you configured"
        return f"Parser: {self.info.name} ({self.info.precision}) · Planner: {planner}, {where}"

    def add_file(self, path: str | Path, *, modality: str | None = None) -> str:
        """Read a file into the case and return its id.

        Parameters
        ----------
        modality : str, optional
            What the user says it is; overrides the file.

        Raises
        ------
        FileError
            If it cannot be read as a scan.
        RequestError
            For an unknown modality.
        """
        return self.add_scan(open_scan(path), modality=modality)

    def add_scan(self, scan: Scan, *, modality: str | None = None) -> str:
        """Take over a scan that was read already; see `add_file`."""
        return self.case.add_scan(stated(scan, modality))

    def set_scale(self, scan: str, mm_per_pixel: float) -> None:
        """Take over a scale that the user states for a scan."""
        self.case.set_scale(scan, mm_per_pixel)

    def ask(self, question: str, *, progress: Progress | None = None) -> Turn:
        """Answer a question; waits for the whole answer.

        Parameters
        ----------
        question : str
        progress : callable, optional
            Told how many slices of a volume are done, and of how many.

        Raises
        ------
        RequestError
            For an empty or endless question.
        ServiceError
            When the configured endpoint does not answer.
        """

        async def wait() -> Turn:
            async for event in self.stream(question):
                if isinstance(event, TurnFinished):
                    return event.turn
                if isinstance(event, ToolProgress) and progress is not None:
                    progress(event.done, event.total)
            raise AssertionError("a stream ends with TurnFinished")

        return asyncio.run(wait())

    async def stream(self, question: str) -> AsyncIterator[Event]:
        """Answer a question, reporting tool calls and text as they come.

        Yields
        ------
        Event
            ToolStarted, ToolProgress, ToolFinished, TextDelta, and at last TurnFinished. Closing
            the stream ends long work within a few slices.

        Raises
        ------
        RequestError, ServiceError
            See `ask`.
        """
        check_question(question)
        self.case.close_batch()
        writing = _Writing(question, Renderer(self.case.measurements, self._said(question)))
        said: list[BaseMessage] = [HumanMessage(question)]
        start: Any = {"messages": [*self._messages, *said]}
        steps = self._agent.astream(
            start,
            config={"recursion_limit": _MOST_STEPS},
            stream_mode=["messages", "updates", "custom"],
        )
        with endpoint_errors(), self._followed():
            async for mode, event in untraced(steps):
                said += _new_messages(mode, event)
                for reported in self._events(mode, event, writing):
                    yield reported
        rest = writing.renderer.finish()
        if not writing.renderer.text.strip():
            rest = writing.renderer.feed(_UNFINISHED) + writing.renderer.finish()
        if rest:
            yield TextDelta(rest)
        turn = writing.turn(self.case)
        # Only a finished turn is remembered: a stopped one would leave calls without answers,
        # which endpoints reject.
        self._messages += said
        self.turns.append(turn)
        yield TurnFinished(turn)

    def close(self) -> None:
        """Delete the case from memory and disk."""
        self.case.delete()

    def _said(self, question: str) -> str:
        return "\n".join([*(turn.question for turn in self.turns), question])

    @contextmanager
    def _followed(self) -> Iterator[None]:
        """Long work of one answer tells how far it is, and ends with it.

        Tools run in threads that nothing can stop from outside; each keeps the watch it began
        with, so a stopped answer stays stopped when the next question comes.
        """
        stopped = threading.Event()
        self._watch = Watch(_tell_progress, stopped.is_set)
        try:
            yield
        finally:
            stopped.set()

    def _events(self, mode: str, event: Any, writing: _Writing) -> Iterator[Event]:
        if mode == "custom":
            if isinstance(event, ToolProgress):
                yield event
            return
        if mode == "messages":
            message, metadata = event
            if metadata.get("langgraph_node") == "model" and isinstance(message, AIMessageChunk):
                shown = writing.renderer.feed(message.text)
                if shown:
                    yield TextDelta(shown)
            return
        for message in _new_messages(mode, event):
            if isinstance(message, AIMessage):
                for call in message.tool_calls:
                    writing.started[str(call["id"])] = (call["name"], call["args"])
                    yield ToolStarted(str(call["id"]), call["name"], call["args"])
            elif isinstance(message, ToolMessage):
                yield writing.finish_call(message)


def _tell_progress(done: int, total: int) -> None:
    """Put progress into the stream of the agent whose tool this is."""
    get_stream_writer()(ToolProgress(done, total))


def _new_messages(mode: str, event: Any) -> list[BaseMessage]:
    """The messages that a step of the agent added; middleware steps add none."""
    if mode != "updates":
        return []
    return [m for update in event.values() for m in (update or {}).get("messages", [])]


def stated(scan: Scan, modality: str | None) -> Scan:
    """A scan with the modality that the user states, if any.

    Raises
    ------
    RequestError
        For an unknown modality.
    """
    return scan if modality is None else replace(scan, modality=ontology().modality(modality))


def check_question(question: str) -> None:
    """A question has words, and not too many.

    Raises
    ------
    RequestError
    """
    if not question.strip():
        raise RequestError("The question is empty; ask something, e.g. 'How large is the liver?'.")
    if len(question) > _LONGEST_QUESTION:
        raise RequestError(f"The question is longer than {_LONGEST_QUESTION} characters.")


@dataclass
class _Writing:
    """What is gathered while an answer is written."""

    question: str
    renderer: Renderer
    started: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def finish_call(self, message: ToolMessage) -> ToolFinished:
        """File a tool's answer."""
        name, arguments = self.started.get(message.tool_call_id, (message.name or "", {}))
        outcome = Outcome.of(message)
        self.outcomes.append(outcome)
        result = outcome.result
        encoded = result.encoded if result else None
        self.calls.append(
            Call(name, arguments, result is not None, round(outcome.seconds, 4), encoded)
        )
        return ToolFinished(
            call_id=message.tool_call_id,
            tool=name,
            ok=result is not None,
            seconds=outcome.seconds,
            summary=result.summary if result else str(outcome.error),
            object_ids=result.objects if result else (),
            encoded=encoded,
        )

    def turn(self, case: Case) -> Turn:
        """The finished answer with everything it refers to."""
        results = [o.result for o in self.outcomes if o.result is not None]
        measured = [m for r in results for m in r.measurements]
        measured += [e.measurement for e in self.renderer.evidence]
        measurements = tuple(dict.fromkeys(measured))
        owners = [case.measurements[m].object for m in measurements]
        objects = [o for r in results for o in r.objects] + [o for o in owners if o]
        names = {case.measurements[m].name for m in measurements}
        answer = self.renderer.text.strip()
        return Turn(
            question=self.question,
            answer=answer,
            refused=any(r.refused for r in results),
            warnings=tuple(dict.fromkeys(w for r in results for w in r.warnings)),
            object_ids=tuple(dict.fromkeys(objects)),
            measurement_ids=measurements,
            calls=tuple(self.calls),
            evidence=tuple(self.renderer.evidence),
            unverified=(*self.renderer.unverified, *comparatives_without_proof(answer, names)),
        )
