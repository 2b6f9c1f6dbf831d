"""What answers make of an escalated call, judged when the call is made: whether one is there, whose, and whether it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from toolguard.approvals.answer import Answer
from toolguard.approvals.escalation import APPROVED, MINUTE, PENDING, USED, Escalation, exact_call, id_of, key_of
from toolguard.audit.note import Note
from toolguard.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from toolguard.approvals.people import People
    from toolguard.model import Decision, ToolCall
    from toolguard.stores.state import State

DEFAULT_MINUTES = 60


class _Said(NamedTuple):
    """What the answers come to: who has approved, for how many calls until when; or why the call is denied."""

    by: tuple[str, ...] = ()
    denied: str = ""
    calls: int = 1
    until: int = 0


class Desk:
    """Judges answers by who is known when they are used."""

    def __init__(self, people: Callable[[], People], ledger: str) -> None:
        self._people = people
        self._ledger = ledger

    def settle(
        self, decision: Decision, now: int, state: State, tracked: Iterable[str] = ()
    ) -> tuple[Decision, Escalation | None]:
        """(An escalated decision as the answers make it, the approval that it uses).

        It stays escalated while nobody has answered, is a denial after a refusal, and with an approval it may go on, if
        everything else still lets it: the caller asks that, and then calls `use`.
        """
        exact = exact_call(decision, tracked)
        body = state.get(key_of(id_of(exact)))
        kept = Escalation.from_bytes(body) if body is not None else None
        asked = _ask(decision, exact, (kept.round if kept else 0) + 1, now)
        if kept is not None and _is_about(kept, decision):
            # Who has to answer, how many, and until when is the rule's to say, and not the file's.
            until = min(kept.expires, kept.asked + asked.expires - asked.asked)
            kept = replace(kept, role=asked.role, quorum=asked.quorum, standing=asked.standing, expires=until)
            if kept.status == PENDING and now < kept.expires:
                return replace(decision, escalation=kept), None
            if kept.is_answered:
                said = self._said(kept, decision.call)
                if said.denied and now < kept.expires:
                    cause = f"{decision.reason}: {said.denied}"
                    return replace(decision, verdict=Verdict.DENY, cause=cause, escalation=kept), None
                if not said.denied and now < said.until and kept.used < said.calls:
                    cause = f"{decision.reason}: approved by {' and '.join(said.by)}"
                    last = kept.used + 1 >= said.calls
                    approval = replace(kept, used=kept.used + 1, status=USED if last else APPROVED)
                    return replace(decision, escalation=approval, cause=cause), approval
        state.put(asked.key, asked.to_bytes())
        return replace(decision, escalation=asked), None

    def use(self, decision: Decision, approval: Escalation, state: State) -> Decision:
        """The call may run, and the approval is used up, or one call of it is."""
        state.put(approval.key, approval.to_bytes())
        return replace(decision, verdict=Verdict.ALLOW)

    def _said(self, kept: Escalation, call: ToolCall) -> _Said:
        people = self._people()
        calls, minutes = kept.standing or (1, 0)
        by: dict[str, None] = {}
        until = [kept.expires]
        for text in kept.answers:
            answer, wrong = self._checked(people, kept, text, call)
            if answer is None:
                return _Said(denied=wrong)
            if not answer.granted:
                return _Said(denied=f"refused by {answer.by}" + (f": {answer.note}" if answer.note else ""))
            by[answer.by] = None
            calls = min(calls, answer.calls)
            until.append(min(answer.until, answer.time + minutes * MINUTE))
        if kept.status != APPROVED or len(by) < kept.quorum:
            return _Said(denied=f"its answers are of {len(by)} people, and {kept.quorum} have to approve")
        return _Said(tuple(by), "", calls, min(until[1:]) if calls > 1 else kept.expires)

    def _checked(self, people: People, kept: Escalation, text: str, call: ToolCall) -> tuple[Answer | None, str]:
        """(The answer, or what is wrong with it)."""
        try:
            note = Note.parse(text)
            answer = Answer.parse(note.text)
        except ValueError:
            return None, "its answer cannot be read"
        person = people.signer_of(note, answer.by)
        if person is None:
            return None, "its answer is not signed by anybody who may answer"
        if (answer.ledger, answer.id, answer.round) != (self._ledger, kept.id, kept.round):
            return None, "its answer is about another call"
        if not kept.asked <= answer.time < kept.expires:
            return None, "its answer was given at another time"
        if not person.may_answer_for(kept.role):
            return None, f"{person.name} may not answer for `{kept.role}`"
        if call.agent_id is not None and person.name.casefold() == call.agent_id.casefold():
            return None, f"{person.name} may not answer for itself"
        return answer, ""


def _is_about(kept: Escalation, decision: Decision) -> bool:
    """Whether what was asked then is what is asked now: under the same policies, unless each rule that asks says otherwise."""
    return kept.revision == decision.revision or all(hit.outlives_policies for hit in _asking(decision))


def _asking(decision: Decision) -> list[Any]:
    return [hit for hit in decision.hits if hit.effect == Verdict.ESCALATE]


def _ask(decision: Decision, exact: Mapping[str, Any], number: int, now: int) -> Escalation:
    """The question, as the strictest of the rules that ask wants it."""
    hits = _asking(decision)
    minutes = min((hit.timeout_minutes for hit in hits if hit.timeout_minutes), default=DEFAULT_MINUTES)
    standing = None
    if hits and exact["session_id"] is not None and all(hit.standing_calls for hit in hits):
        standing = min(hit.standing_calls for hit in hits), min(hit.standing_minutes for hit in hits)
    return Escalation(
        id=id_of(exact),
        round=number,
        status=PENDING,
        asked=now,
        expires=now + minutes * MINUTE,
        revision=decision.revision,
        reason=decision.reason,
        role=next((hit.escalate_to for hit in hits if hit.escalate_to), None),
        call=exact,
        quorum=max((hit.quorum or 1 for hit in hits), default=1),
        standing=standing,
    )
