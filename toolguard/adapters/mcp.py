"""MCP: `MCPServer("name", extensions=[guarding(guard)])`; FastMCP servers and proxies: `guarding(guard).protect(server)`.

Every `tools/call` that reaches the server is judged, whatever client it comes from. A denial is a result of `isError`; an
escalation asks the person at the client (elicitation), whose answer the SDK has sealed to these arguments; a client that cannot
ask gets an error.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.extension import Extension
from mcp_types import CallToolResult, ElicitRequest, ElicitRequestFormParams, InputRequiredResult, TextContent

from toolguard.adapters.gate import ASK, GO, Gate, Ruling
from toolguard.errors import ToolDenied
from toolguard.model import Approval

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from toolguard.point import Answerable, Who

S = TypeVar("S")

NAME = "toolguard"  # of the question, and in `_meta`
_FORM = {"type": "object", "properties": {"approve": {"type": "boolean", "title": "Approve"}}, "required": ["approve"]}


def guarding(
    guard: Answerable,
    *,
    groups: Mapping[str, str] | None = None,
    wait: bool = False,
    quarantine_after: int | None = None,
    session: Callable[[Any], str | None] | None = None,
) -> GuardExtension:
    """An extension that has every tool call of a server judged.

    The client and subject of the access token are in the call's context (`client_id`, `subject`), where there is one.

    Args:
        guard: who decides. With `approvers`, the answer of the person at the client counts for nothing: theirs do.
        groups: the group of each tool, by its name.
        wait: wait inside of the call for an answer, as guarded functions do, in the place of asking the client.
        quarantine_after: put a session under quarantine that proposes the very same denied call so many times.
        session: the session of a request, of its context; left out, the `mcp-session-id` of the transport.
    """
    return GuardExtension(Gate(guard, groups, quarantine_after=quarantine_after, changes=True), wait, session or _session)


class Said(NamedTuple):
    """A request to call a tool, with the answer to a question, if it brings one."""

    name: str
    arguments: Any
    request_state: str | None
    answer: Any

    @property
    def state(self) -> dict[str, Any]:
        """Which question it brings an answer to; the SDK has checked that it is ours, and was about these arguments."""
        try:
            state = json.loads(self.request_state or "{}")
        except ValueError:
            return {}
        return state if isinstance(state, dict) else {}

    @property
    def approval(self) -> Approval:
        """The answer; anything but a clear yes is a no."""
        answer = self.answer if isinstance(self.answer, dict) else getattr(self.answer, "__dict__", {})
        content = answer.get("content") or {}
        granted = answer.get("action") == "accept" and content.get("approve") is True
        return Approval(granted, by="the person at the client")


class GuardExtension(Extension):
    """What `guarding` makes."""

    identifier = "dev.toolguard/guard"

    def __init__(self, gate: Gate, wait: bool, session: Callable[[Any], str | None]) -> None:  # noqa: FBT001 - ours only
        self._gate, self._wait, self._session = gate, wait, session

    def protect(self, server: S) -> S:
        """Put it into a FastMCP server, a FastMCP proxy or a low-level server, which know no extensions. Call it last."""
        low_level: Any = getattr(server, "_mcp_server", server)
        low_level.middleware.append(self._intercept)
        return server

    async def intercept_tool_call(self, params: Any, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        """Judge and run one call."""
        said = Said(params.name, params.arguments, params.request_state, (params.input_responses or {}).get(NAME))

        def run(arguments: Any) -> Awaitable[Any]:
            params.arguments = arguments  # what the SDK invokes the tool with
            return call_next(ctx)

        return await self._judged(said, ctx, run)

    async def _intercept(self, ctx: Any, call_next: Callable[[Any], Awaitable[Any]]) -> Any:
        if ctx.method != "tools/call":
            return await call_next(ctx)
        params = dict(ctx.params or {})
        answer = (params.get("inputResponses") or {}).get(NAME)
        said = Said(params.get("name", ""), params.get("arguments"), params.get("requestState"), answer)
        if NAME in said.state:  # what stands behind must not see a question that it has not asked
            params = {name: value for name, value in params.items() if name not in ("requestState", "inputResponses")}
        return await self._judged(said, ctx, lambda arguments: call_next(_with(ctx, params, arguments)))

    async def _judged(self, said: Said, ctx: Any, run: Callable[[Any], Awaitable[Any]]) -> Any:
        asked = said.state
        call = asked.get("call") or str(ctx.request_id or "")
        ruling = await self._gate.ruling_async(said.name, said.arguments, **self._who(ctx, call))
        if ruling.kind == ASK and self._wait:
            ruling = await self._gate.waited_async(ruling)
        elif ruling.kind == ASK and asked.get(NAME) != ruling.question["id"]:
            return _question(ruling, call)
        elif ruling.kind == ASK:
            ruling = await self._gate.answered_async(ruling, said.approval)
        if ruling.kind != GO:
            return _denial(ruling.text, ruling)
        try:
            return await self._gate.run_async(ruling, lambda: _result(run(ruling.arguments(said.arguments))))
        except ToolDenied as denied:
            return _denial(denied.message_for_model(), ruling)
        except ToolFailed as failed:
            return failed.result

    def _who(self, ctx: Any, call: str) -> Who:
        token = get_access_token()
        said = {"client_id": token.client_id, "subject": token.subject} if token is not None else {}
        return {
            "session_id": self._session(ctx) or None,
            "call_id": call or None,
            "context": {name: value for name, value in said.items() if value} or None,
        }


def _with(ctx: Any, params: dict[str, Any], arguments: Any) -> Any:
    """The request as it goes on."""
    return replace(ctx, params=params if params.get("arguments") == arguments else {**params, "arguments": arguments})


class ToolFailed(Exception):
    """The tool has failed; the server has made a result of that already."""

    def __init__(self, result: Any) -> None:
        super().__init__("the tool has failed")
        self.result = result


async def _result(made: Awaitable[Any]) -> Any:
    result = await made
    if result.get("isError") if isinstance(result, dict) else getattr(result, "is_error", False):
        raise ToolFailed(result)
    return result


def _session(ctx: Any) -> str | None:
    headers = getattr(ctx.request, "headers", None)
    return headers.get("mcp-session-id") if headers is not None else None


def _question(ruling: Ruling, call: str) -> InputRequiredResult:
    asked = ruling.question
    text = f"Approve `{asked['tool']}` with {json.dumps(asked['params'], default=str)}? {asked['reason']}"
    form = ElicitRequest(params=ElicitRequestFormParams(message=text, requested_schema=_FORM))
    return InputRequiredResult(input_requests={NAME: form}, request_state=json.dumps({NAME: asked["id"], "call": call}))


def _denial(text: str, ruling: Ruling) -> CallToolResult:
    decision = ruling.decision
    hit = decision.primary if decision is not None else None
    said = {
        "verdict": "deny",
        "rule": hit.rule_id if hit else None,
        "call": decision.call.call_id if decision is not None else None,
    }
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True, _meta={NAME: said})
