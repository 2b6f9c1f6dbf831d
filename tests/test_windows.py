"""Windows of time against a model that remembers every use and looks at all of them, daylight saving included."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard.windows import MAX_ENTRIES, NOTHING, PARTS, SECOND, window_of

AMOUNTS = st.decimals(0, 10**6, allow_nan=False, allow_infinity=False, places=4)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo")
CALENDAR = ("day", "week", "month")
START = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp())  # Sao Paulo and Cairo have skipped midnights from then on
SOON = st.tuples(st.integers(0, 40), AMOUNTS)  # seconds to the use before, and how much
LATER = st.tuples(st.integers(0, 40 * 86400), AMOUNTS)


def nanoseconds(moment):
    return int(moment.timestamp()) * SECOND


def used_by(window, uses, begin=0):
    """What a window says before each use, and after the last one; and the times of the uses."""
    now, used, said, times = begin * SECOND, NOTHING, [], []
    for pause, amount in uses:
        now += pause * SECOND
        said.append(window.at(used, now).total)
        used = window.add(used, now, amount)
        times.append(now)
    return said, used, times


@given(st.lists(SOON, max_size=60), st.integers(1, 120))
def test_a_sliding_window_is_exact_for_few_uses(uses, length):
    window = window_of(f"{length}s")
    said, _, times = used_by(window, uses)
    for index, now in enumerate(times):
        inside = [amount for time, (_, amount) in zip(times[:index], uses, strict=False) if time > now - length * SECOND]
        assert said[index] == sum(inside, Decimal(0))


@given(st.lists(SOON, min_size=MAX_ENTRIES * 2, max_size=MAX_ENTRIES * 3), st.integers(64, 6000))
def test_of_many_uses_none_is_forgotten_too_early_and_none_kept_for_long(uses, length):
    window = window_of(f"{length}s")
    said, used, times = used_by(window, uses)
    assert len(used.entries) <= MAX_ENTRIES + 1
    longer = length * SECOND + length * SECOND // PARTS
    for index, now in enumerate(times):
        pairs = list(zip(times[:index], (amount for _, amount in uses), strict=False))
        least = sum((amount for time, amount in pairs if time > now - length * SECOND), Decimal(0))
        most = sum((amount for time, amount in pairs if time > now - longer), Decimal(0))
        assert least <= said[index] <= most


def period(moment, name, zone):
    """What tells the day, week or month apart, by the calendar of the zone."""
    local = moment.astimezone(ZoneInfo(zone))
    return {"day": local.date(), "week": local.isocalendar()[:2], "month": (local.year, local.month)}[name]


@given(st.lists(LATER, max_size=40), st.sampled_from(CALENDAR), st.sampled_from(ZONES))
def test_a_calendar_window_holds_what_lies_in_the_present_period(uses, name, zone):
    window = window_of(name, ZoneInfo(zone))
    said, _, times = used_by(window, uses, START)
    moments = [datetime.fromtimestamp(time // SECOND, UTC) for time in times]
    for index, now in enumerate(moments):
        same = [
            amount
            for moment, (_, amount) in zip(moments[:index], uses, strict=False)
            if period(moment, name, zone) == period(now, name, zone)
        ]
        assert said[index] == sum(same, Decimal(0))


@given(st.integers(0, 12 * 366 * 24 * 4), st.sampled_from(CALENDAR), st.sampled_from(ZONES))
def test_a_period_begins_and_ends_where_the_calendar_says(quarters, name, zone):
    """The last second before its end is in it, the end itself is not; the same of the beginning, found by going back."""
    moment = datetime.fromtimestamp(START + quarters * 900, UTC)
    window = window_of(name, ZoneInfo(zone))
    used = window.add(NOTHING, nanoseconds(moment), Decimal(1))
    end, begin = window.frees(used), used.entries[0][0]
    for at, inside in ((end - SECOND, True), (end, False), (begin, True), (begin - SECOND, False)):
        other = datetime.fromtimestamp(at // SECOND, UTC)
        assert (period(other, name, zone) == period(moment, name, zone)) is inside, (moment, other)


def test_days_with_23_and_25_hours():
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in ((datetime(2026, 3, 29, tzinfo=berlin), 23), (datetime(2026, 10, 25, tzinfo=berlin), 25)):
        window = window_of("day", berlin)
        used = window.add(NOTHING, nanoseconds(day + timedelta(hours=12)), Decimal(1))
        assert (window.frees(used) - used.entries[0][0]) // SECOND == hours * 3600


def test_a_day_whose_midnight_does_not_exist_begins_where_the_clocks_go_on():
    zone = ZoneInfo("America/Sao_Paulo")
    window = window_of("day", zone)
    used = window.add(NOTHING, nanoseconds(datetime(2018, 11, 4, 12, tzinfo=zone)), Decimal(1))
    assert used.entries[0][0] == nanoseconds(datetime(2018, 11, 4, 3, tzinfo=UTC))


@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**6), AMOUNTS), max_size=30),
    st.sampled_from([*CALENDAR, "60s", "7d", "lifetime"]),
)
def test_a_clock_that_goes_back_frees_nothing(uses, name):
    window, now, used = window_of(name), START * SECOND, NOTHING
    for step, amount in uses:
        before = window.at(used, now).total
        now += step * SECOND
        if step <= 0:
            assert window.at(used, now).total >= before
        used = window.add(used, now, amount)
        assert window.at(used, now - 10**9 * SECOND).total == used.total


@given(st.lists(SOON, max_size=30), st.sampled_from([*CALENDAR, "60s", "lifetime"]))
def test_nothing_counts_any_more_when_it_says_so(uses, name):
    window = window_of(name)
    _, used, _ = used_by(window, uses, START)
    free = window.frees(used)
    if name == "lifetime":
        assert (free is None) is bool(uses)
    elif used.entries:  # a use of nothing is none
        assert window.at(used, free).total == 0
        assert window.at(used, free - 1).entries


def test_a_lifetime_adds_up_exactly():
    window, used = window_of("lifetime"), NOTHING
    for _ in range(10):
        used = window.add(used, 5, Decimal("0.1"))
    assert (used.total, window.at(used, 10**30).total) == (Decimal("1.0"), Decimal(1))


@pytest.mark.parametrize("text", ["", "5", "0s", "-5s", "5 s", "5w", "1.5h", "367d", "forever", "Day", "24H", "10000000000s"])
def test_what_is_no_window(text):
    with pytest.raises(ValueError, match="is no window"):
        window_of(text)
