"""What happened before: facts that only the guard writes, from decisions and outcomes that it records, in their transaction."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from toolguard.errors import Indeterminate, MalformedCall, StoreError
from toolguard.returned import returned

if TYPE_CHECKING:
    from toolguard.engine.compile import PolicySet
    from toolguard.engine.earlier import CompiledEarlier
    from toolguard.model import Outcome, ToolCall
    from toolguard.stores.state import State

KEY_OF_DIGESTS = "key"  # under which the state keeps what digests of values are made with
RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Fact:
    """That a call happened: when the last one did, how many calls rest on it, how many run whose result may still make it one.

    `time` is nanoseconds since 1970. Without a `time` none has happened for certain.
    """

    time: int | None = None
    uses: int = 0
    running: int = 0
    began: int = 0

    @property
    def last(self) -> int | None:
        """When it last happened, or may have; None if it did not."""
        return max(self.time or 0, self.began) if self.running else self.time


def answers(policies: PolicySet, call: ToolCall, now: int, state: State) -> dict[str, bool | Indeterminate]:
    """Of all that the rules over a call ask about: whether it happened."""
    found: dict[str, bool | Indeterminate] = {}
    for rule in policies.plan_for(call).rules:
        for each in rule.earlier:
            try:
                fact = _fact(state, each.name(call, _key(state), earlier=False))
            except Indeterminate as unknown:
                found[each.earlier_id] = unknown
                continue
            last = fact.last if each.forbids else fact.time
            fresh = last is not None and (each.within is None or now - last < each.within)
            found[each.earlier_id] = fresh and (each.uses is None or fact.uses < each.uses)
    return found


def runs(policies: PolicySet, call: ToolCall, now: int, state: State) -> None:
    """A call may run: what it rests on is used once more, and what must not come after it is forbidden from now on."""
    for rule in policies.plan_for(call).rules:
        for each in rule.earlier:
            if each.uses is not None and call.answers.get(each.earlier_id) is True and _may_hold(rule.base, call):
                name = each.name(call, _key(state), earlier=False)
                fact = _fact(state, name)
                _put(state, name, replace(fact, uses=fact.uses + 1))
    for each in policies.earlier_of(call):
        if each.forbids and (found := _of(each, call, state)) is not None:
            name, fact = found
            sure = replace(fact, time=now) if each.where is None else replace(fact, running=fact.running + 1, began=now)
            _put(state, name, sure)


def ended(policies: PolicySet, call: ToolCall, outcome: Outcome, now: int, state: State) -> list[str]:
    """What became of a call that others may rest on; the ids of what it is good for from now on.

    Of one that did not return nobody knows what came of it: nothing rests on it, and what it forbids stays forbidden.
    """
    said = []
    returned = outcome.kind == RETURNED
    result = _plain(outcome.value) if returned else None
    for each in policies.earlier_of(call):
        found = _of(each, call, state)
        if found is None:
            continue
        name, fact = found
        if not each.forbids and (each.any_outcome or (returned and each.holds(result))):
            _put(state, name, Fact(time=now))
            said.append(each.earlier_id)
        elif each.forbids and each.where is not None and returned:
            left = replace(fact, running=max(0, fact.running - 1), time=now if each.holds(result, unknown=True) else fact.time)
            _put(state, name, left)
    return said


def _of(each: CompiledEarlier, call: ToolCall, state: State) -> tuple[str, Fact] | None:
    """The fact that this earlier call makes; None where it lacks the value that binds the two."""
    try:
        name = each.name(call, _key(state), earlier=True)
    except Indeterminate:
        return None
    return name, _fact(state, name)


def _may_hold(test: Any, call: ToolCall) -> bool:
    try:
        return bool(test(call))
    except Indeterminate:
        return True


def _plain(value: Any) -> Any:
    """A result as conditions can read it, None where they cannot."""
    given = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    try:
        _, view = returned(asdict(given) if is_dataclass(given) and not isinstance(given, type) else given)
    except (MalformedCall, TypeError, ValueError):
        return None
    return view


def _key(state: State) -> bytes:
    kept = state.get(KEY_OF_DIGESTS)
    if kept is None:
        kept = os.urandom(32)
        state.put(KEY_OF_DIGESTS, kept)
    return kept


def _fact(state: State, name: str) -> Fact:
    body = state.get(name)
    if body is None:
        return Fact()
    try:
        return Fact(**json.loads(body))
    except (ValueError, TypeError):
        raise StoreError("what happened before cannot be read from the ledger") from None


def _put(state: State, name: str, fact: Fact) -> None:
    state.put(name, json.dumps(asdict(fact), separators=(",", ":")).encode() if fact != Fact() else None)
