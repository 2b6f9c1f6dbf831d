"""The agent's loop: take the model's next proposal, call the tool, and note what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orders
import tools
from script import ANSWERS, Proposal, Run

from toolguard import Approval, Decision, Guard, ToolDenied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Step:
    """One proposal and what became of it. `told` is what the model was told instead of a result."""

    run: str
    proposal: Proposal
    result: str | None
    told: str | None
    before: orders.Snapshot
    after: orders.Snapshot
    records: tuple[dict[str, Any], ...]  # what the ledger says about it

    @property
    def decision(self) -> dict[str, Any]:
        return self._record("decision")

    @property
    def approval(self) -> dict[str, Any]:
        """A person's answer; empty when nobody was asked."""
        return self._record("approval")

    @property
    def outcome(self) -> dict[str, Any]:
        """What the tool did; empty when it did not run."""
        return self._record("outcome")

    @property
    def hit(self) -> dict[str, Any]:
        """The rule that decided; empty when none fired."""
        return next(iter(self.decision["hits"]), {})

    @property
    def refused(self) -> bool:
        return self.told is not None

    @property
    def changed(self) -> bool:
        """Whether the database is any different from before."""
        return self.before != self.after

    def _record(self, kind: str) -> dict[str, Any]:
        return next((record for record in self.records if record["kind"] == kind), {})


def support_lead(decision: Decision) -> Approval:
    """The person who is asked about escalated calls. Here the answers are written down beforehand."""
    return ANSWERS[decision.call.params["order_id"]]


def work(guard: Guard, database: Path, run: Run) -> Iterator[Step]:
    """Carry out one run, step by step."""
    known = tools.build(guard, database)
    with guard.acting_as(agent_id="support-agent", session_id=run.ticket):
        for proposal in run.proposals:
            before, last = orders.snapshot(database), _last_record(guard)
            result = told = None
            try:
                if proposal.tool not in known:  # made up by the model: judged and recorded like any other
                    raise ToolDenied(guard.evaluate(proposal.tool, proposal.params))  # noqa: TRY301
                result = known[proposal.tool](**proposal.params)
            except ToolDenied as denied:
                told = denied.message_for_model()
            records = tuple(json.loads(record.body) for record in guard.store.scan(after=last))
            yield Step(run.name, proposal, result, told, before, orders.snapshot(database), records)


def _last_record(guard: Guard) -> int:
    return max((record.seq for record in guard.store.scan()), default=0)
