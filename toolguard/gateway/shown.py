"""A call as an approver is shown it: every parameter, secrets masked, and what the classifiers say of it in plain words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard.classify.sensitive.classifier import chosen, spans_in
from toolguard.engine.words import in_words
from toolguard.model import ToolCall
from toolguard.redact import replaced
from toolguard.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolguard.approvals.escalation import Escalation
    from toolguard.engine.compile import PolicySet

_NAMES = re.compile(r"(?i)passw|passphrase|secret|token|(api|private|access|session)[_-]?key|credential|authorization|cookie")
_MASK = "▮▮▮▮"


@dataclass(frozen=True, slots=True)
class Row:
    """One value: where it is, as text, and whether something of it was masked."""

    name: str
    text: str
    masked: bool = False


def rows_of(call: Mapping[str, Any]) -> list[Row]:
    """The parameters of an exact call, and what came back of it where that waits, one row each; structures as indented JSON."""
    rows = [_row(name, value) for name, value in dict(call.get("params") or {}).items()]
    return [*rows, _row(f"{'error' if call['raised'] else 'result'} of the call", call["result"])] if "result" in call else rows


def _row(name: str, value: Any) -> Row:
    clear = _untagged(value)
    kept = _masked(clear, name)
    text = kept if isinstance(kept, str) else json.dumps(kept, indent=2, ensure_ascii=False, default=str)
    return Row(printable(_untagged_name(name)), _lines(text), kept != clear)


def _lines(text: str) -> str:
    """With line breaks as they are, and everything else that would not be seen, or would turn the text around, as an escape."""
    return "\n".join(map(printable, text.split("\n")))


def _masked(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _masked(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner, name) for inner in value]
    if _NAMES.search(name) and value not in (None, "", True, False):
        return f"{_MASK} ({len(str(value))} characters)"
    return without_secrets(value) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    """A text with a mask in the place of every key, token and password in it."""
    return replaced(text, spans_in(text, chosen("secrets certain")), lambda *_: _MASK)


def _untagged_name(name: str) -> str:
    return name.removeprefix("$") if name.startswith("$") else name


def _untagged(value: Any) -> Any:
    """What `exact_call` was made from."""
    if isinstance(value, list):
        return [_untagged(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$bytes"}:
        return bytes.fromhex(value["$bytes"])
    if value.keys() == {"$decimal"}:
        return Decimal(value["$decimal"])
    return {_untagged_name(name): _untagged(inner) for name, inner in value.items()}


def call_of(exact: Mapping[str, Any]) -> ToolCall:
    """The call that an exact call says."""
    names = ("agent_id", "session_id", "org_id")
    call = ToolCall(str(exact["tool"]), _untagged(exact["params"]), exact["group"])
    for name in names:
        setattr(call, name, exact[name])
    call.context = _untagged(exact["context"])
    return call


def facts_of(policies: PolicySet, kept: Escalation) -> Iterator[str]:
    """What the classifiers say of it; nothing for a call whose parameters are forgotten."""
    if "params" in kept.call:
        yield from (without_secrets(printable(line)) for line in in_words(policies, call_of(kept.call)))
