"""What a proposed call has to be before anything judges it: plain data, with names that are what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import toolguard.paths  # noqa: F401 - facts about paths follow links through it
from toolguard.canonical import kind_name, refuse, snapshot
from toolguard.model import Identity, ToolCall

MAX_NAME = 256  # characters of a tool's, group's or caller's name


def again(call: ToolCall) -> dict[str, Any]:
    """What it takes to have a call judged again, as the same caller's."""
    return {
        "tool": call.tool,
        "params": call.params,
        "group": call.tool_group,
        "agent_id": call.agent_id,
        "session_id": call.session_id,
        "org_id": call.org_id,
        "context": call.context,
        "call_id": call.call_id,
    }


def identify(call: ToolCall, caller: Identity) -> None:
    """Put the caller's identity into the call."""
    call.agent_id, call.session_id, call.org_id, call.context = (
        caller.agent_id,
        caller.session_id,
        caller.org_id,
        caller.context,
    )


def plain_call(call: ToolCall) -> None:
    """Make a call plain data with its digests, in place.

    Raises:
        MalformedCall: parameters, context or names that no rule could be trusted to judge.
    """
    check_name(call.tool, "the tool's name")
    for what in ("tool_group", "agent_id", "session_id", "org_id", "call_id"):
        name = getattr(call, what)
        if name is not None:
            check_name(name, f"the call's `{what}`")
    call.params = plain_mapping(call.params, "parameters")
    call.context = plain_mapping(call.context, "context") if call.context else {}


def plain_mapping(value: Any, path: str) -> dict[str, Any]:
    """A private plain view of a mapping."""
    _, view = snapshot(value, path)
    if type(view) is not dict:
        refuse(path, "has to be a mapping")
    return view


def check_name(name: Any, what: str) -> None:
    """A name that looks like another one (blanks, control or invisible characters) must not slip out of a policy's scope."""
    if type(name) is not str or not name:
        refuse(what, "has to be text that is not empty")
    if len(name) > MAX_NAME or not name.isprintable() or name != name.strip():
        refuse(what, f"has blanks around it, unprintable characters, or more than {MAX_NAME} of them")


def harmless(call: ToolCall) -> ToolCall:
    """A malformed call as it can be recorded: what cannot be written down safely is left out."""

    def text(value: Any) -> str | None:
        if type(value) is str:
            return ascii(value)[1:-1][:MAX_NAME]
        return None if value is None else f"<{type(value).__name__}>"

    caller = text(call.agent_id), text(call.session_id), text(call.org_id)
    return ToolCall(text(call.tool) or "?", {}, text(call.tool_group), *caller, call_id=text(call.call_id) or "")


def merged(outer: Identity, inner: Identity) -> Identity:
    """The outer identity with what the inner one says instead, and the contexts of both."""
    if not isinstance(inner.context, Mapping):
        refuse("context", f"has to be a mapping, not {kind_name(inner.context)}")
    return Identity(
        outer.agent_id if inner.agent_id is None else inner.agent_id,
        outer.session_id if inner.session_id is None else inner.session_id,
        outer.org_id if inner.org_id is None else inner.org_id,
        {**outer.context, **inner.context} if inner.context else outer.context,
    )
