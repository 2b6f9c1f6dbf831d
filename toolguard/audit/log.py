"""What is written down: starts, decisions and outcomes, each as one record of the chain."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toolguard.audit.chain import link
from toolguard.audit.verify import verify
from toolguard.errors import LedgerCorrupt
from toolguard.model import RuleHit, to_dict

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.model import Approval, Decision, Outcome, Record
    from toolguard.stores.base import Store

DURABILITIES = ("durable", "process")
_hit_as_dict: Callable[[RuleHit], dict[str, Any]] = lru_cache(maxsize=4096)(to_dict)  # the same few rules fire again and again


class Log:
    """Appends records to a store. `placement` says where the guard stands (L0: in the agent's own process).

    `durability` is "durable" (a decision survives a power loss before its tool runs) or "process" (it survives the process).
    """

    def __init__(
        self, store: Store, now: Callable[[], int], placement: str = "L0 in-process", durability: str = "durable"
    ) -> None:
        self.store = store
        self.now = now
        self.placement = placement
        self.durability = durability

    def check(self) -> None:
        """Refuse a chain that does not hold.

        Raises:
            LedgerCorrupt: names the first bad record.
        """
        report = verify(self.store.scan())
        if not report.intact:
            raise LedgerCorrupt(f"the ledger does not verify: {report.finding}")

    def start(self, revision: str, version: str) -> Record:
        """The guard was started with these policies."""
        return self._append(
            "start", {"toolguard": version, "revision": revision, "placement": self.placement, "durability": self.durability}
        )

    def reload(self, revision: str, previous: str) -> Record:
        """Other policies are in force from here on."""
        return self._append("reload", {"revision": revision, "previous": previous, "placement": self.placement})

    def decision(self, decision: Decision) -> Record:
        """A call was judged: everything that led to the verdict, with a digest in the place of the parameters."""
        call = decision.call
        return self._append(
            "decision",
            {
                "verdict": decision.verdict.word,
                "reason": decision.reason,
                "call": {
                    "call_id": call.call_id,
                    "tool": call.tool,
                    "tool_group": call.tool_group,
                    "agent_id": call.agent_id,
                    "session_id": call.session_id,
                    "org_id": call.org_id,
                    "context": call.context,
                    "params_digest": call.params_digest,
                },
                "hits": [_hit_as_dict(hit) for hit in decision.hits],
                "shadow_hits": [_hit_as_dict(hit) for hit in decision.shadow_hits],
                "obligations": [to_dict(duty) for duty in decision.obligations],
                "revision": decision.revision,
                "placement": self.placement,
            },
        )

    def approval(self, decision: Decision, approval: Approval) -> Record:
        """A person answered an escalated call."""
        return self._append("approval", {**_about(decision), **to_dict(approval)})

    def outcome(self, decision: Decision, outcome: Outcome) -> Record:
        """What became of an allowed call; an error is recorded by its type, because its text may hold parameters.

        It survives the process at once and a power loss with the next durable record: an outcome that is lost reads as unknown.
        """
        error = type(outcome.error).__name__ if outcome.error is not None else None
        content = {"outcome": outcome.kind, "error": error, "duration": outcome.duration}
        return self._append("outcome", {**_about(decision), **content}, durable=False)

    def _append(self, kind: str, content: dict[str, Any], *, durable: bool = True) -> Record:
        durable = durable and self.durability == "durable"
        return self.store.append(lambda seq, last: link(seq, last, kind, self.now(), content), durable=durable)


def _about(decision: Decision) -> dict[str, Any]:
    """Which decision a later record belongs to."""
    return {"decision": decision.record.seq if decision.record else None, "call_id": decision.call.call_id}
