"""Slices of hot limits that a process has taken in advance: counted already, and used up in memory, without the ledger.

A slice is counted in the ledger when it is taken, in the transaction of the record of the call that needed it, before any of
it is used. What is left of it goes back with the next record that looks at the limit, or when the guard is closed; a process
that is killed loses what it held, which counts as spent. So never more is used than is counted, nor more counted than may be.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toolguard.engine.limits import plain
from toolguard.errors import Indeterminate
from toolguard.model import Decision, LimitUse
from toolguard.windows import EXACT, ZERO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from toolguard.engine.compile import PolicySet
    from toolguard.engine.limits import CompiledLimit

SHARE = 4  # a slice is no more than this part of what is left: near the end others get some, too


@dataclass(frozen=True, slots=True)
class Lease:
    """What is left of a slice, until when it may be used (None: for ever), under which time it was counted.

    `used` is what the limit had used when it was taken, the slice left out.
    """

    limit: CompiledLimit
    left: Decimal
    until: int | None
    time: int
    used: Decimal


class Leases:
    """The slices that this process holds, by the name of their counter."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._held: dict[str, list[Lease]] = {}  # several of one counter, where threads took them at the same time

    def _of_this_process(self) -> None:
        if self._process != os.getpid():
            self._begin()  # what a parent holds is the parent's

    def take(self, policies: PolicySet, decision: Decision, now: int) -> Decision | None:
        """The decision with its use of limits, if all of them can be met from slices; None where the ledger has to be asked."""
        self._of_this_process()
        limits = policies.limits_for(decision.call)
        if not self._held or not decision.allowed or not all(limit.lease for limit in limits):
            return None
        try:
            asked = [(limit, *limit.counter(decision.call), limit.amount(decision.call)) for limit in limits]
        except Indeterminate:
            return None
        with self._mutex:
            places = [self._place(name, amount, now) for _, name, _, amount in asked]
            if None in places:
                return None
            uses = (self._used(*each, place or 0) for each, place in zip(asked, places, strict=True))
            return replace(decision, limits=tuple(uses))

    def _place(self, name: str, amount: Decimal, now: int) -> int | None:
        """Which slice of a counter suffices."""
        for place, held in enumerate(self._held.get(name, ())):
            if amount <= held.left and (held.until is None or now < held.until):
                return place
        return None

    def _used(self, limit: CompiledLimit, name: str, key: list[object], amount: Decimal, place: int) -> LimitUse:
        held = self._held[name][place]
        left, used = EXACT.subtract(held.left, amount), EXACT.add(held.used, amount)
        self._held[name][place] = replace(held, left=left, used=used)
        return LimitUse(
            limit_id=limit.limit_id,
            policy_id=limit.hit.policy_id,
            key=tuple(key),
            amount=plain(amount),
            before=plain(held.used),
            after=plain(EXACT.add(held.used, amount)),
            max=plain(limit.max),
            window=limit.written,
            time=held.time,
            counted=True,
            counter=name,
        )

    def withdraw(self, name: str) -> list[Lease]:
        """Nobody uses these slices any more: what is left of them is about to be given back."""
        self._of_this_process()
        with self._mutex:
            return self._held.pop(name, [])

    def hold(self, name: str, lease: Lease) -> None:
        """A slice that is counted by now."""
        with self._mutex:
            self._held.setdefault(name, []).append(lease)

    def all(self) -> Iterator[tuple[str, Lease]]:
        """Withdraw every one of them."""
        self._of_this_process()
        for name in list(self._held):
            yield from ((name, lease) for lease in self.withdraw(name))


def slice_of(limit: CompiledLimit, left: Decimal) -> Decimal:
    """How much to take in advance, where so much is left of the limit."""
    return max(ZERO, min(limit.lease or ZERO, left // SHARE))
