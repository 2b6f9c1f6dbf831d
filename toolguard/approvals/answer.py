"""A person's signed answer, and how the ledger takes it: each change of a call that waits is one record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from toolguard.approvals.escalation import (
    ANSWERS,
    APPROVED,
    CANCELLED,
    EXPIRED,
    MINUTE,
    PENDING,
    REFUSED,
    Escalation,
    last_answers,
)
from toolguard.audit.note import Note
from toolguard.errors import StoreError

if TYPE_CHECKING:
    from toolguard.audit.log import Log
    from toolguard.audit.sign import Signer
    from toolguard.model import Record
    from toolguard.stores.state import State

MAX_TEXT = 2000  # characters of a note
MAX_WHERE = 200
MAX_LAST = 256  # answers of which it is said what they were about
_HEAD = "toolguard answer\n"
_YES_OR_NO = ("True", "False")  # and not 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What is signed. Times are nanoseconds since 1970; `by` is who answers, `where` from where that was.

    An answer is for one call, or, where the rule lets it, for up to `calls` of exactly this kind within `minutes`.
    """

    ledger: str
    id: str
    round: int
    granted: bool
    time: int
    by: str
    note: str = ""
    where: str = ""
    calls: int = 1
    minutes: int = 0

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{_HEAD}{json.dumps(asdict(self))}\n"

    @property
    def until(self) -> int:
        """When an answer for several calls ends."""
        return self.time + self.minutes * MINUTE

    @classmethod
    def parse(cls, text: str) -> Answer:
        """Read `text`.

        Raises:
            ValueError: it is no answer.
        """
        try:
            found = cls(**json.loads(text.removeprefix(_HEAD)))
            if found.text == text and str(found.granted) in _YES_OR_NO and found.calls > 0 and found.minutes >= 0 <= found.time:
                return found
        except (TypeError, RecursionError):
            pass
        raise ValueError("this is no answer")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a person says, before it is signed: see `Answer`."""

    granted: bool
    by: str
    note: str = ""
    where: str = ""
    calls: int = 1
    minutes: int = 0

    def cut(self) -> Reply:
        """As much of it as is kept."""
        return replace(self, note=self.note[:MAX_TEXT], where=self.where[:MAX_WHERE])


def answered(kept: Escalation, ledger: str, signer: Signer, reply: Reply, now: int) -> Escalation:
    """A call that waits, with this answer.

    Raises:
        StoreError: it does not wait any more, or cannot be answered like that.
    """
    _must_wait(kept)
    if not kept.is_true:
        raise StoreError(f"what is shown of `{kept.id}` is another call: somebody has changed the ledger")
    if now >= kept.expires:
        raise StoreError(f"`{kept.id}` has expired: nobody can answer any more")
    if reply.by in map(_who_answered, kept.answers):
        raise StoreError(f"{reply.by} has answered `{kept.id}` already")
    if reply.by.casefold() == str(kept.call.get("agent_id")).casefold():
        raise StoreError(f"{reply.by} may not answer for itself")
    _must_be_allowed(kept, reply)
    signed = signer.sign(Answer(ledger, kept.id, kept.round, time=now, **asdict(reply)).text)
    answers = (*kept.answers, str(signed))
    status = REFUSED if not reply.granted else APPROVED if len(answers) >= kept.quorum else PENDING
    shown = kept.call if status == PENDING else kept.forgotten
    return replace(kept, status=status, answers=answers, call=shown)


def _must_wait(kept: Escalation) -> None:
    if kept.status != PENDING:
        raise StoreError(f"`{kept.id}` does not wait any more: it is {kept.status}")


def _must_be_allowed(kept: Escalation, reply: Reply) -> None:
    """Whether an answer for several calls is one that the rule lets a person give."""
    if reply.calls == 1 and reply.minutes == 0:
        return
    if kept.standing is None:
        raise StoreError(f"the rule lets `{kept.id}` be approved once only, or it belongs to no session")
    calls, minutes = kept.standing
    if not (reply.granted and 1 < reply.calls <= calls and 0 < reply.minutes <= minutes):
        raise StoreError(
            f"the rule lets `{kept.id}` be approved for at most {calls} calls and {minutes} minutes, and says so of both"
        )


def _who_answered(text: str) -> str:
    """Who has given an answer, as it says itself."""
    try:
        return Answer.parse(Note.parse(text).text).by
    except ValueError:
        return ""


def answer(log: Log, key: str, signer: Signer, reply: Reply) -> Record:
    """Answer the call that waits under this key of the state.

    Raises:
        StoreError: it does not wait any more, or the answer could not be recorded.
    """
    reply = reply.cut()

    def put(now: int, state: State) -> dict[str, Any]:
        before = _kept(state, key)
        kept = answered(before, log.store.ledger_id, signer, reply, now)
        _put(state, kept)
        return {**_about(kept, before), **{name: value for name, value in asdict(reply).items() if name == "granted" or value}}

    return log.changed("answer", put)


def withdraw(log: Log, key: str, by: str, reason: str) -> Record:
    """The call that waits under this key is not to be answered any more, or its approval not to be used; it may be asked again.

    Raises:
        StoreError: it neither waits nor is approved, or that could not be recorded.
    """

    def put(_: int, state: State) -> dict[str, Any]:
        before = _kept(state, key)
        if before.status != APPROVED:
            _must_wait(before)
        kept = replace(before, status=CANCELLED, call=before.forgotten)
        _put(state, kept)
        return {**_about(kept, before), "by": by, "reason": reason[:MAX_TEXT]}

    return log.changed("withdrawal", put)


def expire(log: Log, key: str) -> bool:
    """Put on record that nobody has answered in time, and forget what was shown; False if there is nothing to say.

    Raises:
        StoreError: it could not be recorded.
    """
    body = log.store.state_of(key)
    if body is None or not _is_late(Escalation.from_bytes(body), log.now()):
        return False

    def put(now: int, state: State) -> dict[str, Any]:
        before = _kept(state, key)
        if not _is_late(before, now):
            raise StoreError(f"`{before.id}` does not wait any more")
        kept = replace(before, status=EXPIRED, call=before.forgotten)
        _put(state, kept)
        return {**_about(kept, before), "reason": "nobody has answered in time"}

    log.changed("withdrawal", put)
    return True


def _is_late(kept: Escalation, now: int) -> bool:
    return kept.status == PENDING and now >= kept.expires


def _about(kept: Escalation, before: Escalation) -> dict[str, Any]:
    return {
        "escalation": kept.id,
        "round": kept.round,
        "status": kept.status,
        "tool": before.call.get("tool"),
        "asked_because": before.reason,
    }


def _kept(state: State, key: str) -> Escalation:
    body = state.get(key)
    if body is None:
        raise StoreError("no call waits there")
    return Escalation.from_bytes(body)


def _put(state: State, kept: Escalation) -> None:
    """Keep it, and wake who waits for it."""
    state.put(kept.key, kept.to_bytes())
    count, last = last_answers(state.get(ANSWERS))
    state.put(ANSWERS, json.dumps({"count": count + 1, "last": [*last, kept.id][-MAX_LAST:]}).encode())
