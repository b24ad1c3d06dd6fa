"""The planner behind LangChain's chat model interface: one decision per call."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import PrivateAttr

from agent.planner.clauses import understand_all
from agent.planner.compose import compose
from agent.planner.parts import part_of_rank
from agent.planner.phrasing import Result, placed_by_part
from agent.planner.relations import RELATIONS, TWO_SCANS
from agent.planner.request import Request
from agent.planner.words import SIZE, SIZE_IN_VOLUME
from parser_model.ontology import ontology

_CallPlan = tuple[str, dict[str, Any]]
_SENTENCE_END = re.compile(r"(?<=[.?!]) +")
Readings = dict[tuple[str, tuple[Request, ...], str | None], list[Request]]


class OfflinePlanner(BaseChatModel):
    """A chat model without a model: rules instead of weights.

    Everything is read from the messages, so the agent loop, its memory and its limits are the same
    as with an LLM. How it read a question it remembers, since it is asked again at every step.
    """

    _readings: Readings = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "parsechat-offline-planner"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        """Tools are known by name already."""
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decision = decide(messages, self._readings)
        if isinstance(decision, str):
            message = AIMessage(content=decision)
        else:
            name, arguments = decision
            call = {"name": name, "args": arguments, "id": _call_id(), "type": "tool_call"}
            message = AIMessage(content="", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decision = decide(messages, self._readings)
        if isinstance(decision, str):
            for piece in re.findall(r"\S+\s*", decision):
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            return
        name, arguments = decision
        chunk = tool_call_chunk(name=name, args=json.dumps(arguments), id=_call_id(), index=0)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[chunk]))


def _call_id() -> str:
    return f"call-{uuid.uuid4().hex[:12]}"


def decide(messages: Sequence[BaseMessage], readings: Readings) -> _CallPlan | str:
    """The next tool call, or the answer when nothing is left to do.

    Parameters
    ----------
    messages : sequence of BaseMessage
    readings : dict
        How questions were read so far; added to.
    """
    questions: list[str] = []
    turns: list[list[Result]] = [[]]  # what the tools returned, before and after each question
    pending: dict[str, tuple[str, dict[str, Any]]] = {}
    for message in messages:
        if isinstance(message, HumanMessage):
            questions.append(message.text)
            turns.append([])
        elif isinstance(message, AIMessage):
            pending.update({str(c["id"]): (c["name"], c["args"]) for c in message.tool_calls})
        elif isinstance(message, ToolMessage) and message.tool_call_id in pending:
            name, arguments = pending[message.tool_call_id]
            turns[-1].append(Result(name, arguments, json.loads(message.text)))
    return _next_step(_read(questions, turns, readings), turns[-1])


def _next_step(requests: Sequence[Request], results: Sequence[Result]) -> _CallPlan | str:
    """The next call of the first request that wants one, or the answers to all of them.

    What was returned so far is theirs in the order in which they asked for it. What one looked for,
    the next one about the same objects and scans need not look for again; comparisons, which may
    look at further scans, share nothing.
    """
    left = list(results)
    answers: list[str] = []
    looked: dict[tuple[tuple[str, ...], tuple[str, ...]], list[Result]] = {}
    for request in requests:
        shares = request.kind not in RELATIONS
        about = (request.phrases, request.scans)
        own = list(looked.get(about, ())) if shares else []
        while (call := _next_call(request, own)) is not None:
            if not left:
                return call
            own.append(left.pop(0))
        if shares:
            looked[about] = [result for result in own if result.tool == "segment"]
        answers.append(_without_said(compose(request, own), answers))
    return "\n\n".join(filter(None, answers))


def _without_said(answer: str, before: Sequence[str]) -> str:
    """An answer without the sentences of those before it: that an object is not seen, say."""
    if "\n" in answer:
        return answer  # a list, which no line may be taken out of
    said = {sentence for one in before for sentence in _SENTENCE_END.split(one)}
    return " ".join(sentence for sentence in _SENTENCE_END.split(answer) if sentence not in said)


def _read(
    questions: Sequence[str], turns: Sequence[Sequence[Result]], readings: Readings
) -> list[Request]:
    """What is asked last, understood in the light of what was before and what that found."""
    before = [result for turn in turns[:-1] for result in turn]
    modality = next(
        (r.content["modality"] for r in reversed(before) if r.content.get("modality")), None
    )
    earlier: list[Request] = []
    asked = [Request("unclear")]
    for question, results in zip(questions, turns[1:], strict=True):
        key = (question, tuple(earlier), modality)
        asked = readings.get(key) or understand_all(question, earlier, ontology(), modality)
        readings[key] = asked
        earlier += [_what_it_found(request, results) for request in asked]
    return asked


def _what_it_found(request: Request, results: Sequence[Result]) -> Request:
    """Where "what do you see?" found one thing, the next question's "it" is that thing."""
    if request.kind != "everything":
        return request
    found = {o["phrase"] for r in results for o in r.content.get("objects", []) if o["present"]}
    return Request("measure", tuple(found), SIZE) if len(found) == 1 else request


