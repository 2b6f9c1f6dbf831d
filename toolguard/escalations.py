"""Escalated calls that wait for somebody's signed answer: in the ledger, so that they outlive the process.

One row of the state is one exact call of one caller. It is asked once, answered once, and an approval is used once, each in the
transaction of the record that says so. An answer is a signed note over the ledger, the call, the round and the time; the guard
checks it against the keys it was given, so that whoever can write the file cannot approve.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard.audit.note import Note
from toolguard.audit.sign import Verifier
from toolguard.canonical import digest
from toolguard.errors import ApprovalRefused, ApprovalUnavailable, StoreError, ToolDenied, ToolHalted
from toolguard.figures import without
from toolguard.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolguard.audit.log import Log
    from toolguard.audit.sign import Signer
    from toolguard.model import Decision, Record, ToolCall
    from toolguard.stores.base import Store
    from toolguard.stores.state import State

PENDING, APPROVED, REFUSED, USED = "pending", "approved", "refused", "used"
MINUTE = 60 * 10**9  # nanoseconds
DEFAULT_MINUTES = 60
ANSWERS = '["answers"]'  # the key of how many answers there were, and what the last of them were about
MAX_LAST = 256  # answers of which it is said what they were about
PREFIX = '["escalation",'  # of the keys of calls that wait, or waited
ANY_ROLE = "*"
MAX_TEXT = 2000  # characters of a note


@dataclass(frozen=True, slots=True)
class Escalation:
    """One call that waits, or waited. Times are nanoseconds since 1970; `call` is as it was judged, exact.

    `round` counts how often this very call was asked about. `answers` are signed notes, of which `quorum` have to approve.
    `role` is who should answer.
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

    @property
    def is_true(self) -> bool:
        """Whether what is shown of the call is the call that an answer is about."""
        return id_of(self.call) == self.id

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
            return cls(**{**content, "answers": tuple(content["answers"])})
        except (ValueError, TypeError, KeyError):
            raise StoreError("an escalated call cannot be read from the ledger") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an approver has signed."""

    ledger: str
    id: str
    round: int
    granted: bool
    time: int
    note: str

    @property
    def text(self) -> str:
        """What is signed."""
        word = "approve" if self.granted else "refuse"
        return f"toolguard answer\n{self.ledger}\n{self.id}\n{self.round}\n{word}\n{self.time}\n{json.dumps(self.note)}\n"

    @classmethod
    def parse(cls, text: str) -> Answer:
        """Read `text`.

        Raises:
            ValueError: it is no answer.
        """
        head, ledger, call, number, word, time, note = text.removesuffix("\n").split("\n")
        found = cls(ledger, call, int(number), word == "approve", int(time), str(json.loads(note)))
        if head != "toolguard answer" or found.text != text:
            raise ValueError("this is no answer")
        return found


def key_of(escalation_id: str) -> str:
    """Under which key the state keeps an escalated call."""
    return json.dumps(["escalation", escalation_id], separators=(",", ":"))


def exact_call(call: ToolCall, tracked: Iterable[str] = ()) -> dict[str, Any]:
    """The call as it is shown to an approver, and as its id is made from: nothing of it is left out, and no two look alike.

    `tracked` are figures of the guard's own in its context, which are others in every call.
    """
    return {
        "tool": call.tool,
        "group": call.tool_group,
        "agent_id": call.agent_id,
        "session_id": call.session_id,
        "org_id": call.org_id,
        "context": _tagged(without(tracked, call.context) if tracked else call.context),
        "params": _tagged(call.params),
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


class Desk:
    """Whose answers count: keys that verify them, each with the roles it may answer for (`*`: every role)."""

    def __init__(self, approvers: Mapping[str, Sequence[str]], ledger: str) -> None:
        """`approvers`: `NAME+ID+KEY` of each, with roles.

        Raises:
            ValueError: a key is none, or a role is no list.
        """
        if not all(isinstance(roles, (list, tuple, set, frozenset)) for roles in approvers.values()):
            raise ValueError("`approvers` says for each key which roles it may answer for, as a list (`['*']`: every role)")
        self._verifiers = [(Verifier.parse(key), frozenset(roles)) for key, roles in approvers.items()]
        self._ledger = ledger

    def settle(
        self, decision: Decision, now: int, state: State, tracked: Iterable[str] = ()
    ) -> tuple[Decision, Escalation | None]:
        """(An escalated decision as the answers make it, the approval that it uses).

        It stays escalated while nobody has answered, is a denial after a refusal, and with an approval it may go on, if
        everything else still lets it: the caller asks that, and then calls `use`.
        """
        exact = exact_call(decision.call, tracked)
        name = id_of(exact)
        body = state.get(key_of(name))
        kept = Escalation.from_bytes(body) if body is not None else None
        asked = self._ask(decision, exact, (kept.round if kept else 0) + 1, now)
        if kept is not None:  # who has to answer, how many, and until when is the rule's to say, and not the file's
            until = min(kept.expires, kept.asked + asked.expires - asked.asked)
            kept = replace(kept, role=asked.role, quorum=asked.quorum, expires=until)
        if kept is not None and now < kept.expires and kept.revision == decision.revision and kept.status != USED:
            if kept.status == PENDING:
                return replace(decision, escalation=kept), None
            by, refusal, wrong = self._said(kept, decision.call)
            if wrong or refusal:
                cause = f"{decision.reason}: {wrong or refusal}"
                return replace(decision, verdict=Verdict.DENY, cause=cause, escalation=kept), None
            return replace(decision, escalation=kept, cause=f"{decision.reason}: approved by {' and '.join(by)}"), kept
        state.put(asked.key, asked.to_bytes())
        return replace(decision, escalation=asked), None

    def use(self, decision: Decision, approval: Escalation, state: State) -> Decision:
        """The call may run, and the approval is used up."""
        used = replace(approval, status=USED, call={})
        state.put(used.key, used.to_bytes())
        return replace(decision, verdict=Verdict.ALLOW, escalation=used)

    def _ask(self, decision: Decision, exact: Mapping[str, Any], number: int, now: int) -> Escalation:
        hits = [hit for hit in decision.hits if hit.effect == Verdict.ESCALATE]
        minutes = min((hit.timeout_minutes for hit in hits if hit.timeout_minutes), default=DEFAULT_MINUTES)
        role = next((hit.escalate_to for hit in hits if hit.escalate_to), None)
        quorum = max((hit.quorum or 1 for hit in hits), default=1)
        expires = now + minutes * MINUTE
        asked = (number, PENDING, now, expires, decision.revision, decision.reason, role, exact, quorum)
        return Escalation(id_of(exact), *asked)

    def _said(self, kept: Escalation, call: ToolCall) -> tuple[list[str], str, str]:
        """(Who has approved, the refusal, what is wrong with the answers): one of the three."""
        by: dict[str, None] = {}
        for text in kept.answers:
            answer, name, wrong = self._checked(kept, text)
            if wrong or answer is None:
                return [], "", wrong
            if name == call.agent_id:
                return [], "", f"{name} may not answer for itself"
            if not answer.granted:
                return [], f"refused by {name}" + (f": {answer.note}" if answer.note else ""), ""
            by[name] = None
        if kept.status != APPROVED or len(by) < kept.quorum:
            return [], "", f"its answers are of {len(by)} people, and {kept.quorum} have to approve"
        return list(by), "", ""

    def _checked(self, kept: Escalation, text: str) -> tuple[Answer | None, str, str]:
        """(The answer, who gave it, what is wrong with it)."""
        try:
            note = Note.parse(text)
            answer = Answer.parse(note.text)
        except ValueError:
            return None, "", "its answer cannot be read"
        who = [(key.name, roles) for key, roles in self._verifiers if key.accepts(note)]
        if not who:
            return None, "", "its answer is not signed by anybody who may answer"
        name, roles = who[0]
        if (answer.ledger, answer.id, answer.round) != (self._ledger, kept.id, kept.round):
            return None, name, "its answer is about another call"
        if not kept.asked <= answer.time < kept.expires:
            return None, name, "its answer was given at another time"
        if ANY_ROLE not in roles and kept.role not in roles:
            return None, name, f"{name} may not answer for `{kept.role}`"
        return answer, name, ""


def answered(kept: Escalation, ledger: str, signer: Signer, note: str, now: int, *, granted: bool) -> Escalation:
    """A call that waits, with this answer.

    Raises:
        StoreError: it does not wait any more.
    """
    if kept.status != PENDING:
        raise StoreError(f"`{kept.id}` does not wait any more: it is {kept.status}")
    if not kept.is_true:
        raise StoreError(f"what is shown of `{kept.id}` is another call: somebody has changed the ledger")
    if now >= kept.expires:
        raise StoreError(f"`{kept.id}` has expired: nobody can answer any more")
    if signer.name in map(_name_under, kept.answers):
        raise StoreError(f"{signer.name} has answered `{kept.id}` already")
    signed = signer.sign(Answer(ledger, kept.id, kept.round, granted, now, note[:MAX_TEXT]).text)
    answers = (*kept.answers, str(signed))
    status = REFUSED if not granted else APPROVED if len(answers) >= kept.quorum else PENDING
    shown = kept.call if status == PENDING else {}  # nobody has to be shown it any more
    return replace(kept, status=status, answers=answers, call=shown)


def _name_under(text: str) -> str:
    """Whose signature is under an answer, as it says itself."""
    try:
        return Note.parse(text).signatures[0].name
    except (ValueError, IndexError):
        return ""


def answer(log: Log, key: str, signer: Signer, note: str, *, granted: bool) -> Record:
    """Answer the call that waits under this key of the state.

    Raises:
        StoreError: it does not wait any more, or the answer could not be recorded.
    """

    def put(now: int, state: State) -> dict[str, Any]:
        body = state.get(key)
        if body is None:
            raise StoreError("no call waits there")
        kept = answered(Escalation.from_bytes(body), log.store.ledger_id, signer, note, now, granted=granted)
        state.put(key, kept.to_bytes())
        count, last = last_answers(state.get(ANSWERS))
        state.put(ANSWERS, json.dumps({"count": count + 1, "last": [*last, kept.id][-MAX_LAST:]}).encode())
        return {"escalation": kept.id, "round": kept.round, "granted": granted, "by": signer.name, "note": note}

    return log.changed("answer", put)


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


# -- one who waits -----------------------------------------------------------------------------------------------------


def until_expiry(decision: Decision, now: int) -> float:
    """The seconds that are left."""
    return float(max(0, decision.escalation.expires - now) / 10**9)


def is_over(decision: Decision, store: Store) -> bool:
    """Whether somebody has answered what this decision waits for, or it is used already."""
    asked = decision.escalation
    body = store.state_of(asked.key)
    kept = Escalation.from_bytes(body) if body is not None else None
    return kept is None or (kept.round, kept.status) != (asked.round, PENDING)


def must_go_on(decision: Decision) -> Decision:
    """The decision on a call that was answered, if it may run.

    Raises:
        ApprovalRefused: the answer is no.
        ApprovalUnavailable: somebody else has used the approval, so that the call waits anew.
        ToolDenied: something else denies it (ToolHalted: a halt).
    """
    if decision.allowed:
        return decision
    if decision.halted:
        raise ToolHalted(decision)
    if decision.verdict == Verdict.ESCALATE:
        raise ApprovalUnavailable(decision, f"{decision.reason}: the approval was used already")
    refused = decision.escalation is not None and decision.escalation.status == REFUSED
    raise (ApprovalRefused if refused else ToolDenied)(decision)
