"""A policy's limits, ready to be asked: for whom a call counts, how much it is, what it comes to. Counters are given."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from toolguard.canonical import kind_name
from toolguard.engine.facts import NO_FACTS, getter
from toolguard.engine.hits import hit_of
from toolguard.errors import Indeterminate, Missing
from toolguard.model import LimitUse, RuleHit, Verdict
from toolguard.operators import number
from toolguard.policy.document import DEFAULT_PRIORITY, Policy
from toolguard.policy.fields import parse_field
from toolguard.policy.limits import Limit
from toolguard.windows import EXACT, NOTHING, ZERO, Used, Window, window_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolguard.model import Decision, ToolCall

ONE = Decimal(1)
_as_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once: `dumps` would make it each time
GUARD = "guard"  # in the place of a policy's id, for what the guard itself was given
THROTTLED = 6  # calls a minute of what is throttled
MAX_DIGITS = 30  # before the point, and as many behind it: beyond, an amount is nobody's money


@dataclass(frozen=True, slots=True, eq=False)
class CompiledLimit:
    """A limit ready to be asked. `hit` is what it reports when it is exceeded, `signature` tells its counters apart."""

    limit_id: str
    hit: RuleHit
    window: Window
    written: str
    max: Decimal
    signature: tuple[Any, ...]
    keys: tuple[Callable[[ToolCall], Any], ...]
    amount: Callable[[ToolCall], Decimal]
    thresholds: tuple[tuple[Decimal, Verdict], ...]
    order: tuple[int, int, int]
    agent_ids: tuple[str, ...] = ()
    org_ids: tuple[str, ...] = ()
    capture: str | None = None
    covers: bool = True
    denials: bool = False
    trip: tuple[str, str] | None = None
    lease: Decimal | None = None

    def concerns(self, call: ToolCall) -> bool:
        """Whether the policy's scope takes in this caller."""
        return (not self.agent_ids or call.agent_id in self.agent_ids) and (not self.org_ids or call.org_id in self.org_ids)

    def counter(self, call: ToolCall) -> tuple[str, list[Any]]:
        """The name of the counter that this call counts in, and for whom that is.

        Raises:
            Indeterminate: a value of the context is no name.
        """
        key = [read(call) for read in self.keys]
        return _as_text(["limit", *self.signature, key]), key


def compile_limit(policy: Policy, limit: Limit) -> CompiledLimit:
    """One limit with everything it would report."""
    hit = hit_of(policy, limit)
    return CompiledLimit(
        limit.limit_id,
        hit,
        window_of(limit.window, ZoneInfo(limit.time_zone) if limit.time_zone else UTC),
        limit.window,
        Decimal(str(limit.max)),
        # Another window or sum is another counter, another `max` is not: a limit can be raised without forgetting.
        (policy.policy_id, limit.limit_id, limit.counts, limit.sum, limit.window, limit.time_zone, list(limit.per)),
        tuple(map(_key, limit.per)),
        _amount(limit.sum),
        tuple((Decimal(each.percent), Verdict[each.effect.upper()]) for each in limit.thresholds),
        (-hit.effect, policy.priority or DEFAULT_PRIORITY, DEFAULT_PRIORITY),
        policy.scope.agent_ids,
        policy.scope.org_ids,
        policy.capture,
        denials=limit.counts == "denials",
        lease=Decimal(str(limit.lease)) if limit.lease else None,
        trip=(limit.halt.level, limit.halt.scope) if limit.halt else None,
    )


def rate_of(written: str) -> tuple[Limit, CompiledLimit]:
    """The guard's own rate limit: `60/1m` calls of each agent. It covers no tool: what no policy covers stays so.

    Raises:
        ValueError: it is written in another way.
    """
    most, _, window = written.partition("/")
    if not most.isdecimal():
        raise ValueError(f"`{written}` is no rate: write a number of calls, `/`, and a window, as in `60/1m`")
    window_of(window)
    limit = Limit(limit_id="rate", per=("agent_id",), max=int(most), window=window)
    return limit, replace(compile_limit(Policy(policy_id=GUARD, limits=(limit,)), limit), covers=False)


@lru_cache(maxsize=1024)
def throttle(scope: str) -> CompiledLimit:
    """What a halt of the level `throttle` lets through of the calls it covers."""
    limit = Limit(limit_id="throttle", max=THROTTLED, window="1m")
    made = compile_limit(Policy(policy_id=GUARD, limits=(limit,)), limit)
    return replace(made, covers=False, signature=(*made.signature, scope))


def _key(text: str) -> Callable[[ToolCall], Any]:
    read = getter(parse_field(text, {}), NO_FACTS)

    def key(call: ToolCall) -> Any:
        try:
            value = read(call)
        except Missing:
            return None  # all who have none share one
        if value is not None and not isinstance(value, (str, int, bool)):
            raise Indeterminate(f"is {kind_name(value)}, which no limit can count by", text)
        return value

    return key


