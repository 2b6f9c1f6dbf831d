"""Claude Agent SDK: `ClaudeSDKClient(guarding(guard, options))`.

Every tool call of the agent, Claude Code's own tools and those of MCP servers, is judged in a `PreToolUse` hook that blocks
when it fails. A denial is Claude Code's own; an escalation is asked of `can_use_tool`, and without one it is denied.
`can_use_tool` alone would not be enough: a tool in `allowed_tools` never reaches it. The hook has ended when the tool begins,
so a guarded function that is such a tool has a decision of its own made. Results are redacted, or withheld, in a `PostToolUse`
hook; what a failed tool says cannot be.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_agent_sdk import ClaudeAgentOptions, HookMatcher, PermissionResultAllow, PermissionResultDeny

from toolguard.adapters.gate import ASK, GO, Gate, Ruling, keep
from toolguard.errors import ToolDenied
from toolguard.model import Approval, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.point import Answerable, Who


def guarding(
    guard: Answerable,
    options: ClaudeAgentOptions,
    *,
    groups: Mapping[str, str] | None = None,
    wait: bool = False,
    quarantine_after: int | None = None,
) -> ClaudeAgentOptions:
    """Options with the guard's hooks before those that are there, and with its say in what `can_use_tool` answers.

    Tools of the servers in `options.mcp_servers` are judged under their own names, with the server as `context.mcp_server`. An
    input that `can_use_tool` changes is judged anew.

    Args:
        guard: who decides.
        options: the agent's.
        groups: the group of each tool, by its name.
        wait: wait inside of the hook for an answer, as guarded functions do, in the place of asking `can_use_tool`.
        quarantine_after: put a session under quarantine that proposes the very same denied call so many times.
    """
    ours = _Hooks(Gate(guard, groups, quarantine_after=quarantine_after), options, wait)
    hooks: dict[Any, Any] = {event: list(matchers) for event, matchers in (options.hooks or {}).items()}
    for event, hook in (("PreToolUse", ours.before), ("PostToolUse", ours.after), ("PostToolUseFailure", ours.failed)):
        matcher = HookMatcher(hooks=[hook], on_failure="block") if event == "PreToolUse" else HookMatcher(hooks=[hook])
        hooks[event] = [matcher, *hooks.get(event, [])]
    return replace(options, hooks=hooks, can_use_tool=ours.asked if options.can_use_tool is not None else None)


class _Hooks:
    def __init__(self, gate: Gate, options: ClaudeAgentOptions, wait: bool) -> None:  # noqa: FBT001 - ours only
        self._gate, self._can_use_tool, self._wait = gate, options.can_use_tool, wait
        self._servers = tuple(options.mcp_servers) if isinstance(options.mcp_servers, dict) else ()
        self._calls: OrderedDict[str, tuple[Ruling, Who]] = OrderedDict()

    async def before(self, given: Any, call: str | None, _: Any) -> dict[str, Any]:
        """`PreToolUse`."""
        who = self._who(given, call)
        ruling = await self._gate.ruling_async(self._named(given["tool_name"]), given["tool_input"], **who)
        if ruling.kind == ASK and self._wait:
            ruling = await self._gate.waited_async(ruling)
        keep(self._calls, call or "", (ruling, who))
        if ruling.kind == GO:
            return {}
        asks = ruling.kind == ASK and self._can_use_tool is not None
        return _said("ask" if asks else "deny", ruling.text)

    async def asked(self, tool: str, given: dict[str, Any], context: Any) -> Any:
        """`can_use_tool`, whose answer to what the guard asked is the program's."""
        answer = await self._can_use_tool(tool, given, context)  # type: ignore[misc]
        ruling, who = self._calls.get(context.tool_use_id, (None, None))
        if ruling is None or who is None:
            return PermissionResultDeny(message="The call was not carried out: the guard was not asked about it.")
        if not isinstance(answer, PermissionResultAllow):
            if ruling.kind != ASK:
                return answer
            ruling = await self._gate.answered_async(ruling, Approval(granted=False, by="can_use_tool", note=_note(answer)))
            return PermissionResultDeny(message=ruling.text)
        if answer.updated_input is not None and answer.updated_input != given:
            ruling = await self._gate.ruling_async(self._named(tool), answer.updated_input, **who)
        if ruling.kind == ASK:
            ruling = await self._gate.answered_async(ruling, Approval(granted=True, by="can_use_tool"))
        keep(self._calls, context.tool_use_id, (ruling, who))
        return answer if ruling.kind == GO else PermissionResultDeny(message=ruling.text)

    async def after(self, given: Any, call: str | None, _: Any) -> dict[str, Any]:
        """`PostToolUse`: the outcome is recorded, and what came back goes on as it may be seen."""
        response = given.get("tool_response")
        try:
            seen = await self._ended(call, Outcome("returned", 0, response))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the guard, nothing goes on
            seen = Outcome("raised", 0, error=error)
        return _seen(response, seen)

    async def failed(self, given: Any, call: str | None, _: Any) -> dict[str, Any]:
        """`PostToolUseFailure`: likewise."""
        await self._ended(call, Outcome("raised", 0, error=RuntimeError(str(given.get("error", "")))))
        return {}

    async def _ended(self, call: str | None, outcome: Outcome) -> Outcome:
        """What may be seen of it."""
        ruling, _ = self._calls.pop(call or "", (None, None))
        if ruling is None or ruling.kind != GO or ruling.decision is None:
            return Outcome("raised", 0, error=PermissionError("the guard has not allowed it"))
        await self._gate.point.settle_async(ruling.decision, outcome)
        return await self._gate.point.release_async(ruling.decision, outcome)

    def _named(self, tool: str) -> str:
        server = self._server(tool)
        return tool.removeprefix(f"mcp__{server}__") if server else tool

    def _server(self, tool: str) -> str | None:
        return next((each for each in self._servers if tool.startswith(f"mcp__{each}__")), None)

    def _who(self, given: Any, call: str | None) -> Who:
        server = self._server(given["tool_name"])
        places = {"cwd": given.get("cwd"), "mcp_server": server}
        return {
            "session_id": given.get("session_id") or None,
            "agent_id": given.get("agent_id") or None,
            "call_id": call or None,
            "context": {name: value for name, value in places.items() if value} or None,
        }


def _note(answer: Any) -> str | None:
    message = getattr(answer, "message", None)
    return message if isinstance(message, str) and message else None


def _said(decision: str, reason: str) -> dict[str, Any]:
    form = {"hookEventName": "PreToolUse", "permissionDecision": decision, "permissionDecisionReason": reason}
    return {"hookSpecificOutput": form}


_BLOCKS = ("text", "image", "audio", "resource", "resource_link")  # kinds of content, which say nothing by themselves


def _seen(given: Any, seen: Outcome) -> dict[str, Any]:
    """What the model reads in the place of what came back; nothing is said where it may read that."""
    if seen.error is None and seen.value == given:
        return {}
    text = seen.error.message_for_model() if isinstance(seen.error, ToolDenied) else type(seen.error).__name__
    made = seen.value if seen.error is None else _emptied(given, [text])
    return {"hookSpecificOutput": {"hookEventName": "PostToolUse", "updatedToolOutput": made}}


def _emptied(value: Any, text: list[str]) -> Any:
    """The value with nothing left of it but its shape, which is all that is accepted; its first text becomes this one."""
    if isinstance(value, dict):
        return {name: inner if name == "type" and inner in _BLOCKS else _emptied(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [_emptied(inner, text) for inner in value]
    if isinstance(value, str):
        return text.pop() if text else ""
    return value if value is None or isinstance(value, bool) else 0
