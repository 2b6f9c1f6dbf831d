"""Windows of time, and what was used in one. Pure: the clock is given, numbers are exact.

A sliding window holds what lies behind `now - length`, a calendar window what lies in the present day, week or month of a time
zone, a lifetime all there ever was. Time is nanoseconds since 1970 and never goes back for a window: where the clock does, the
window stays at the latest time it has seen, so that setting a clock back frees nothing.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import tzinfo

SECOND = 1_000_000_000  # nanoseconds
MAX_ENTRIES = 128  # uses that a sliding window remembers one by one; older ones are then put together
PARTS = 64  # into which it is cut where uses are put together: each counts for up to this part of the window longer
MAX_DAYS = 366
CALENDAR = ("day", "week", "month")
LIFETIME = "lifetime"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SLIDING = re.compile(r"([1-9][0-9]{0,8})([smhd])")
WRITTEN = rf"^({_SLIDING.pattern}|{'|'.join(CALENDAR)}|{LIFETIME})$"  # how a window is written, as far as a pattern can say
EXACT = Context(prec=60, rounding=ROUND_DOWN, traps=[Inexact, InvalidOperation, Overflow])
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Used:
    """What was used in a window: single uses as (time, amount as text), oldest first, their sum, and the latest time seen.

    A calendar window and a lifetime need one entry: the beginning of the period, and the sum.
    """

    entries: tuple[tuple[int, str], ...] = ()
    total: Decimal = ZERO
    latest: int = 0

    def since(self, begin: int, now: int) -> Used:
        """Without what lies before `begin`."""
        gone = bisect_left(self.entries, begin, key=_time)
        if gone == len(self.entries):
            return Used(latest=now)
        total = self.total
        for _, amount in self.entries[:gone]:
            total = EXACT.subtract(total, Decimal(amount))
        return Used(self.entries[gone:], total, now)

    def with_less(self, place: int | None, less: Decimal) -> Used:
        """With less in the entry at that place, and never below zero: nobody else's use is freed."""
        if place is None:
            return self
        time, amount = self.entries[place]
        taken = min(Decimal(amount), less)
        left = (time, str(EXACT.subtract(Decimal(amount), taken)))
        return Used((*self.entries[:place], left, *self.entries[place + 1 :]), EXACT.subtract(self.total, taken), self.latest)


def _time(entry: tuple[int, str]) -> int:
    return entry[0]


NOTHING = Used()


class Window(Protocol):
    """One of the three."""

    def at(self, used: Used, now: int) -> Used:
        """What of it still counts."""

    def add(self, used: Used, now: int, amount: Decimal) -> Used:
        """The same with one more use."""

    def lease(self, used: Used, now: int, amount: Decimal) -> tuple[Used, int, int | None]:
        """(With a slice that will be used later, the time it counts under, until when it may be used; None: for ever)."""

    def take_back(self, used: Used, time: int, less: Decimal) -> Used:
        """With less than was added at that time, if that still counts."""

    def frees(self, used: Used) -> int | None:
        """When nothing of it counts any more; None for never."""


