"""From a decision to its record: what cannot be recorded is denied, and on a full disk the last room is for denials."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from toolguard import history
from toolguard.errors import StoreError, StoreFull
from toolguard.leases import Leases
from toolguard.limits import Leasing, approved, corrected, given_back, limited
from toolguard.model import Decision, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.approvals.desk import Desk
    from toolguard.audit.log import End, Log
    from toolguard.engine.compile import PolicySet
    from toolguard.model import Approval
    from toolguard.stores.state import State

_NO_OUTCOME = "the outcome of call %s could not be recorded"
_logger = logging.getLogger("toolguard")


class Recording:
    """Writes decisions and outcomes into a log, and never raises."""

    def __init__(self, log: Log, desk: Desk | None, obliged: Callable[[Decision], Decision]) -> None:
        """`desk`: whose answers to escalated calls count, where they are kept. `obliged` carries obligations out."""
        self._log, self._desk, self.obliged = log, desk, obliged
        self._leases = Leases()

    def decision(self, decision: Decision) -> Decision:
        """The decision with its record; one that cannot be recorded comes back as a denial."""
        decision = self._kept_room_for(decision)
        try:
            if self._counts(decision):
                leased = self._from_leases(decision)
                if leased is None:
                    count = _Count(self._leases, limited, self.obliged, self._desk)
                    decision = self._log.limited(decision, count)
                    count.written()
                    return decision
                decision = leased
            self._log.decision(decision)
        except Exception as error:  # noqa: BLE001 - a full disk, a lock, a broken file: nothing runs without a record
            decision = self._denial(decision, error)
        return decision

    async def decision_async(self, decision: Decision) -> Decision:
        """As `decision`, without holding up the event loop."""
        decision = self._kept_room_for(decision)
        try:
            if self._counts(decision):
                leased = self._from_leases(decision)
                if leased is None:
                    count = _Count(self._leases, limited, self.obliged, self._desk)
                    decision = await self._log.limited_async(decision, count)
                    count.written()
                    return decision
                decision = leased
            await self._log.decision_async(decision)
        except Exception as error:  # noqa: BLE001 - as in `decision`
            decision = self._denial(decision, error)
        return decision

    def result(self, decision: Decision, of: Decision) -> Decision:
        """The decision on what came back of a call (`of`) with its record; one that cannot be recorded is a denial."""
        settle = self._answered if self._desk is not None and decision.verdict == Verdict.ESCALATE else None
        try:
            return self._log.result(decision, of, settle)
        except Exception as error:  # noqa: BLE001 - as in `decision`
            cause = f"the decision could not be recorded: {error}"
            return replace(decision, verdict=Verdict.DENY, cause=cause, record=None)

    def _answered(self, decision: Decision, now: int, state: State) -> Decision:
        """An escalated result as signed answers make it."""
        desk = cast("Desk", self._desk)
        decision, approval = desk.settle(decision, now, state, _policies(decision).tracked)
        return decision if approval is None else desk.use(decision, approval, state)

    def outcome(self, decision: Decision, outcome: Outcome) -> None:
        """What became of an allowed call. The tool has run, so a failure here is logged and not raised."""
        try:
            if self._says_more(decision, outcome):
                self._log.ended(decision, outcome, self._end(outcome))
            else:
                self._log.outcome(decision, outcome)
        except Exception:
            _logger.exception(_NO_OUTCOME, decision.call.call_id)

    async def outcome_async(self, decision: Decision, outcome: Outcome) -> None:
        """As `outcome`, without holding up the event loop."""
        if self._says_more(decision, outcome):
            import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

            await asyncio.to_thread(self.outcome, decision, outcome)
            return
        try:
            await self._log.outcome_async(decision, outcome)
        except Exception:
            _logger.exception(_NO_OUTCOME, decision.call.call_id)

    def approval(self, decision: Decision, approval: Approval) -> Decision:
        """A person has answered; an approved call counts in its limits, and what they deny is denied.

        Raises:
            Exception: it could not be recorded.
        """
        count = _Count(self._leases, approved, self.obliged) if approval.granted is True and counting(decision) else None
        made = self._log.approval(decision, approval, count)
        if count is not None:
            count.written()
        return made

    def close(self) -> None:
        """Give back what limits are held in advance, and end the log.

        Raises:
            StoreError: that could not be recorded.
        """
        held = list(self._leases.all())
        self._log.close((lambda now, state: given_back(held, now, state)) if held else None)

    def _counts(self, decision: Decision) -> bool:
        waits = self._desk is not None and decision.verdict == Verdict.ESCALATE and decision.policies is not None
        return waits or counting(decision)

    def _from_leases(self, decision: Decision) -> Decision | None:
        """The decision with its use of limits, if it needs nothing of the ledger but its record."""
        policies = _policies(decision)
        if policies.reads_state or decision.throttle or policies.earlier_of(decision.call):
            return None
        return self._leases.take(policies, decision, self._log.now())

    def _says_more(self, decision: Decision, outcome: Outcome) -> bool:
        """Whether a counter or a later call depends on what became of the call."""
        return bool(outcome.spent or (decision.policies and _policies(decision).earlier_of(decision.call)))

    def _end(self, outcome: Outcome) -> End:
        def end(decision: Decision, now: int, state: State) -> dict[str, Any]:
            policies = _policies(decision)
            limits = corrected(policies, decision, outcome.spent, now, state)
            facts = history.ended(policies, decision.call, outcome, now, state)
            return {**({"limits": limits} if limits else {}), **({"facts": facts} if facts else {})}

        return end

    def _kept_room_for(self, decision: Decision) -> Decision:
        if decision.verdict == Verdict.DENY or not self._log.store.short_of_room():
            return decision
        return replace(decision, verdict=Verdict.DENY, cause="the disk of the ledger is full")

    def _denial(self, decision: Decision, error: Exception) -> Decision:
        cause = f"the decision could not be recorded: {error}"
        denial = replace(decision, verdict=Verdict.DENY, cause=cause, record=None)
        if isinstance(error, StoreFull):
            try:
                self._log.decision(denial)  # there is room kept for it
            except StoreError:
                _logger.exception("nor could the denial")
        return denial


class _Count:
    """What a log calls inside of the transaction, where the ledger may ask it twice.

    A record that fails takes what it gave back with it: it may have been written all the same.
    """

    def __init__(
        self,
        leases: Leases,
        how: Callable[..., Decision],
        obliged: Callable[[Decision], Decision],
        desk: Desk | None = None,
    ) -> None:
        self._leases, self._how, self._obliged, self._desk = leases, how, obliged, desk
        self._leasing = Leasing(leases)

    def __call__(self, decision: Decision, now: int, state: State) -> Decision:
        self._leasing.undo()
        self._leasing = Leasing(self._leases)
        made = self._obliged(self._how(_policies(decision), decision, now, state, self._leasing))
        return self._with_answer(made, now, state) if self._desk and made.verdict == Verdict.ESCALATE else made

    def _with_answer(self, decision: Decision, now: int, state: State) -> Decision:
        """An approval lets the call run, if its limits do; everything else has been asked by now."""
        desk = cast("Desk", self._desk)
        decision, approval = desk.settle(decision, now, state, _policies(decision).tracked)
        if approval is None:
            return decision
        made = approved(_policies(decision), decision, now, state, self._leasing)
        return made if made.verdict == Verdict.DENY else desk.use(made, approval, state)

    def written(self) -> None:
        """The record is: what was taken in advance may be used."""
        self._leasing.written()


def _policies(decision: Decision) -> PolicySet:
    return cast("PolicySet", decision.policies)  # a decision of ours is made with policies of ours


def counting(decision: Decision) -> bool:
    """Whether the call counts in limits; one that is denied whatever they say does not."""
    policies = decision.policies
    if policies is None or (decision.cause and decision.verdict == Verdict.DENY):
        return False
    return decision.throttle is not None or policies.counts(decision.call)
