"""Escalated calls that wait for somebody's signed answer: in the ledger, so that they outlive the process.

One row of the state is one exact call of one caller. It is asked once, answered once, and an approval is used once, or as
often as the rule lets a person say, each in the transaction of the record that says so. An answer is a signed note over the
ledger, the call, the round and the time; the guard checks it against the keys it knows, so that whoever can write the file
cannot approve.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest
from toolguard.errors import StoreError
from toolguard.figures import without

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolguard.model import Decision

PENDING, APPROVED, REFUSED, USED = "pending", "approved", "refused", "used"
CANCELLED, EXPIRED = "cancelled", "expired"
MINUTE = 60 * 10**9  # nanoseconds
ANSWERS = '["answers"]'  # the key of how many answers there were, and what the last of them were about
PREFIX = '["escalation",'  # of the keys of calls that wait, or waited


@dataclass(frozen=True, slots=True)
class Escalation:
    """One call that waits, or waited. Times are nanoseconds since 1970; `call` is as it was judged, exact.

    `round` counts how often this very call was asked about. `answers` are signed notes, of which `quorum` have to approve.
    `role` is who should answer. `standing` are the calls and minutes that one answer may be for, and `used` how many were.
    """

    id: str
    round: int
    status: str
    asked: int
    expires: int
    revision: str
    reason: str
    role: str | None
    call: Mapping[str, Any]
    quorum: int = 1
    answers: tuple[str, ...] = ()
    standing: tuple[int, int] | None = None
    used: int = 0

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer that may say something yet."""
        return self.status in (APPROVED, REFUSED)

    @property
    def is_true(self) -> bool:
        """Whether what is shown of the call is the call that an answer is about."""
        return id_of(self.call) == self.id

    @property
    def forgotten(self) -> dict[str, Any]:
        """What is left of the call once nobody has to be shown it any more: what the records say of it, too."""
        return {name: self.call.get(name) for name in ("tool", "agent_id", "session_id")}

    @property
    def key(self) -> str:
        """Under which the state keeps it."""
        return key_of(self.id)

    def to_bytes(self) -> bytes:
        """As it is kept."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Escalation:
        """Read what `to_bytes` wrote.

        Raises:
            StoreError: it is something else.
        """
        try:
            content = json.loads(body)
            standing = content.get("standing")
            return cls(**{**content, "answers": tuple(content["answers"]), "standing": tuple(standing) if standing else None})
        except (ValueError, TypeError, KeyError):
            raise StoreError("an escalated call cannot be read from the ledger") from None


def key_of(escalation_id: str) -> str:
    """Under which key the state keeps an escalated call."""
    return json.dumps(["escalation", escalation_id], separators=(",", ":"))


def exact_call(decision: Decision, tracked: Iterable[str] = ()) -> dict[str, Any]:
    """The call as it is shown to an approver, and as its id is made from: nothing of it is left out, and no two look alike.

    Parameters are those that the tool will get; what came back is there where that is what waits. `tracked` are figures of the
    guard's own in its context, which are others in every call.
    """
    call, came = decision.call, decision.call.came
    return {
        "tool": call.tool,
        "group": call.tool_group,
        "agent_id": call.agent_id,
        "session_id": call.session_id,
        "org_id": call.org_id,
        "context": _tagged(without(tracked, call.context) if tracked else call.context),
        "params": _tagged(decision.params),
        **({"result": _tagged(came.result), "raised": came.raised} if came is not None else {}),
    }


def id_of(exact: Mapping[str, Any]) -> str:
    """The same for the same call of the same caller, and for no other."""
    text = json.dumps(exact, sort_keys=True, separators=(",", ":"))
    return digest(b"toolguard escalation\n" + text.encode()).hex()[:32]


def _tagged(value: Any) -> Any:
    """Plain data as JSON that tells bytes and decimal numbers from texts."""
    if isinstance(value, dict):
        return {f"${key}" if key.startswith("$") else key: _tagged(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tagged(inner) for inner in value]
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    return {"$decimal": str(value)} if isinstance(value, Decimal) else value


def last_answers(body: bytes | None) -> tuple[int, list[str]]:
    """(How many answers there were, the ids of the calls that the last of them were about) of what the state keeps."""
    if body is None:
        return 0, []
    try:
        content = json.loads(body)
        return int(content["count"]), list(map(str, content["last"]))
    except (ValueError, TypeError, KeyError):
        raise StoreError("what was answered cannot be read from the ledger") from None


def waiting(state: Mapping[str, bytes], now: int) -> list[Escalation]:
    """The calls that wait, the oldest first."""
    rows = [Escalation.from_bytes(body) for key, body in state.items() if key.startswith(PREFIX)]
    wait = (row for row in rows if row.status == PENDING and now < row.expires)
    return sorted((row for row in wait if row.is_true), key=lambda row: row.asked)


def standing(state: Mapping[str, bytes]) -> list[Escalation]:
    """The calls that were approved and have not been made, or not as often as they may be; the earliest first."""
    rows = (Escalation.from_bytes(body) for key, body in state.items() if key.startswith(PREFIX))
    return sorted((row for row in rows if row.status == APPROVED), key=lambda row: row.asked)
