"""OpenAI Agents SDK: `agent = guarding(guard, Agent(...))`; agents that it hands over to are guarded each for itself.

All tools of the agent, those of its MCP servers too, are judged where they are invoked, with the arguments as the model wrote
them. A denial is the tool's result, so the run goes on; an escalation is the SDK's approval (`result.interruptions`). What runs
at the provider (hosted tools) cannot be judged, and is refused unless it is named.
"""

from __future__ import annotations

import copy
import json
from collections import OrderedDict
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from agents import Agent, FunctionTool
from agents.exceptions import ModelBehaviorError

from toolguard.adapters.gate import ASK, GO, NOT_TAKEN, Gate, Ruling, keep, plain_values
from toolguard.errors import ToolDenied
from toolguard.model import Approval

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable,
    agent: Agent[Any],
    *,
    groups: Mapping[str, str] | None = None,
    wait: bool = False,
    quarantine_after: int | None = None,
    unguarded: Collection[str] = (),
) -> Agent[Any]:
    """A copy of the agent, every tool of which is judged.

    The agent's name is the agent, `session_id` of the run's context the session (the SDK does not tell its own when it asks for
    an approval), and plain values of that context are in the call's context. An answer counts for the call that it was asked
    for: `always_approve` approves nothing else. The SDK does not say who has answered.

    Args:
        guard: who decides.
        agent: the agent, with its tools and MCP servers.
        groups: the group of each tool, by its name.
        wait: wait inside of the call for an answer, as guarded functions do, in the place of an interruption.
        quarantine_after: put a session under quarantine that proposes the very same denied call so many times.
        unguarded: names of tools that are no functions and run all the same, such as `web_search`.

    Raises:
        TypeError: the agent has a tool that cannot be judged and is not named.
    """
    tools = _Tools(Gate(guard, groups, quarantine_after=quarantine_after, changes=True), wait, frozenset(unguarded))
    for tool in agent.tools:
        tools.checked(tool)

    kind: type[Agent[Any]] = type(agent)

    async def get_all_tools(self: Agent[Any], run_context: Any) -> list[Any]:
        return [tools.guarded(tool, self.name) for tool in await kind.get_all_tools(self, run_context)]

    made = type(kind.__name__, (kind,), {"get_all_tools": get_all_tools})
    return made(**{each.name: getattr(agent, each.name) for each in fields(agent) if each.init})  # type: ignore[no-any-return]


class _Tools:
    def __init__(self, gate: Gate, wait: bool, unguarded: frozenset[str]) -> None:  # noqa: FBT001 - ours only
        self._gate, self._wait, self._unguarded = gate, wait, unguarded
        self._ruled: OrderedDict[str, Ruling] = OrderedDict()

    def checked(self, tool: Any) -> None:
        """Raise TypeError for a tool that cannot be judged."""
        if not isinstance(tool, FunctionTool) and tool.name not in self._unguarded:
            raise TypeError(f"`{tool.name}` runs where it cannot be judged; if it may, name it in `unguarded`")

    def guarded(self, tool: Any, agent: str) -> Any:
        """The tool, judged."""
        self.checked(tool)
        if not isinstance(tool, FunctionTool):
            return tool

        async def needs_approval(context: Any, params: dict[str, Any], call_id: str) -> bool:
            if await _holds(tool.needs_approval, context, params, call_id):
                return True
            if self._wait:
                return False
            who = _who(context, agent, call_id)
            ruling = await self._gate.ruling_async(tool.name, params, **who)
            keep(self._ruled, repr((tool.name, who)), ruling)
            return ruling.kind == ASK

        async def invoke(context: Any, text: str) -> Any:
            who = _who(context, agent, context.tool_call_id)
            ruling = self._ruled.pop(repr((tool.name, who)), None)  # another run may have a call of the same id
            if ruling is None or ruling.kind == ASK or not ruling.is_of(text):
                ruling = await self._gate.ruling_async(tool.name, text, **who)
            if ruling.kind == ASK:
                ruling = await self._answered(ruling, tool, context)
            if ruling.kind != GO:
                return ruling.text
            try:
                return await self._gate.run_async(ruling, lambda: tool.on_invoke_tool(context, _text(ruling, text)))
            except ToolDenied as denied:
                return denied.message_for_model()
            except ModelBehaviorError:
                if not ruling.is_changed:
                    raise
                return f"The call to `{tool.name}` was not carried out: {NOT_TAKEN}."

        made = copy.copy(tool)
        made.on_invoke_tool, made.needs_approval = invoke, needs_approval
        return made

    async def _answered(self, ruling: Ruling, tool: FunctionTool, context: Any) -> Ruling:
        if self._wait:
            return await self._gate.waited_async(ruling)
        approved = context.is_tool_approved(tool.name, context.tool_call_id)
        if approved is not True or context.is_tool_approved(tool.name, "another call of the same tool"):
            return ruling  # nobody was asked about exactly this call
        return await self._gate.answered_async(ruling, Approval(granted=True, by="?"))


def _text(ruling: Ruling, text: str) -> str:
    """The arguments that the tool gets, as the SDK hands them on."""
    made = ruling.arguments(text)
    return made if isinstance(made, str) else json.dumps(made)


async def _holds(setting: Any, context: Any, params: dict[str, Any], call_id: str) -> bool:
    return bool(await setting(context, params, call_id) if callable(setting) else setting)


def _who(context: Any, agent: str, call_id: str) -> Who:
    values = plain_values(context.context)
    session = (values or {}).get("session_id")
    return {
        "session_id": session if isinstance(session, str) and session else None,
        "agent_id": agent or None,
        "call_id": call_id or None,
        "context": values,
    }
