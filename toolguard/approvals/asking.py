"""Having an escalated call answered: by the approver that the program gave, or by waiting for a signed answer in the ledger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from toolguard.approvals.answer import expire
from toolguard.approvals.callback import ask, ask_async, failed, must_be_granted
from toolguard.approvals.escalation import ANSWERS, CANCELLED, EXPIRED, PENDING, REFUSED, USED, Escalation, last_answers
from toolguard.approvals.waiting import Seen, Waiting
from toolguard.errors import ApprovalRefused, ApprovalUnavailable, StoreError, ToolDenied, ToolHalted
from toolguard.model import Approval, Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.approvals.callback import Approver
    from toolguard.audit.log import Log
    from toolguard.stores.base import Store

_logger = logging.getLogger("toolguard")


class Verbs(NamedTuple):
    """What only the guard can do: give a decision as halts make it now, write an approver's answer down, judge a call anew."""

    halted: Callable[[Decision], Decision]
    record: Callable[[Decision, Approval], Decision]
    again: Callable[[Decision], Decision]


class Asking:
    """Asks, or waits, for one guard."""

    def __init__(self, approver: Approver | None, log: Log, guard: Verbs) -> None:
        self._approver, self._log = approver, log
        self._halted, self._record, self._again = guard
        store = log.store
        self._waiting = Waiting(lambda: Seen(*last_answers(store.state_of(ANSWERS)), store.signal()), store.touched)

    def answered(self, decision: Decision) -> Decision:
        """The decision to go on with; see `Guard.approve` for what is raised."""
        if self._approver is None and decision.escalation is not None:
            seconds = until_expiry(decision, self._log.now())
            self._waiting.until(decision.escalation.id, lambda: self._is_over(decision), seconds)
            return self._judged_again(decision)
        return self.settled(decision, ask(self._approver, decision))

    async def answered_async(self, decision: Decision) -> Decision:
        """As `answered`, for asyncio."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        if self._approver is None and decision.escalation is not None:
            seconds = until_expiry(decision, self._log.now())
            await self._waiting.until_async(decision.escalation.id, lambda: self._is_over(decision), seconds)
            return await asyncio.to_thread(self._judged_again, decision)
        return await asyncio.to_thread(self.settled, decision, await ask_async(self._approver, decision))

    def _is_over(self, decision: Decision) -> bool:
        return status_of(decision, self._log.store) != PENDING or self._halted(decision).halted

    def _judged_again(self, decision: Decision) -> Decision:
        """All is asked again once an answer is there: halts, rules, limits, and the answer itself, which is then used."""
        status = status_of(decision, self._log.store)
        if status not in (PENDING, CANCELLED, EXPIRED):
            return must_go_on(self._again(decision))
        halted = self._halted(decision)
        if halted.halted:
            raise ToolHalted(halted)
        if status == CANCELLED:
            raise ApprovalUnavailable(decision, f"{decision.reason}: the question was withdrawn")
        try:
            expire(self._log, decision.escalation.key)
        except StoreError:
            _logger.exception("that nobody has answered could not be recorded")
        raise ApprovalUnavailable(decision, f"{decision.reason}: nobody has answered in time")

    def settled(self, decision: Decision, approval: Approval) -> Decision:
        """The decision to go on with after an approver's answer; see `Guard.approve` for what is raised."""
        try:
            settled = self._record(decision, approval)
        except Exception as error:  # an answer that is not on record is none
            raise failed(decision, error) from error
        halted = self._halted(decision)
        if halted.halted:
            raise ToolHalted(halted)
        must_be_granted(approval, decision)
        if settled.verdict == Verdict.DENY:
            raise ToolDenied(settled)
        return settled


def until_expiry(decision: Decision, now: int) -> float:
    """The seconds that are left."""
    return float(max(0, decision.escalation.expires - now) / 10**9)


def status_of(decision: Decision, store: Store) -> str:
    """How it stands with what this decision waits for; `used` if the question is another one by now."""
    asked = decision.escalation
    body = store.state_of(asked.key)
    kept = Escalation.from_bytes(body) if body is not None else None
    return kept.status if kept is not None and kept.round == asked.round else USED


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
