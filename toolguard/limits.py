"""Counting calls against limits, inside of the transaction that writes their record: no two calls see the same counter."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard import figures, history
from toolguard.counters import body_of, used_of
from toolguard.engine.decide import decide
from toolguard.engine.limits import ask, exact, judged, plain, throttle
from toolguard.leases import Lease, slice_of
from toolguard.model import Verdict
from toolguard.windows import EXACT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolguard.engine.compile import PolicySet
    from toolguard.engine.limits import Asked
    from toolguard.leases import Leases
    from toolguard.model import Decision
    from toolguard.stores.state import State


def limited(policies: PolicySet, decision: Decision, now: int, state: State, leases: Leasing) -> Decision:
    """The decision with what its limits say. If the call may run it is counted, in all of them; otherwise in none."""
    if policies.tracked:
        figures.put_into(policies.tracked, decision.call, now, state)
    decision.call.answers = history.answers(policies, decision.call, now, state)
    asked = _asked(policies, decision, now, state, leases)
    if policies.reads_state:
        decision = _decided_anew(policies, decision)
    made = judged(decision, asked)
    if made.allowed:
        history.runs(policies, decision.call, now, state)
    figures.count(policies.tracked, made, now, state)
    return _counted(made, asked, now, state, leases)


def approved(policies: PolicySet, decision: Decision, now: int, state: State, leases: Leasing) -> Decision:
    """An escalated decision that a person has approved, as its limits stand now.

    The call is counted, also beyond what a limit escalates; where a limit denies it is not, and the decision is a denial.
    """
    asked = _asked(policies, decision, now, state, leases)
    hits = [hit for each in asked if (hit := each.hit()) is not None and hit.mode != "shadow" and hit.effect == Verdict.DENY]
    if hits:
        return _counted(replace(decision, verdict=Verdict.DENY, hits=tuple(hits), cause=""), asked, now, state, leases)
    history.runs(policies, decision.call, now, state)
    figures.count(policies.tracked, decision, now, state, approved=True)
    return _counted(decision, asked, now, state, leases, approved=True)


def corrected(
    policies: PolicySet, decision: Decision, spent: Mapping[str, Any], now: int, state: State
) -> list[dict[str, Any]]:
    """Put what a tool says it has really used, by limit, in the place of what was reserved; what was done, for the record.

    Raises:
        ValueError: the call does not count in that limit, or this is no amount.
    """
    uses = {use.limit_id: use for use in decision.limits if use.counted}
    limits = {limit.limit_id: limit for limit in policies.limits_for(decision.call)}
    said = []
    for limit_id, amount in spent.items():
        use, limit = uses.get(limit_id), limits.get(limit_id)
        if use is None or limit is None:
            raise ValueError(f"the call does not count in a limit `{limit_id}`")
        real = exact(amount)
        if real < 0:
            raise ValueError(f"what was used of `{limit_id}` cannot be negative")
        before = used_of(state.get(use.counter))
        less = EXACT.subtract(Decimal(use.amount), real)
        stands = limit.window.at(before, now)
        after = limit.window.take_back(stands, use.time, less) if less > 0 else limit.window.add(stands, now, -less)
        state.put(use.counter, body_of(after))
        said.append({"limit_id": limit_id, "reserved": use.amount, "used": plain(real), "after": plain(after.total)})
    return said


@dataclass(frozen=True, slots=True)
class Standing:
    """How one counter stands now: of which limit, for whom, and how much of how much."""

    limit_id: str
    key: tuple[Any, ...]
    used: str
    max: str
    window: str


def standing(policies: PolicySet, state: Mapping[str, bytes], now: int) -> list[Standing]:
    """Every counter of the limits in force that holds something."""
    found = []
    for limit in policies.every_limit():
        begins = json.dumps(["limit", *limit.signature], ensure_ascii=False, separators=(",", ":"))[:-1] + ","
        for name, body in state.items():
            used = limit.window.at(used_of(body), now).total if name.startswith(begins) else None
            if used:
                key = tuple(json.loads(name)[-1])
                found.append(Standing(limit.limit_id, key, plain(used), plain(limit.max), limit.written))
    return found


class Leasing:
    """Slices that one record gives back and takes. What it takes may be used once the record is written."""

    def __init__(self, leases: Leases) -> None:
        self.leases = leases
        self.taken: dict[str, Lease] = {}
        self.withdrawn: list[tuple[str, Lease]] = []

    def back(self, asked: Asked, state: State) -> None:
        """Give back what is left of a slice, so that the limit stands as it does without."""
        for held in self.leases.withdraw(asked.name) if asked.limit.lease else ():
            self.withdrawn.append((asked.name, held))
            asked.before = asked.limit.window.take_back(asked.before, held.time, held.left)
            state.put(asked.name, body_of(asked.before))

    def take(self, asked: Asked, now: int, state: State) -> int:
        """Count the call and a slice for those that follow; the time under which it counts."""
        limit = asked.limit
        more = slice_of(limit, EXACT.subtract(limit.max, asked.after))
        used, time, until = limit.window.lease(asked.before, now, EXACT.add(asked.amount, more))
        state.put(asked.name, body_of(used))
        self.taken[asked.name] = Lease(limit, more, until, time, asked.after)
        return time

    def undo(self) -> None:
        """The record comes to nothing, and another is made in its place: what was given back is held as before."""
        for name, lease in self.withdrawn:
            self.leases.hold(name, lease)

    def written(self) -> None:
        """The record is written."""
        for name, lease in self.taken.items():
            self.leases.hold(name, lease)


def given_back(held: Sequence[tuple[str, Lease]], now: int, state: State) -> None:
    """What is left of these slices goes back."""
    for name, lease in held:
        used = lease.limit.window.at(used_of(state.get(name)), now)
        state.put(name, body_of(lease.limit.window.take_back(used, lease.time, lease.left)))


def _asked(policies: PolicySet, decision: Decision, now: int, state: State, leases: Leasing) -> list[Asked]:
    call = decision.call
    limits = [*policies.limits_for(call), *([throttle(decision.throttle)] if decision.throttle else [])]
    asked = list(ask(limits, call, now, lambda name: used_of(state.get(name))))
    for each in asked:
        leases.back(each, state)
    call.limits = {each.limit.limit_id: each.fields() for each in asked if each.unknown is None or each.name}
    return asked


def _decided_anew(policies: PolicySet, decision: Decision) -> Decision:
    """With rules that ask how limits stand; what a halt made of the decision stays."""
    fresh = decide(policies, decision.call)
    least = decision.verdict if decision.cause else Verdict.ALLOW
    made = replace(decision, verdict=max(fresh.verdict, least), hits=fresh.hits, shadow_hits=fresh.shadow_hits)
    return replace(made, obligations=fresh.obligations)


def _counted(
    decision: Decision, asked: Sequence[Asked], now: int, state: State, leases: Leasing, *, approved: bool = False
) -> Decision:
    """Count the call where it counts: as one that may run, or as one that was denied."""
    runs, denied = decision.allowed or approved, _is_denied(decision, asked)
    uses = []
    for each in asked:
        counts = each.unknown is None and (denied if each.limit.denials else runs)
        time = now
        if counts and each.limit.lease:
            time = leases.take(each, now, state)
        elif counts:
            state.put(each.name, body_of(each.limit.window.add(each.before, now, each.amount)))
        uses.append(each.use(counted=counts, time=time))
    return replace(decision, limits=tuple(uses))


def _is_denied(decision: Decision, asked: Sequence[Asked]) -> bool:
    """Whether something else than a limit of denials denies the call: their own denials would keep them exceeded for good."""
    of_denials = {each.limit.limit_id for each in asked if each.limit.denials}
    return decision.verdict == Verdict.DENY and any(
        hit.effect == Verdict.DENY and not (hit.limit and hit.rule_id in of_denials) for hit in decision.hits
    )
