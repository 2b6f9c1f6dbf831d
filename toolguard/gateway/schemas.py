"""JSON Schemas of what the HTTP interface takes and gives, for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from toolguard.envelope import IDENTITY, IN_CONTEXT, UNUSED

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TEXT_OR_NOT: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
MAPPING: Schema = {"type": "object"}


def _mapping(required: dict[str, Any], optional: dict[str, Any] | None = None, *, closed: bool = False) -> Schema:
    schema = {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}
    return {**schema, "additionalProperties": False} if closed else schema


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


ERROR = _mapping({"error": TEXT})
STATUS = _mapping({"status": TEXT})

ENVELOPE = _mapping(
    {"tool_name": {"type": "string", "minLength": 1}},
    {
        "parameters": MAPPING,
        "tool_group": TEXT_OR_NOT,
        "envelope_id": TEXT_OR_NOT,
        "context": {"type": ["object", "null"]},
        **dict.fromkeys(IDENTITY, TEXT_OR_NOT),
        **{name: {} for name in (*IN_CONTEXT, *UNUSED)},
    },
    closed=True,
)
RESULT = _mapping(
    {
        "verdict": {"enum": ["allow", "flag", "escalate", "deny"]},
        "decision": {"enum": ["allowed", "flagged", "escalated", "denied"]},
        "decision_reason": TEXT,
        "tool": TEXT,
        "envelope_id": TEXT,
        "revision": TEXT,
        "hits": _list(MAPPING),
        "rules_triggered": _list(TEXT),
        "policies_matched": _list(TEXT),
        "message_for_model": TEXT,
        "record": {"type": ["integer", "null"]},
    },
    {"escalation_id": TEXT, "poll_url": TEXT, "primary_citation": TEXT_OR_NOT, "suggested_response": TEXT_OR_NOT},
)

_ENTITY = {"type": "string", "minLength": 1}
AUTHZEN = _mapping(
    {
        "subject": _mapping({"type": _ENTITY, "id": _ENTITY}, {"properties": MAPPING}),
        "action": _mapping({"name": _ENTITY}, {"properties": MAPPING}),
        "resource": _mapping({"type": _ENTITY, "id": _ENTITY}, {"properties": MAPPING}),
    },
    {"context": MAPPING},
)
AUTHZEN_RESULT = _mapping({"decision": {"type": "boolean"}}, {"context": MAPPING})

ESCALATION = _mapping(
    {
        "id": TEXT,
        "round": NUMBER,
        "status": {"enum": ["pending", "approved", "refused", "expired", "cancelled", "used"]},
        "tool": TEXT_OR_NOT,
        "reason": TEXT,
        "escalate_to": TEXT_OR_NOT,
        "asked_at": TEXT,
        "expires_at": TEXT,
        "quorum": NUMBER,
        "answers": NUMBER,
        "standing": {"type": ["object", "null"]},
        "poll_url": TEXT,
    },
    {"agent_id": TEXT_OR_NOT, "session_id": TEXT_OR_NOT, "parameters": MAPPING, "facts": _list(TEXT)},
)
ESCALATIONS = _mapping({"escalations": _list(ESCALATION)})
ANSWER = _mapping(
    {},
    {
        "note": {"type": "string", "description": "kept to 2,000 characters"},
        "calls": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        "minutes": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "round": {
            "type": "integer",
            "minimum": 0,
            "maximum": 2**31 - 1,
            "description": "refuse if it is asked about anew by now",
        },
    },
    closed=True,
)
ANSWERED = _mapping({"record": NUMBER, "id": TEXT, "status": TEXT})
POLICIES = _mapping({"revision": TEXT, "policies": _list(MAPPING)})
RELOADED = _mapping({"revision": TEXT})
