"""Pydantic AI: `Agent(..., capabilities=[guarding(guard)])`.

Every tool call of the agent, those of MCP servers too, is judged with the validated arguments that the tool gets. A denial is a
tool's failure that invites no retry; an escalation defers the call (`DeferredToolRequests`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.capabilities.abstract import CapabilityOrdering
from pydantic_ai.exceptions import ApprovalRequired, ToolFailed
from pydantic_ai.toolsets import AbstractToolset, WrapperToolset

from toolguard.adapters.gate import ASK, GO, Gate, plain_values
from toolguard.errors import ToolDenied
from toolguard.model import Approval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable, *, groups: Mapping[str, str] | None = None, wait: bool = False, quarantine_after: int | None = None
) -> GuardCapability:
    """A capability that has every tool call of an agent judged.

    The conversation is the session, the agent's name the agent; plain values of the dependencies (`user_id`, `org_id`) are in
    the call's context. A deferred call is answered with `DeferredToolResults(approvals={id: True})`; `metadata={id: {"by":
    "..."}}` says who has answered.

    Args:
        guard: who decides.
        groups: the group of each tool, by its name.
        wait: wait inside of the call for an answer, as guarded functions do, in the place of deferring it.
        quarantine_after: put a conversation under quarantine that proposes the very same denied call so many times.
    """
    return GuardCapability(Gate(guard, groups, quarantine_after=quarantine_after, changes=True), wait)


@dataclass
class GuardCapability(AbstractCapability[Any]):
    """What `guarding` makes: it wraps the toolset, behind everything that may change arguments."""

    gate: Gate
    wait: bool

    def get_ordering(self) -> CapabilityOrdering:
        """Of several that wrap the toolset, this is the innermost."""
        return CapabilityOrdering(position="innermost")

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any]:
        """All tools of the agent, judged."""
        return _Guarded(toolset, self)


@dataclass
class _Guarded(WrapperToolset[Any]):
    by: GuardCapability

    async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        gate = self.by.gate
        ruling = await gate.ruling_async(name, tool_args, **_who(ctx))
        if ruling.kind == ASK and self.by.wait:
            ruling = await gate.waited_async(ruling)
        elif ruling.kind == ASK and not ctx.tool_call_approved:
            raise ApprovalRequired(metadata={"toolguard": ruling.question})
        elif ruling.kind == ASK:
            ruling = await gate.answered_async(ruling, Approval(granted=True, by=_by(ctx)))
            if ruling.kind == ASK:  # answers have to be signed, and none is there yet
                raise ApprovalRequired(metadata={"toolguard": ruling.question})
        if ruling.kind != GO:
            raise ToolFailed(ruling.text)
        given = ruling.arguments(tool_args)
        try:
            return await gate.run_async(ruling, lambda: self.wrapped.call_tool(name, given, ctx, tool))
        except ToolDenied as denied:
            raise ToolFailed(denied.message_for_model()) from None


def _who(ctx: Any) -> Who:
    agent = getattr(ctx.agent, "name", None)
    return {
        "session_id": getattr(ctx, "conversation_id", None) or ctx.run_id,
        "agent_id": agent if isinstance(agent, str) and agent else None,
        "call_id": ctx.tool_call_id or None,
        "context": plain_values(ctx.deps),
    }


def _by(ctx: Any) -> str:
    """Who has answered, as the program says beside the answer."""
    said = getattr(ctx, "tool_call_metadata", None)
    by = said.get("by") if isinstance(said, dict) else None
    return by if isinstance(by, str) and by else "?"
