"""What the reference's policies ask of an agent's past (velocity, budget, rolling sums, the session), kept by the guard itself.

A guard that keeps these (`Guard(track=True)`) puts its own figures into the context, in the place of what the host program may
have passed, for every one that a rule asks about. They are counted in the transaction of the record, as limits are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from toolguard.counters import body_of, used_of
from toolguard.engine.limits import exact, plain
from toolguard.errors import Indeterminate
from toolguard.model import Verdict
from toolguard.windows import EXACT, ZERO, Window, window_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolguard.model import Decision, ToolCall
    from toolguard.stores.state import State

ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: of whom, in which window, whether it is a sum of money or a count of calls, and of which calls.

    `own`: this call is part of it. `of` is `money` (calls that run and carry an amount above zero), `runs`, `escalations` or
    `denials`.
    """

    of_session: bool
    window: Window
    sums: bool
    of: str = "money"
    own: bool = False


def _velocity(hours: str, *, sums: bool) -> Figure:
    return Figure(of_session=False, window=window_of(hours), sums=sums, own=True)


def _rolling(window: str, *, sums: bool) -> Figure:
    return Figure(of_session=False, window=window_of(window), sums=sums)


def _session(of: str, *, sums: bool = False) -> Figure:
    return Figure(of_session=True, window=window_of("lifetime"), sums=sums, of=of)


FIGURES = {
    "context.verified.agent_velocity.monetary_sum_1h": _velocity("1h", sums=True),
    "context.verified.agent_velocity.monetary_count_1h": _velocity("1h", sums=False),
    "context.verified.agent_velocity.monetary_sum_24h": _velocity("24h", sums=True),
    "context.verified.agent_velocity.monetary_count_24h": _velocity("24h", sums=False),
    "context.verified.agent_budget.used_today": _rolling("day", sums=True),
    "context.verified.agent_budget.transactions_today": _rolling("day", sums=False),
    "context.verified.rolling_24h_total": _rolling("24h", sums=True),
    "context.verified.rolling_24h_count": _rolling("24h", sums=False),
    "context.verified.rolling_7d_total": _rolling("7d", sums=True),
    "context.verified.rolling_7d_count": _rolling("7d", sums=False),
    "context.session_state.cumulative_amount": _session("money", sums=True),
    "context.session_state.actions_in_session": _session("runs"),
    "context.session_state.escalations_in_session": _session("escalations"),
    "context.session_state.denied_in_session": _session("denials"),
}


def put_into(names: Iterable[str], call: ToolCall, now: int, state: State) -> None:
    """Put these figures into the call's context. One that cannot be told (an unreadable amount) is not there."""
    context = json.loads(json.dumps(call.context, default=str)) if call.context else {}
    for name in names:
        figure, (*path, last) = FIGURES[name], name.split(".")[1:]
        place = context
        for step in path:
            inner = place.get(step)
            place[step] = place = inner if isinstance(inner, dict) else {}
        try:
            total = figure.window.at(used_of(state.get(_counter(name, call))), now).total
            own = _part(figure, _amount(call)) if figure.own else ZERO
            place[last] = _readable(EXACT.add(total, own))
        except Indeterminate:
            place.pop(last, None)
    call.context = context


def without(names: Iterable[str], context: Mapping[str, Any]) -> dict[str, Any]:
    """A context without these figures, which are others in every call."""
    left: dict[str, Any] = json.loads(json.dumps(context, default=str))
    for name in names:
        *path, last = name.split(".")[1:]
        place: Any = left
        for step in path:
            place = place.get(step) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(last, None)
    return left


def count(names: Iterable[str], decision: Decision, now: int, state: State, *, approved: bool = False) -> None:
    """Count what became of the call."""
    call = decision.call
    happened = {
        "runs": decision.allowed or approved,
        "escalations": decision.verdict == Verdict.ESCALATE and not approved,
        "denials": decision.verdict == Verdict.DENY,
    }
    happened["money"] = happened["runs"]
    for name in names:
        figure = FIGURES[name]
        if not happened[figure.of]:
            continue
        try:
            part = _part(figure, _amount(call)) if figure.of == "money" else ONE
        except Indeterminate:
            continue
        if part:
            counter = _counter(name, call)
            used = figure.window.at(used_of(state.get(counter)), now)
            state.put(counter, body_of(figure.window.add(used, now, part)))


def _part(figure: Figure, amount: Decimal) -> Decimal:
    """What a call with this amount adds."""
    return amount if figure.sums else ONE if amount > 0 else ZERO


def _amount(call: ToolCall) -> Decimal:
    params: Mapping[str, Any] = call.params
    if "amount" not in params:
        return ZERO
    found = exact(params["amount"])
    if found < 0:
        raise Indeterminate("is negative", "amount")
    return found


def _counter(name: str, call: ToolCall) -> str:
    who = call.session_id if FIGURES[name].of_session else call.agent_id
    return json.dumps(["figure", name, who], ensure_ascii=False, separators=(",", ":"))


def _readable(total: Decimal) -> int | str:
    return int(total) if total == total.to_integral_value() else plain(total)
