"""Records as other systems for security events take them: one JSON object a line, in OCSF or as OpenTelemetry logs.

OCSF 1.3.0: a decision is an API Activity (class 6003) with the profile `security_control`; everything else is a base event. The
whole record is under `unmapped`. OpenTelemetry: OTLP's JSON for logs, as its file exporter writes it, with the names of the
semantic conventions for generative AI where there are any.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from toolguard.audit.select import hits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OCSF_VERSION = "1.3.0"
CATEGORY, API_ACTIVITY, OTHER = 6, 6003, 99
SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
INFORMATIONAL = 1
# verdict -> (action_id, disposition_id): 1 allowed, 2 denied; 1 allowed, 2 blocked, 15 detected, 18 alert
DISPOSITIONS = {"allow": (1, 1), "flag": (1, 18), "escalate": (2, 2), "deny": (2, 2)}
INFO, WARN, ERROR = (9, "INFO"), (13, "WARN"), (17, "ERROR")
OTEL_SEVERITY = {"flag": WARN, "escalate": WARN, "deny": ERROR}


JUDGED = {"decision": "Tool call", "result": "Tool result"}


def ocsf(seq: int, content: Mapping[str, Any], ledger: str) -> dict[str, Any]:
    """One record as an OCSF event."""
    kind = content.get("kind")
    decided = kind in JUDGED
    event: dict[str, Any] = {
        "metadata": {
            "version": OCSF_VERSION,
            "uid": f"{ledger}:{seq}",
            "sequence": seq,
            "product": {"name": "toolguard", "vendor_name": "toolguard"},
            "profiles": ["security_control"] if decided else [],
        },
        "time": _number(content.get("time")) // 1_000_000,
        "category_uid": CATEGORY if decided else 0,
        "class_uid": API_ACTIVITY if decided else 0,
        "activity_id": OTHER,
        "activity_name": JUDGED.get(str(kind), str(kind)),
        "type_uid": API_ACTIVITY * 100 + OTHER if decided else OTHER,
        "severity_id": INFORMATIONAL,
        "unmapped": dict(content),
    }
    if decided:
        call, verdict = _mapping(content.get("call")), str(content.get("verdict"))
        action, disposition = DISPOSITIONS.get(verdict, (2, 2))
        hits = hits_of(content)
        event |= {
            "severity_id": max([SEVERITIES.get(str(hit.get("severity")), INFORMATIONAL) for hit in hits] or [INFORMATIONAL]),
            "message": str(content.get("reason")),
            "action_id": action,
            "disposition_id": disposition,
            "status_id": 1 if action == 1 else 2,
            "status_detail": verdict,
            "actor": {
                "user": {"uid": call.get("agent_id"), "org": {"uid": call.get("org_id")}},
                "session": {"uid": call.get("session_id")},
            },
            "api": {
                "operation": call.get("tool"),
                "group": {"name": call.get("tool_group")},
                "request": {"uid": call.get("call_id")},
            },
            "policy": {"name": hits[0].get("policy_id"), "uid": hits[0].get("rule_id")} if hits else None,
        }
    cleaned: dict[str, Any] = _without_none(event)
    return cleaned


def otel(seq: int, content: Mapping[str, Any], ledger: str) -> dict[str, Any]:
    """One record as an OTLP export of one log record."""
    call, verdict = _mapping(content.get("call")), str(content.get("verdict"))
    number, text = OTEL_SEVERITY.get(verdict, INFO) if content.get("kind") in JUDGED else INFO
    attributes = {
        "toolguard.record": seq,
        "toolguard.verdict": content.get("verdict"),
        "toolguard.revision": content.get("revision"),
        "toolguard.rules": ",".join(str(hit.get("rule_id")) for hit in hits_of(content)) or None,
        "gen_ai.tool.name": call.get("tool"),
        "gen_ai.tool.call.id": call.get("call_id") or content.get("call_id"),
        "gen_ai.agent.id": call.get("agent_id"),
        "gen_ai.conversation.id": call.get("session_id"),
        "error.type": content.get("error"),
    }
    record = {
        "timeUnixNano": str(_number(content.get("time"))),
        "severityNumber": number,
        "severityText": text,
        "eventName": f"toolguard.{content.get('kind')}",
        "body": {"stringValue": json.dumps(content)},
        "attributes": [_attribute(name, value) for name, value in attributes.items() if value is not None],
    }
    resource = [_attribute("service.name", "toolguard"), _attribute("toolguard.ledger", ledger)]
    scope = {"scope": {"name": "toolguard"}, "logRecords": [record]}
    return {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]}


FORMATS: dict[str, Callable[[int, Mapping[str, Any], str], dict[str, Any]]] = {"ocsf": ocsf, "otel": otel}


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    return {"key": name, "value": {"stringValue": str(value)}}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _without_none(value: Any) -> Any:
    """Without what is not known, and what then says nothing; `unmapped` stays as it is."""
    if not isinstance(value, dict):
        return value
    kept = {name: item if name == "unmapped" else _without_none(item) for name, item in value.items()}
    return {name: item for name, item in kept.items() if item is not None and item != {}}
