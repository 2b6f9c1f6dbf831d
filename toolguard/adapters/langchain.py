"""LangChain and LangGraph: `create_agent(..., middleware=[guarding(guard)])`, or the two wrappers of a `ToolNode`.

The tool itself is replaced by a copy that is judged where it is invoked, so no other middleware can change the arguments
between the decision and the tool. A denial is a `ToolMessage` of status `error`; an escalation is an interrupt, answered with
`Command(resume={interrupt.id: {"id": interrupt.value["id"], "approved": True, "by": "..."}})`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import interrupt

from toolguard.adapters.gate import ASK, GO, NOT_TAKEN, Gate, Ruling, keep, plain_values
from toolguard.errors import ToolDenied
from toolguard.model import Approval

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from langchain_core.tools import BaseTool
    from langgraph.prebuilt.tool_node import ToolCallRequest

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable, *, groups: Mapping[str, str] | None = None, wait: bool = False, quarantine_after: int | None = None
) -> GuardMiddleware:
    """Middleware that has every tool call of an agent judged. Put it last in the list.

    The thread (`configurable.thread_id`) is the session, the agent's name the agent. `user_id`, `org_id` and the like of a
    runtime context are in the call's context.

    Args:
        guard: who decides.
        groups: the group of each tool, by its name.
        wait: wait inside of the call for an answer, as guarded functions do, in the place of an interrupt.
        quarantine_after: put a thread under quarantine that proposes the very same denied call so many times.
    """
    return GuardMiddleware(Gate(guard, groups, quarantine_after=quarantine_after, changes=True), wait=wait)


class GuardMiddleware(AgentMiddleware[Any, Any]):
    """What `guarding` makes. A graph of your own gives both of its wrappers to its `ToolNode`."""

    def __init__(self, gate: Gate, *, wait: bool) -> None:
        super().__init__()
        self.gate, self.waits, self.batches = gate, wait, Batches()

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Any]) -> Any:
        """Judge and run one call."""
        if request.tool is not None:
            return handler(request.override(tool=_Judged(self, request.tool, request).as_tool()))
        ruling = self.gate.ruling(request.tool_call["name"], request.tool_call["args"], **_who(request))
        return handler(request) if ruling.kind == GO else _denied(request, ruling.text)

    async def awrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Any]]) -> Any:
        """As `wrap_tool_call`, for asyncio."""
        if request.tool is not None:
            return await handler(request.override(tool=_Judged(self, request.tool, request).as_tool()))
        ruling = await self.gate.ruling_async(request.tool_call["name"], request.tool_call["args"], **_who(request))
        return await handler(request) if ruling.kind == GO else _denied(request, ruling.text)


@dataclass(slots=True)
class Entry:
    """One call of a message: with which arguments it was handed in, and what came of it."""

    params: Any
    made: Any = None
    runs: bool = False
    ended: Event = field(default_factory=Event)


class Batches:
    """The calls of each message. A `ToolNode` begins all of them anew when one was interrupted; none of them may run twice."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._interrupted: OrderedDict[str, None] = OrderedDict()
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._taken: OrderedDict[str, None] = OrderedDict()

    def begun_before(self, batch: str, call: str, params: Any) -> Entry | None:
        """The call as it was begun before an interruption, if it was, and not left before it ran."""
        entry = self._entries.get((batch, call))
        return entry if entry is not None and batch in self._interrupted and entry.params == params else None

    def begin(self, batch: str, call: str, params: Any) -> Entry:
        """The call is handed in."""
        entry = Entry(params)
        keep(self._entries, (batch, call), entry)
        return entry

    def left(self, batch: str, call: str) -> None:
        """The call was left before it ran, to be handed in again."""
        self._entries.pop((batch, call), None)

    def answer(self, batch: str, question: dict[str, Any]) -> Approval:
        """A person's answer to this question; it names it, because the interrupts of one node differ by their order only."""
        keep(self._interrupted, batch, None)
        while (said := self._answers.pop(question["id"], None)) is None:
            given = interrupt(question)
            if not isinstance(given, dict) or not isinstance(given.get("id"), str):
                return Approval(granted=False, by="?", note="the answer does not say by its `id` what it answers")
            if given["id"] == question["id"]:
                said = given
                break
            if given["id"] not in self._taken:  # an answer is taken once, however often it is seen
                keep(self._answers, given["id"], given)
        keep(self._taken, question["id"], None)
        by, note = said.get("by"), said.get("note")
        by, note = by if isinstance(by, str) and by else "?", note if isinstance(note, str) else None
        return Approval(said.get("approved") is True, by, note)