def _next_call(request: Request, results: Sequence[Result]) -> _CallPlan | None:
    called = [r.tool for r in results]
    if any("error" in r.content for r in results):
        return None
    if request.kind == "decline":
        reason = {"reason": request.reason or "unsupported"}
        return None if "decline" in called else ("decline", reason)
    if request.kind == "unclear":
        return None
    one_scan = {"scan": request.scans[0]} if len(request.scans) == 1 else {}
    if request.kind == "describe":
        return None if "describe_scan" in called else ("describe_scan", one_scan)
    if request.scale and request.kind == "scale" and "set_scale" not in called:
        return "set_scale", dict(request.scale.arguments)
    if request.kind == "everything" and "find_everything" not in called:
        return "find_everything", one_scan
    scale_of = request.scale.arguments.get("scan") if request.scale else None
    looked_at = {r.arguments.get("scan") for r in results if r.tool == "segment"}
    for scan in request.scans or (scale_of,):
        if request.phrases and scan not in looked_at:
            named = {"scan": scan} if scan else {}
            return "segment", {"phrases": list(request.phrases), **named}
    if request.kind in RELATIONS:
        return _next_comparison(request, results)
    return _next_in_general(results) or _next_measurement(request, results)


def _next_comparison(request: Request, results: Sequence[Result]) -> _CallPlan | None:
    """The comparison that is asked for, once its two objects were looked for; one on each scan."""
    looked = [r for r in results if r.tool == "segment"]
    objects = {o["id"]: o for r in looked for o in r.content["objects"]}
    compared = {r.arguments["first"] for r in results if r.tool == "compare"}
    if request.kind in TWO_SCANS:
        scans = sorted({o["scan"] for o in objects.values()}, key=_scan_number)
        other = _scan_before(scans[0], first=request.since_first) if len(scans) == 1 else None
        if scans == ["scan-1"] == list(request.scans):
            other = "scan-2"  # "is it larger in the first picture?"
        if other and len(looked) == 1:
            return "segment", {"phrases": list(request.phrases), "scan": other}
        # The first thing named, on the earliest and on the latest of the scans.
        ends = [o for scan in (scans[0], scans[-1]) for o in objects.values() if o["scan"] == scan]
        kind = ends[0]["target"] or ends[0]["phrase"]
        pair = [o for o in ends if (o["target"] or o["phrase"]) == kind]
        enough = any(o["present"] for o in pair)
        if request.kind != "change":
            enough = all(o["present"] for o in pair)
        enough = enough and not (request.kind == "between_scans" and len(scans) > 2)
        pairs = [pair] if len(scans) > 1 and enough else []
    else:
        there = [o for o in objects.values() if o["present"]]
        on_each = dict.fromkeys(o["scan"] for o in there)
        pairs = [[o for o in there if o["scan"] == scan] for scan in on_each]
    for pair in pairs:
        # "What share of the lung is the tumour": the second as a part of the first.
        ids = [o["id"] for o in (reversed(pair) if request.kind == "share" else pair)]
        if len(ids) == 2 and ids[0] not in compared:
            return "compare", {"first": ids[0], "second": ids[1], "what": RELATIONS[request.kind]}
    return None


def _scan_number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _scan_before(name: str, *, first: bool) -> str | None:
    """The scan that one is compared with: the one before it, or the very first."""
    number = _scan_number(name)
    return None if number == 1 else f"scan-{1 if first else number - 1}"


def _next_in_general(results: Sequence[Result]) -> _CallPlan | None:
    """Where one kind of lesion is not seen, a look for that lesion of whatever kind."""
    looked = [r for r in results if r.tool == "segment"]
    if len(looked) != 1 or "scans" in looked[0].content:
        return None
    objects = looked[0].content["objects"]
    seen = {o["target"] for o in objects if o["present"]}
    seen |= {o.get("kind_of") for o in objects if o["present"]}
    missed = [o["kind_of"] for o in objects if not o["present"] and o.get("kind_of")]
    wanted = [one for one in dict.fromkeys(missed) if one not in seen]
    return ("segment", {"phrases": wanted, "scan": looked[0].content["scan"]}) if wanted else None


def _next_measurement(request: Request, results: Sequence[Result]) -> _CallPlan | None:
    found = [
        o
        for r in results
        if r.tool in ("segment", "find_everything")
        for o in r.content["objects"]
        if o["present"]
    ]
    measured = {r.arguments.get("object") for r in results if r.tool == "measure"}
    for one in found:
        if one["id"] not in measured:
            quantities = _wanted(request, one)
            if request.rank:
                part = part_of_rank(request.rank, one["parts"])
                if part is None:
                    continue
                return "measure", {"object": one["id"], "quantities": quantities, "part": part}
            listed = request.each_part or (request.kind == "where" and placed_by_part(one))
            more = {"each_part": True} if listed else {}
            return "measure", {"object": one["id"], "quantities": quantities, **more}
    if request.kind == "density":
        # By itself: without a pixel size it fails, and the count still stands.
        dense = {
            r.arguments["object"] for r in results if r.arguments.get("quantities") == ["density"]
        }
        for one in found:
            if one["id"] not in dense:
                return "measure", {"object": one["id"], "quantities": ["density"]}
    return None


def _wanted(request: Request, found: dict[str, Any]) -> list[str]:
    """Quantities to measure for an object, in the order of the answer."""
    size = "volume" if found.get("in_volume") else "area"
    if request.kind in ("count", "density"):
        return ["count", size]
    if request.kind == "sure":
        return [size]
    if request.kind == "where":
        return ["slice"] if found.get("in_volume") else ["centroid", "bounding_box"]
    if request.kind in ("exists", "everything"):
        if found.get("in_volume"):
            return ["volume", "slice"]
        several = ["count"] if found["parts"] > 1 else []
        return [*several, "fraction_of_image", "centroid"]
    if request.each_part or request.rank:
        return [size, *(q for q in request.quantities if q != "area")]
    wanted = list(request.quantities)
    if found.get("in_volume") and request.quantities == SIZE:
        wanted = list(SIZE_IN_VOLUME)
    if found["parts"] > 1 and "count" not in wanted:
        wanted.insert(0, "count")
    return wanted
