"""From a decision to its record: what cannot be recorded is denied, and on a full disk the last room is for denials."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from toolguard.errors import StoreError, StoreFull
from toolguard.model import Decision, Outcome, Verdict

if TYPE_CHECKING:
    from toolguard.audit.log import Log

_NO_OUTCOME = "the outcome of call %s could not be recorded"
_logger = logging.getLogger("toolguard")


class Recording:
    """Writes decisions and outcomes into a log, and never raises."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def decision(self, decision: Decision) -> Decision:
        """The decision with its record; one that cannot be recorded comes back as a denial."""
        decision = self._kept_room_for(decision)
        try:
            self._log.decision(decision)
        except Exception as error:  # noqa: BLE001 - a full disk, a lock, a broken file: nothing runs without a record
            decision = self._denial(decision, error)
        return decision

    async def decision_async(self, decision: Decision) -> Decision:
        """As `decision`, without holding up the event loop."""
        decision = self._kept_room_for(decision)
        try:
            await self._log.decision_async(decision)
        except Exception as error:  # noqa: BLE001 - as in `decision`
            decision = self._denial(decision, error)
        return decision

    def outcome(self, decision: Decision, outcome: Outcome) -> None:
        """What became of an allowed call. The tool has run, so a failure here is logged and not raised."""
        try:
            self._log.outcome(decision, outcome)
        except Exception:
            _logger.exception(_NO_OUTCOME, decision.call.call_id)

    async def outcome_async(self, decision: Decision, outcome: Outcome) -> None:
        """As `outcome`, without holding up the event loop."""
        try:
            await self._log.outcome_async(decision, outcome)
        except Exception:
            _logger.exception(_NO_OUTCOME, decision.call.call_id)

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