@dataclass(frozen=True, slots=True)
class Sliding:
    """The last `length` nanoseconds."""

    length: int

    def at(self, used: Used, now: int) -> Used:
        """See `Window`."""
        now = max(now, used.latest)
        return used.since(now - self.length + 1, now)

    def add(self, used: Used, now: int, amount: Decimal) -> Used:
        """See `Window`. Beyond MAX_ENTRIES, neighbours are put together at the later one's time, never at an earlier one."""
        used = self.at(used, now)
        return self._added(used, used.latest, amount)

    def lease(self, used: Used, now: int, amount: Decimal) -> tuple[Used, int, int | None]:
        """See `Window`: it counts as if all of it were used at the last moment."""
        used = self.at(used, now)
        until = used.latest + max(1, self.length // PARTS)
        return self._added(used, until, amount), until, until

    def _added(self, used: Used, time: int, amount: Decimal) -> Used:
        if not amount:
            return used
        place = bisect_right(used.entries, time, key=_time)  # slices of others may lie in the future
        entries = (*used.entries[:place], (time, str(amount)), *used.entries[place:])
        if len(entries) > MAX_ENTRIES:
            entries = self._together(entries)
        return Used(entries, EXACT.add(used.total, amount), used.latest)

    def _together(self, entries: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
        part, made = max(1, self.length // PARTS), list[tuple[int, str]]()
        for time, amount in entries:
            if made and made[-1][0] // part == time // part:
                made[-1] = (time, str(EXACT.add(Decimal(made[-1][1]), Decimal(amount))))
            else:
                made.append((time, amount))
        return tuple(made)

    def take_back(self, used: Used, time: int, less: Decimal) -> Used:
        """See `Window`."""
        place = next((place for place, each in enumerate(used.entries) if each[0] >= time), None)
        return used.with_less(place, less)

    def frees(self, used: Used) -> int | None:
        """See `Window`."""
        return used.entries[-1][0] + self.length if used.entries else used.latest


@dataclass(frozen=True, slots=True)
class Calendar:
    """The present day, week (from Monday) or month of a time zone."""

    period: str
    zone: tzinfo

    def at(self, used: Used, now: int) -> Used:
        """See `Window`."""
        now = max(now, used.latest)
        return used.since(self._begins(now), now)

    def add(self, used: Used, now: int, amount: Decimal) -> Used:
        """See `Window`."""
        used = self.at(used, now)
        total = EXACT.add(used.total, amount)
        return Used(((self._begins(used.latest), str(total)),), total, used.latest)

    def lease(self, used: Used, now: int, amount: Decimal) -> tuple[Used, int, int | None]:
        """See `Window`: to the end of the period."""
        made = self.add(used, now, amount)
        return made, made.latest, self._ends(made.latest)

    def take_back(self, used: Used, time: int, less: Decimal) -> Used:
        """See `Window`."""
        return used.with_less(0 if used.entries and self._begins(time) == used.entries[0][0] else None, less)

    def frees(self, used: Used) -> int | None:
        """See `Window`."""
        return self._ends(used.latest) if used.entries else used.latest

    def _begins(self, now: int) -> int:
        return _bounds(self.period, self.zone, now // SECOND)[0]

    def _ends(self, now: int) -> int:
        return _bounds(self.period, self.zone, now // SECOND)[1]


@lru_cache(maxsize=1024)
def _bounds(period: str, zone: tzinfo, second: int) -> tuple[int, int]:
    """Beginning and end of the period, in nanoseconds. Midnight is where the zone's clocks first show it, or pass it."""
    local = datetime.fromtimestamp(second, zone)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if period == "day":
        first, following = day, day + timedelta(days=1)
    elif period == "week":
        first = day - timedelta(days=day.weekday())
        following = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
    return _instant(first, zone), _instant(following, zone)


def _instant(midnight: datetime, zone: tzinfo) -> int:
    aware = midnight.replace(tzinfo=zone)
    found = int(aware.timestamp())
    if datetime.fromtimestamp(found, zone).replace(tzinfo=None) != midnight:
        # The clocks skip midnight: the day begins at the moment they do. (`timestamp` reads it by the offset before.)
        before = aware.utcoffset() or timedelta()
        found = int((midnight - before).replace(tzinfo=UTC).timestamp())
    return found * SECOND


@dataclass(frozen=True, slots=True)
class Lifetime:
    """All there ever was."""

    def at(self, used: Used, now: int) -> Used:
        """See `Window`."""
        return replace(used, latest=max(now, used.latest))

    def add(self, used: Used, now: int, amount: Decimal) -> Used:
        """See `Window`."""
        total = EXACT.add(used.total, amount)
        return Used(((0, str(total)),), total, max(now, used.latest))

    def lease(self, used: Used, now: int, amount: Decimal) -> tuple[Used, int, int | None]:
        """See `Window`."""
        made = self.add(used, now, amount)
        return made, made.latest, None

    def take_back(self, used: Used, time: int, less: Decimal) -> Used:  # noqa: ARG002 - every time is in it
        """See `Window`."""
        return used.with_less(0 if used.entries else None, less)

    def frees(self, used: Used) -> int | None:
        """See `Window`."""
        return None if used.entries else used.latest


def window_of(text: str, zone: tzinfo = UTC) -> Window:
    """Read `30s`, `15m`, `24h`, `7d`, `day`, `week`, `month` or `lifetime`.

    Raises:
        ValueError: it is none of these.
    """
    if text in CALENDAR:
        return Calendar(text, zone)
    if text == LIFETIME:
        return Lifetime()
    try:
        return Sliding(length_of(text) * SECOND)
    except ValueError as wrong:
        known = ", ".join((*CALENDAR, LIFETIME))
        raise ValueError(f"{wrong}, or one of {known}".replace("no length of time", "no window")) from None


def length_of(text: str) -> int:
    """The seconds of `30s`, `15m`, `24h`, `7d`.

    Raises:
        ValueError: it is something else.
    """
    found = _SLIDING.fullmatch(text)
    length = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < length <= MAX_DAYS * _UNITS["d"]:
        raise ValueError(f"`{text}` is no length of time: write a number and `s`, `m`, `h` or `d` (up to {MAX_DAYS}d)")
    return length
