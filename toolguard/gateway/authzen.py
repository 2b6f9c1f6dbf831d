"""A request of the OpenID AuthZEN Authorization API 1.0 as a call.

A resource of type `tool` is the tool itself, its properties the parameters. Otherwise the action is the tool, and the resource
and both their properties are its parameters. The subject is the agent; what the caller vouches for is in `context`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolguard.gateway.access import Refusal

TOOL = "tool"


def call_of_authzen(body: Any) -> dict[str, Any]:
    """The keyword arguments of `Guard.evaluate`.

    Raises:
        Refusal: something that has to be there is missing, or is not what it has to be (400).
    """
    if not isinstance(body, Mapping):
        raise Refusal(400, "the body has to be a mapping")
    subject, action, resource = (_entity(body, key) for key in ("subject", "action", "resource"))
    context = _mapping(body, "context")
    about, name = _properties(subject), _text(action, "action", "name")
    kind, what = _text(resource, "resource", "type"), _text(resource, "resource", "id")
    params = _properties(resource)
    if kind == TOOL:
        tool = what
    else:
        tool = name
        params = _joined({"resource_type": kind, "resource_id": what}, params, _properties(action))
    return {
        "tool": tool,
        "params": params,
        "group": None,
        "agent_id": _text(subject, "subject", "id"),
        "session_id": about.get("session_id"),
        "org_id": about.get("org_id"),
        "context": context,
        "call_id": None,
    }


def _entity(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    if key not in body:
        raise Refusal(400, f"the key `{key}` is missing")
    return _mapping(body, key)


def _mapping(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = body.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"`{key}` has to be a mapping")
    return value


def _properties(entity: Mapping[str, Any]) -> dict[str, Any]:
    return _mapping(entity, "properties")


def _text(entity: Mapping[str, Any], where: str, key: str) -> str:
    value = entity.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"`{where}.{key}` has to be a text")
    return value


def _joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in parts:
        if twice := found.keys() & part.keys():
            raise Refusal(400, f"`{min(twice)}` is said twice")
        found |= part
    return found