class _Judged:
    """One tool for one call, judged where it is invoked, with what it is invoked with."""

    def __init__(self, owner: GuardMiddleware, tool: BaseTool, request: ToolCallRequest) -> None:
        self._owner, self._tool, self._request = owner, tool, request
        self._who, self._hidden = _who(request), _hidden(tool)
        self._place = (_batch(request), request.tool_call["id"] or "")

    def as_tool(self) -> BaseTool:
        """A copy of the tool that is invoked through this."""
        copy = self._tool.model_copy()
        object.__setattr__(copy, "invoke", self.invoke)  # a model takes no other attribute
        object.__setattr__(copy, "ainvoke", self.ainvoke)
        return copy

    def invoke(self, call: Any, config: Any = None, **more: Any) -> Any:
        """Judge and run it."""
        params, gate = self._params(call), self._owner.gate
        if (entry := self._owner.batches.begun_before(*self._place, params)) is not None:
            entry.ended.wait()
            return entry.made
        with self._entered(params) as entry:
            ruling = gate.ruling(self._tool.name, params, **self._who)
            while ruling.kind == ASK:
                ruling = gate.waited(ruling) if self._owner.waits else gate.answered(ruling, self._answer(ruling))
            if ruling.kind != GO:
                return self._ended(entry, _denied(self._request, ruling.text))

            def run() -> Any:
                entry.runs = True
                return self._tool.invoke(self._changed(call, ruling), config, **more)

            try:
                return self._ended(entry, gate.run(ruling, run))
            except ToolDenied as denied:
                return self._ended(entry, _denied(self._request, denied.message_for_model()))
            except ValueError as error:
                return self._ended(entry, self._not_taken(ruling, error))

    async def ainvoke(self, call: Any, config: Any = None, **more: Any) -> Any:
        """As `invoke`, for asyncio."""
        params, gate = self._params(call), self._owner.gate
        if (entry := self._owner.batches.begun_before(*self._place, params)) is not None:
            await asyncio.to_thread(entry.ended.wait)
            return entry.made
        with self._entered(params) as entry:
            ruling = await gate.ruling_async(self._tool.name, params, **self._who)
            while ruling.kind == ASK:
                if self._owner.waits:
                    ruling = await gate.waited_async(ruling)
                else:
                    ruling = await gate.answered_async(ruling, self._answer(ruling))
            if ruling.kind != GO:
                return self._ended(entry, _denied(self._request, ruling.text))

            async def run() -> Any:
                entry.runs = True
                return await self._tool.ainvoke(self._changed(call, ruling), config, **more)

            try:
                return self._ended(entry, await gate.run_async(ruling, run))
            except ToolDenied as denied:
                return self._ended(entry, _denied(self._request, denied.message_for_model()))
            except ValueError as error:
                return self._ended(entry, self._not_taken(ruling, error))

    @contextmanager
    def _entered(self, params: Any) -> Iterator[Entry]:
        entry = self._owner.batches.begin(*self._place, params)
        try:
            yield entry
        except BaseException as error:
            if not entry.runs or isinstance(error, Exception):
                self._owner.batches.left(*self._place)  # it waits, or it failed and may be tried again
            raise
        finally:
            if entry.made is None:
                entry.made = _denied(self._request, f"The call to `{self._tool.name}` was begun, and its end is not known.")
            entry.ended.set()

    def _ended(self, entry: Entry, made: Any) -> Any:
        entry.made = made
        return made

    def _params(self, call: Any) -> Any:
        given = call["args"] if isinstance(call, dict) and call.get("type") == "tool_call" else call
        return {name: value for name, value in given.items() if name not in self._hidden} if isinstance(given, dict) else given

    def _changed(self, call: Any, ruling: Ruling) -> Any:
        """The call as it is to be run: with what an obligation has left of its arguments, and what the graph fills in."""
        made = ruling.arguments(call)
        if made is call:
            return call
        given = call["args"] if call.get("type") == "tool_call" else call
        made |= {name: value for name, value in given.items() if name in self._hidden}
        return {**call, "args": made} if given is not call else made

    def _not_taken(self, ruling: Ruling, error: ValueError) -> ToolMessage:
        """Where an obligation has changed the arguments, and the tool does not take them, nobody is told to mend them."""
        if not ruling.is_changed or not hasattr(error, "error_count"):  # pydantic's has that
            raise error
        return _denied(self._request, f"The call to `{self._tool.name}` was not carried out: {NOT_TAKEN}.")

    def _answer(self, ruling: Ruling) -> Approval:
        return self._owner.batches.answer(self._place[0], ruling.question)


def _who(request: ToolCallRequest) -> Who:
    runtime = request.runtime
    config = getattr(runtime, "config", None) or {}
    settings, metadata = config.get("configurable") or {}, config.get("metadata") or {}
    thread, agent = settings.get("thread_id"), metadata.get("lc_agent_name")
    return {
        "session_id": str(thread) if thread is not None else None,
        "agent_id": agent if isinstance(agent, str) and agent else None,
        "call_id": request.tool_call["id"] or None,
        "context": plain_values(getattr(runtime, "context", None)),
    }


def _hidden(tool: BaseTool) -> frozenset[str]:
    """The arguments that the graph fills in, which the model does not see."""
    everything = getattr(tool.get_input_schema(), "model_fields", {})
    seen = getattr(tool.tool_call_schema, "model_fields", everything)
    return frozenset(everything) - frozenset(seen)


def _batch(request: ToolCallRequest) -> str:
    """The thread, and the message that the call stands in."""
    state = request.state
    messages = state.get("messages") if isinstance(state, dict) else getattr(state, "messages", None)
    asked = next((each for each in reversed(messages or []) if isinstance(each, AIMessage)), None)
    return f"{_who(request).get('session_id')} {asked.id if asked is not None else None}"


def _denied(request: ToolCallRequest, text: str) -> ToolMessage:
    call = request.tool_call
    return ToolMessage(content=text, name=call["name"], tool_call_id=call["id"] or "", status="error")
