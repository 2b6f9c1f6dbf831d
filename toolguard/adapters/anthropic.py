"""Anthropic SDK: `client.beta.messages.tool_runner(tools=guarding(guard, [issue_refund]), ...)`.

Every runnable tool is judged where the runners call it (messages, streaming, eager, sessions), with the input as the model
wrote it. A denial is a tool's error with the reason; an escalated call waits, for these runners have no pause.
"""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

from anthropic.lib.tools import ToolError

from toolguard.adapters.gate import ASK, GO, Gate
from toolguard.errors import ToolDenied

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable,
    tools: Iterable[Any],
    *,
    groups: Mapping[str, str] | None = None,
    quarantine_after: int | None = None,
    session_id: str | None = None,
    agent_id: str | None = None,
    unguarded: Collection[str] = (),
) -> list[Any]:
    """Copies of the tools, each of which is judged when it is called.

    Args:
        guard: who decides.
        tools: what `beta_tool`, `beta_async_tool` or a class of one's own makes.
        groups: the group of each tool, by its name.
        quarantine_after: put a session under quarantine that proposes the very same denied call so many times.
        session_id, agent_id: who is calling; left out, what `guard.acting_as` says.
        unguarded: names of tools that run at the provider and may, such as `web_search`.

    Raises:
        TypeError: a tool runs at the provider, where it cannot be judged, and is not named.
    """
    gate = Gate(guard, groups, quarantine_after=quarantine_after, changes=True)
    who: Who = {"session_id": session_id, "agent_id": agent_id}
    return [_guarded(tool, gate, who, unguarded) for tool in tools]


def _guarded(tool: Any, gate: Gate, who: Who, unguarded: Collection[str]) -> Any:
    if not callable(getattr(tool, "call", None)):
        name = tool.get("name", tool.get("type")) if isinstance(tool, dict) else getattr(tool, "name", tool)
        if name not in unguarded:
            raise TypeError(f"`{name}` runs where it cannot be judged; if it may, name it in `unguarded`")
        return tool
    made = copy.copy(tool)
    made.call = _async_call(tool, gate, who) if inspect.iscoroutinefunction(tool.call) else _call(tool, gate, who)
    return made


def _call(tool: Any, gate: Gate, who: Who) -> Any:
    def call(given: Any, *more: Any) -> Any:
        ruling = gate.ruling(tool.name, given, **who)
        if ruling.kind == ASK:
            ruling = gate.waited(ruling)
        if ruling.kind != GO:
            raise ToolError(ruling.text)
        try:
            return gate.run(ruling, lambda: tool.call(ruling.arguments(given), *more))
        except ToolDenied as denied:
            raise ToolError(denied.message_for_model()) from None

    return call


def _async_call(tool: Any, gate: Gate, who: Who) -> Any:
    async def call(given: Any, *more: Any) -> Any:
        ruling = await gate.ruling_async(tool.name, given, **who)
        if ruling.kind == ASK:
            ruling = await gate.waited_async(ruling)
        if ruling.kind != GO:
            raise ToolError(ruling.text)
        try:
            return await gate.run_async(ruling, lambda: tool.call(ruling.arguments(given), *more))
        except ToolDenied as denied:
            raise ToolError(denied.message_for_model()) from None

    return call
