"""What is written down: starts and stops, decisions and outcomes, each as one record of the chain."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from toolguard.audit.capture import DIGEST, capture, openings, seal_of_payload, without
from toolguard.audit.chain import chained, draft, link
from toolguard.audit.checkpoint import Checkpointer, resumed
from toolguard.audit.kept import name_of
from toolguard.audit.later import Later
from toolguard.audit.state import with_state
from toolguard.audit.verify import follow
from toolguard.canonical import to_json
from toolguard.counters import counts_for
from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.model import CAPTURES, RuleHit, Verdict, to_dict
from toolguard.release import version
from toolguard.stores.state import Changes, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolguard.audit.checkpoint import Checkpoints
    from toolguard.model import Approval, Decision, Outcome, Record
    from toolguard.stores.base import Build, Change, Store

EVERY_TOOL = "*"
_WHO = ("call_id", "tool", "tool_group", "agent_id", "session_id", "org_id")
DURABILITIES = ("durable", "process", "async")
IN_PROCESS = "L0 in-process"
_hit_as_dict: Callable[[RuleHit], dict[str, Any]] = lru_cache(maxsize=4096)(to_dict)  # the same few rules fire again and again


Count = Callable[["Decision", int, State], "Decision"]  # (decision, nanoseconds, counters) -> as the limits make it
End = Callable[["Decision", int, State], dict[str, Any]]  # the same of an outcome -> what its record says besides


class Documented(Protocol):
    """Policies as they are kept: `document` is JSON-able, and `revision` its digest."""

    revision: str

    @property
    def document(self) -> dict[str, Any]:
        """What the digest covers."""


class Log:
    """Appends records to a store. `placement` says where the guard stands (L0: in the agent's own process).

    `captures` are modes by tool (see `captures_of`). `durability` is "durable" (a decision survives a power loss before its
    tool runs), "process" (it survives the process), or "async" (some of the last ones may be lost with the process).
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        captures: Mapping[str, str],
        *,
        placement: str = IN_PROCESS,
        durability: str = "durable",
    ) -> None:
        self.store = store
        self.now = now
        self.captures = captures
        self.placement = placement
        self.durability = durability
        self._checkpointer: Checkpointer | None = None
        self._later = Later(store) if durability == "async" else None
        self._started = 0  # the number of the start's record, in all that this guard writes

    def open(self, policies: Documented, plan: Checkpoints) -> None:
        """Refuse a chain that does not hold, from a checkpoint on where it is long; then record the start.

        Raises:
            LedgerCorrupt: names the first bad record.
        """
        follower = resumed(self.store, plan)
        report = follow(self.store.scan(follower.links.count or None), follower)
        if not report.intact:
            raise LedgerCorrupt(f"the ledger does not verify: {report.finding}")
        self._checkpointer = Checkpointer(self.store, self._write, plan, follower.coverage.tree)
        self._start(policies)

    def flush(self) -> None:
        """Write what waits to be written; later it is too late."""
        if self._later is not None:
            self._later.close()

    def close(self, change: Callable[[int, State], None] | None = None) -> None:
        """The guard was closed: on record, and under a checkpoint. A start without a stop has ended otherwise.

        `change` changes the state with that record.
        """
        self.flush()
        if change is None:
            self._append("stop", {"start": self._started})
        else:

            def stopped(now: int, state: State) -> dict[str, Any]:
                change(now, state)
                return {"start": self._started}

            self.changed("stop", stopped)
        if self._checkpointer is not None:
            self._checkpointer.close()

    def _start(self, policies: Documented) -> None:
        """The guard was started with these policies, which are kept beside the records under their revision."""
        self._keep(policies)
        self._started = 0
        content = {
            "toolguard": version(),
            "ledger": self.store.ledger_id,
            "host": _host(),
            "process": os.getpid(),
            "revision": policies.revision,
            "placement": self.placement,
            "durability": self.durability,
        }
        self._started = self._append("start", content).seq

    def reload(self, policies: Documented, previous: str) -> Record:
        """Other policies are in force from here on."""
        self._keep(policies)
        content = {"revision": policies.revision, "previous": previous, "placement": self.placement, "start": self._started}
        return self._append("reload", content)

    def _keep(self, policies: Documented) -> None:
        self.store.keep(name_of(policies.revision), to_json(policies.document))

    def decision(self, decision: Decision) -> None:
        """A call was judged. Sets `decision.record`, in durability "async" as soon as it is written."""
        build = self._decision(decision)
        if self._later is not None:
            self._later.add(build, partial(self._recorded, decision))
        else:
            self._recorded(decision, self._store(build))

    async def decision_async(self, decision: Decision) -> None:
        """As `decision`, without holding up the event loop."""
        build = self._decision(decision)
        if self._later is not None:
            await self._later.add_async(build, partial(self._recorded, decision))
        else:
            self._recorded(decision, await self.store.append_async(build, durable=self.durability == "durable"))

    def limited(self, decision: Decision, count: Count) -> Decision:
        """A call was judged that counts in limits: `count` gives the decision as they make it, inside of the transaction.

        It is written at once in every durability, because the next call has to see what this one has used.
        """
        made: list[Decision] = []
        record = self.store.transact(self._counting(decision, count, made), durable=self.durability == "durable")
        self._recorded(made[-1], record)
        return made[-1]

    async def limited_async(self, decision: Decision, count: Count) -> Decision:
        """As `limited`, without holding up the event loop."""
        made: list[Decision] = []
        change = self._counting(decision, count, made)
        record = await self.store.transact_async(change, durable=self.durability == "durable")
        self._recorded(made[-1], record)
        return made[-1]

    def _counting(self, decision: Decision, count: Count, made: list[Decision]) -> Change:
        def change(seq: int, last: bytes, state: State) -> Record:
            now, changes = self.now(), Changes(state.get)
            made.append(count(decision, now, changes))
            said, payload = self._said(made[-1])
            return chained(seq, last, now, draft("decision", with_state(said, changes, state)), payload)

        return change

    def _recorded(self, decision: Decision, record: Record) -> None:
        decision.record = record
        self._seen(record)

    def _decision(self, decision: Decision) -> Build:
        said, payload = self._said(decision)
        return self._build("decision", said, payload)

    def _said(self, decision: Decision) -> tuple[dict[str, Any], bytes | None]:
        """Everything that led to the verdict, with commitments in the place of the parameters; and what opens them."""
        call = decision.call
        said = decision.policies.capture_of(call) if decision.policies else None
        mode = said or self.captures.get(call.tool) or self.captures.get(EVERY_TOOL, DIGEST)
        captured = capture(call.params if decision.kept is None else decision.kept, mode)
        who = {
            "call_id": call.call_id,
            "tool": call.tool,
            "tool_group": call.tool_group,
            "agent_id": call.agent_id,
            "session_id": call.session_id,
            "org_id": call.org_id,
            "context": call.context,
            **captured.sealed,
        }
        content = self._judged(decision, who)
        kept = seal_of_payload(captured.payload)
        return content if kept is None else {"kept": kept, **content}, captured.payload

    def result(self, decision: Decision, of: Decision, settle: Count | None = None) -> Decision:
        """What came back of an allowed call was judged; with `settle`, in the light of answers that the ledger keeps."""
        made: list[Decision] = []

        def change(seq: int, last: bytes, state: State) -> Record:
            now, changes = self.now(), Changes(state.get)
            made.append(settle(decision, now, changes) if settle is not None else decision)
            said = draft("result", with_state(self._of_result(made[-1], of), changes, state))
            return chained(seq, last, now, said)

        record = self.store.transact(change, durable=self.durability == "durable")
        self._recorded(made[-1], record)
        return made[-1]

    def _of_result(self, decision: Decision, of: Decision) -> dict[str, Any]:
        """Everything that led to the verdict, and nothing of the result itself."""
        return {**_about(of), **self._judged(decision, {name: getattr(decision.call, name) for name in _WHO})}

    def _judged(self, decision: Decision, call: dict[str, Any]) -> dict[str, Any]:
        """What was decided, why, and where. `call` is what is said of the call."""
        return {
            "verdict": decision.verdict.word,
            "reason": decision.reason,
            "call": call,
            "hits": [_hit_as_dict(hit) for hit in decision.hits],
            "shadow_hits": [_hit_as_dict(hit) for hit in decision.shadow_hits],
            "obligations": [to_dict(duty) for duty in decision.obligations],
            **({"limits": [use.to_dict() for use in decision.limits]} if decision.limits else {}),
            **({"escalation": decision.escalation.id} if decision.escalation is not None else {}),
            "revision": decision.revision,
            "placement": self.placement,
            "start": self._started,
        }

    def erasure(self, seqs: Sequence[int], params: Sequence[str], by: str, reason: str) -> Record:
        """Destroy what opens these parameters of these records (all of them if none is named), and say so.

        Raises:
            StoreError: there is no such record, nothing in it to erase, or it could not be done; then nothing was.
        """
        names, left = [f"params.{name}" for name in params], list[str | None]()

        def change(payload: bytes | None) -> bytes | None:
            missing = set(names) - set(openings(payload))
            if payload is None or missing:
                what = " and ".join(sorted(missing)) or "anything"
                raise StoreError(f"one of these records does not keep {what} that could be erased")
            rest = without(payload, [*names, "redacted"]) if names else None
            left.append(seal_of_payload(rest))
            return rest

        def build(seq: int, last: bytes) -> Record:
            content = {"records": list(seqs), "params": list(params) or None, "kept": left, "by": by, "reason": reason}
            return link(seq, last, "erasure", self.now(), content)

        return self.store.erase(build, seqs, change)

    def reset(self, limit_id: str, key: Sequence[Any] | None, by: str, reason: str) -> Record:
        """Begin to count a limit anew, for one key or for all.

        Raises:
            StoreError: nothing is counted there, or it could not be recorded; then nothing is forgotten.
        """
        names = [name for name in self.store.state() if counts_for(name, limit_id, key)]
        if not names:
            raise StoreError(f"nothing is counted in a limit `{limit_id}`" + (f" for {list(key)}" if key is not None else ""))

        def forget(_: int, state: State) -> dict[str, Any]:
            for name in names:
                state.put(name, None)
            return {"limit_id": limit_id, "key": key, "by": by, "reason": reason}

        return self.changed("reset", forget)

    def changed(self, kind: str, make: Callable[[int, State], dict[str, Any]], *, durable: bool = True) -> Record:
        """A record of that kind, with what `make` says (given nanoseconds) and does to the state, both or neither."""

        def change(seq: int, last: bytes, state: State) -> Record:
            now, changes = self.now(), Changes(state.get)
            said = make(now, changes)
            return chained(seq, last, now, draft(kind, with_state(said, changes, state)))

        record = self.store.transact(change, durable=durable and self.durability == "durable")
        self._seen(record)
        return record

    def halt(self, kind: str, content: dict[str, Any], scope: str, body: bytes | None) -> Record:
        """A halt was put in force (`body` is what the store keeps of it) or lifted, in one step with its record.

        Raises:
            StoreError: it could not be done; then it was not.
        """
        return self.store.set_halt(self._build(kind, {"scope": scope, **content}), scope, body)

    def approval(self, decision: Decision, approval: Approval, count: Count | None = None) -> Decision:
        """A person answered an escalated call. An approved one may count in limits, which may deny it after all."""
        content = {**_about(decision), **to_dict(approval)}
        if count is None:
            self._append("approval", content)
            return decision
        made: list[Decision] = []

        def counted(now: int, state: State) -> dict[str, Any]:
            made.append(count(decision, now, state))
            denied = {"denied": made[-1].reason} if made[-1].verdict == Verdict.DENY else {}
            return {**content, **denied, "limits": [use.to_dict() for use in made[-1].limits]}

        self.changed("approval", counted)
        return made[-1]

    def ended(self, decision: Decision, outcome: Outcome, end: End) -> None:
        """What became of a call on which counters or later calls depend."""
        said = self._of_outcome(decision, outcome)
        self.changed("outcome", lambda now, state: {**said, **end(decision, now, state)}, durable=False)

    def outcome(self, decision: Decision, outcome: Outcome) -> None:
        """What became of an allowed call; an error is recorded by its type, because its text may hold parameters.

        It survives the process at once and a power loss with the next durable record: an outcome that is lost reads as unknown.
        """
        build = self._outcome(decision, outcome)
        if self._later is not None:
            self._later.add(build, self._seen)
        else:
            self._seen(self._store(build, durable=False))

    async def outcome_async(self, decision: Decision, outcome: Outcome) -> None:
        """As `outcome`, without holding up the event loop."""
        build = self._outcome(decision, outcome)
        if self._later is not None:
            await self._later.add_async(build, self._seen)
        else:
            self._seen(await self.store.append_async(build, durable=False))

    def _outcome(self, decision: Decision, outcome: Outcome) -> Build:
        def build(seq: int, last: bytes) -> Record:  # only now is the number of the decision's own record known for certain
            return link(seq, last, "outcome", self.now(), self._of_outcome(decision, outcome))

        return build

    def _of_outcome(self, decision: Decision, outcome: Outcome) -> dict[str, Any]:
        error = type(outcome.error).__name__ if outcome.error is not None else None
        return {**_about(decision), "outcome": outcome.kind, "error": error, "duration": outcome.duration}

    def _append(self, kind: str, content: dict[str, Any]) -> Record:
        record = self._write(kind, content)
        self._seen(record)
        return record

    def _write(self, kind: str, content: dict[str, Any]) -> Record:
        return self._store(self._build(kind, content))

    def _build(self, kind: str, content: dict[str, Any], payload: bytes | None = None) -> Build:
        said = draft(kind, content)
        return lambda seq, last: chained(seq, last, self.now(), said, payload)

    def _store(self, build: Build, *, durable: bool = True) -> Record:
        return self.store.append(build, durable=durable and self.durability == "durable")

    def _seen(self, record: Record) -> None:
        if self._checkpointer is not None:
            self._checkpointer.seen(record.seq)


def _host() -> str | None:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME")


def _about(decision: Decision) -> dict[str, Any]:
    """Which decision a later record belongs to."""
    return {"decision": decision.record.seq if decision.record else None, "call_id": decision.call.call_id}


def captures_of(given: str | Mapping[str, str], durability: str = "durable") -> dict[str, str]:
    """Capture modes by tool, `*` for every other one.

    Raises:
        ValueError: there is no such mode, or no such durability.
    """
    if durability not in DURABILITIES:
        raise ValueError(f"`durability` cannot be `{durability}` (only {', '.join(DURABILITIES)})")
    found = {EVERY_TOOL: given} if isinstance(given, str) else dict(given)
    for mode in found.values():
        if mode not in CAPTURES:
            raise ValueError(f"`capture` cannot be `{mode}` (only {', '.join(CAPTURES)})")
    return found