def _amount(text: str | None) -> Callable[[ToolCall], Decimal]:
    if text is None:
        return lambda _: ONE
    read = getter(parse_field(text, {}), NO_FACTS)

    def amount(call: ToolCall) -> Decimal:
        try:
            found = exact(read(call))
        except Indeterminate as unknown:
            unknown.field = unknown.field or text
            raise
        if found < 0:
            raise Indeterminate("is negative", text)
        return found

    return amount


def exact(value: Any) -> Decimal:
    """A number as it is written.

    Raises:
        Indeterminate: it is none, or has more digits than anybody's money.
    """
    try:
        found = Decimal(str(number(value)))
        _, digits, exponent = found.as_tuple()
    except (DecimalException, ValueError):
        raise Indeterminate("is no number") from None
    if not isinstance(exponent, int) or exponent < -MAX_DIGITS or len(digits) + exponent > MAX_DIGITS:
        raise Indeterminate(f"has more than {MAX_DIGITS} digits before or behind the point")
    return found


# -- one call ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Asked:
    """A limit on one call: the counter as it stands, how much the call would add, and why that cannot be told (`unknown`)."""

    limit: CompiledLimit
    name: str = ""
    key: tuple[Any, ...] = ()
    before: Used = NOTHING
    amount: Decimal = ZERO
    unknown: Indeterminate | None = None

    @property
    def after(self) -> Decimal:
        """What would have been used."""
        return EXACT.add(self.before.total, self.amount)

    def fields(self) -> dict[str, Any]:
        """What conditions see of it: before this call."""
        used, most = self.before.total, self.limit.max
        return {"used": used, "remaining": max(ZERO, most - used), "ratio": used / most if most else None}

    def hit(self) -> RuleHit | None:
        """What it has against the call."""
        limit = self.limit
        if self.unknown is not None:
            return replace(limit.hit, indeterminate=str(self.unknown))
        if limit.denials:
            said = f"{plain(self.before.total)} of {plain(limit.max)} denials ({limit.written})"
            return replace(limit.hit, detail=said) if self.before.total >= limit.max else None
        said = f"{plain(self.before.total)} of {plain(limit.max)} used ({limit.written}), and {plain(self.amount)} more"
        if self.after > limit.max:
            return replace(limit.hit, detail=f"{said} would exceed it")
        hundredfold = EXACT.multiply(self.after, Decimal(100))
        reached = [(effect, share) for share, effect in limit.thresholds if hundredfold >= EXACT.multiply(limit.max, share)]
        if not reached:
            return None
        effect, share = max(reached)
        return replace(limit.hit, effect=effect, detail=f"{said} reach {share}% of it")

    def use(self, *, counted: bool, time: int) -> LimitUse:
        """For the decision and its record. It trips where it is exceeded now."""
        stands = self.after if counted or not self.limit.denials else self.before.total
        exceeded = stands >= self.limit.max if self.limit.denials else self.after > self.limit.max
        return LimitUse(
            limit_id=self.limit.limit_id,
            policy_id=self.limit.hit.policy_id,
            key=self.key,
            amount=plain(self.amount),
            before=plain(self.before.total),
            after=plain(self.after if counted else self.before.total),
            max=plain(self.limit.max),
            window=self.limit.written,
            time=time,
            counted=counted,
            counter=self.name,
            trips=self.limit.trip if exceeded and self.unknown is None and self.limit.hit.mode != "shadow" else None,
        )


def ask(limits: Iterable[CompiledLimit], call: ToolCall, now: int, used: Callable[[str], Used]) -> Iterator[Asked]:
    """How each limit stands before the call; `used` gives what a counter holds, by its name."""
    for limit in limits:
        asked = Asked(limit)
        try:
            asked.name, key = limit.counter(call)
            asked.key = tuple(key)
            asked.before = limit.window.at(used(asked.name), now)
            asked.amount = limit.amount(call)  # of a limit that counts denials, what one of them adds
            _ = asked.after  # a sum with too many digits cannot be told
        except Indeterminate as unknown:
            asked.unknown = unknown
        except DecimalException:
            asked.unknown = Indeterminate("has a sum of too many digits", limit.limit_id)
        yield asked


def judged(decision: Decision, asked: list[Asked]) -> Decision:
    """The decision as the limits want it: the most restrictive wins."""
    found = [hit for each in asked if (hit := each.hit()) is not None]
    if not found:
        return decision
    shadows = tuple(hit for hit in found if hit.mode == "shadow")
    hits = tuple(sorted((*decision.hits, *(hit for hit in found if hit.mode != "shadow")), key=lambda hit: -hit.effect))
    verdict = max([decision.verdict, *(hit.effect for hit in hits)])
    cause = decision.cause if verdict == decision.verdict else ""  # what made it so restrictive says why
    return replace(decision, verdict=verdict, hits=hits, shadow_hits=(*decision.shadow_hits, *shadows), cause=cause)


def plain(amount: Decimal) -> str:
    """A number without an exponent."""
    return f"{amount.normalize():f}" if amount else "0"
