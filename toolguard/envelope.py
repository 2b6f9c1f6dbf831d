"""A call as the reference's envelope writes it, taken apart into what `Guard.evaluate` takes.

The envelope's sender is believed in everything but `parameters`: read one only from a program you trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

IDENTITY = ("agent_id", "session_id", "org_id")
IN_CONTEXT = ("agent_version", "framework", "turn_number", "department", "tool_server")
# Carried for others and read by no rule, there or here; nothing checks `integrity`.
UNUSED = ("timestamp", "parameters_redacted", "integration_type", "proxy_version", "tls_verified", "integrity", "source")
KNOWN = {"tool_name", "tool_group", "parameters", "context", "envelope_id", *IDENTITY, *IN_CONTEXT, *UNUSED}


def call_of(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `Guard.evaluate` for one envelope. Empty identity texts count as not given.

    Raises:
        ValueError: no tool name, an unknown key, or a context that is no mapping.
    """
    if unknown := envelope.keys() - KNOWN:
        raise ValueError(f"unknown key `{min(unknown)}` (known: {', '.join(sorted(KNOWN))})")
    if "tool_name" not in envelope:
        raise ValueError("the key `tool_name` is missing")
    context = envelope.get("context") or {}
    if not isinstance(context, Mapping):
        raise ValueError("`context` has to be a mapping")  # noqa: TRY004 - a value of the file
    parameters = envelope.get("parameters")
    return {
        "tool": envelope["tool_name"],
        "params": {} if parameters is None else parameters,
        "group": envelope.get("tool_group") or None,
        "context": {**context, **{key: envelope[key] for key in IN_CONTEXT if key in envelope}},
        "call_id": envelope.get("envelope_id") or None,
        **{key: envelope.get(key) or None for key in IDENTITY},
    }


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For `json.loads(object_pairs_hook=...)`: of two values of one key, readers would take different ones.

    Raises:
        ValueError: a key is used twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is used twice")
    return found
