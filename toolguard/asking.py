"""Having an escalated call answered: by the approver that the program gave, or by waiting for a signed answer in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolguard.approvals import ask, ask_async, failed, must_be_granted
from toolguard.errors import ApprovalUnavailable, ToolDenied, ToolHalted
from toolguard.escalations import ANSWERS, is_over, last_answers, must_go_on, until_expiry
from toolguard.model import Approval, Decision, Verdict
from toolguard.waiting import Seen, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.approvals import Approver
    from toolguard.stores.base import Store


class Verbs(NamedTuple):
    """What only the guard can do: give a decision as halts make it now, write an approver's answer down, judge a call anew."""

    halted: Callable[[Decision], Decision]
    record: Callable[[Decision, Approval], Decision]
    again: Callable[[Decision], Decision]


class Asking:
    """Asks, or waits, for one guard."""

    def __init__(self, approver: Approver | None, store: Store, now: Callable[[], int], guard: Verbs) -> None:
        self._approver, self._store, self._now = approver, store, now
        self._halted, self._record, self._again = guard
        self._waiting = Waiting(lambda: Seen(*last_answers(store.state_of(ANSWERS)), store.signal()))

    def answered(self, decision: Decision) -> Decision:
        """The decision to go on with; see `Guard.approve` for what is raised."""
        if self._approver is None and decision.escalation is not None:
            seconds = until_expiry(decision, self._now())
            self._waiting.until(decision.escalation.id, lambda: self._is_over(decision), seconds)
            return self._judged_again(decision)
        return self._recorded(decision, ask(self._approver, decision))

    async def answered_async(self, decision: Decision) -> Decision:
        """As `answered`, for asyncio."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        if self._approver is None and decision.escalation is not None:
            seconds = until_expiry(decision, self._now())
            await self._waiting.until_async(decision.escalation.id, lambda: self._is_over(decision), seconds)
            return await asyncio.to_thread(self._judged_again, decision)
        return await asyncio.to_thread(self._recorded, decision, await ask_async(self._approver, decision))

    def _is_over(self, decision: Decision) -> bool:
        return is_over(decision, self._store) or self._halted(decision).halted

    def _judged_again(self, decision: Decision) -> Decision:
        """All is asked again once an answer is there: halts, rules, limits, and the answer itself, which is then used."""
        if is_over(decision, self._store):
            return must_go_on(self._again(decision))
        halted = self._halted(decision)
        if halted.halted:
            raise ToolHalted(halted)
        raise ApprovalUnavailable(decision, f"{decision.reason}: nobody has answered in time")

    def _recorded(self, decision: Decision, approval: Approval) -> Decision:
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
