"""Every figure is a ratio against the plain alternative: both take turns in one process, so a busy machine slows both down.

A round is a number of turns of each side and gives one ratio (of the sides' median turns). What is reported is the median of
the rounds' ratios with the lowest and the highest. The garbage collector stays on, as users have it.
"""

import time
from dataclasses import dataclass, field
from itertools import repeat
from statistics import median

US = 1e6  # microseconds in a second


class Broken(Exception):
    """A side gives another answer than it should, so timing it would mean nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure. A turn takes about `seconds`, or one call where each waits for the disk or for an interpreter.

    `filling` calls make a write-ahead log as long as it gets (1,000 pages); while a log grows, each sync of it takes longer.
    """

    rounds: int
    turns: int
    seconds: float
    synced_turns: int
    filling: int
    fresh_turns: int


FULL = Pace(rounds=15, turns=25, seconds=0.002, synced_turns=200, filling=1100, fresh_turns=3)
QUICK = Pace(rounds=3, turns=3, seconds=0.0005, synced_turns=5, filling=1, fresh_turns=1)


@dataclass(slots=True)
class Row:
    """One line of the report. `limit` is what the ratio may be at most; None where the row only informs."""

    what: str
    ratio: float
    low: float
    high: float
    hint: str
    checks: list[str] = field(default_factory=list)
    target: str = ""
    limit: float | None = None

    @property
    def verdict(self):
        if self.limit is None:
            return ""
        return "ok" if self.ratio <= self.limit else "over"


def agree(question, expected, *answers):
    """Each side's answer (ours first), or the only side's that has one, is this; returns what was checked."""
    for number, answer in enumerate(answers, 1):
        if answer != expected:
            raise Broken(f"{question}: answer {number} of {len(answers)} is `{answer}` instead of `{expected}`")
    return f"{question}: {expected}"


def seconds_of(call, count):
    calls = repeat(None, count)
    start = time.perf_counter()
    for _ in calls:
        call()
    return time.perf_counter() - start


def per_call(call, seconds):
    """A turn that takes about this long and answers with the seconds of one call."""
    count = 1
    while (taken := seconds_of(call, count)) < seconds / 4:
        count *= 2
    count = max(1, round(count * seconds / taken))
    return lambda: seconds_of(call, count) / count


def take_turns(turns, rounds, repeats):
    """The median seconds of every side, round by round. Each turn begins with another side."""
    figures = []
    for _ in range(rounds):
        taken = [[] for _ in turns]
        for at in range(repeats):
            for offset in range(len(turns)):
                side = (at + offset) % len(turns)
                taken[side].append(turns[side]())
        figures.append(tuple(map(median, taken)))
    return figures


def compute(pace, *calls):
    """Figures of calls that only compute."""
    return take_turns([per_call(call, pace.seconds) for call in calls], pace.rounds, pace.turns)


def divided(ours, plain):
    return ours / plain


def row(what, figures, checks, *, ratio=divided, at_most=None, target=None, note=""):
    """`figures` are those of our side first and of the plain one second; `ratio` makes one number of a round's figures."""
    ratios = [ratio(*each) for each in figures]
    ours, plain = (median(side) for side in list(zip(*figures, strict=True))[:2])
    hint = f"{ours * US:,.4g} us / {plain * US:,.4g} us" + (f"; {note}" if note else "")
    text = target or (f"at most {at_most:g}" if at_most else "")
    return Row(what, median(ratios), min(ratios), max(ratios), hint, checks, text, at_most)


def percentile(ours, pace, which):
    """Of single calls, in microseconds."""
    times = []
    for _ in range(300 if pace == FULL else 3):
        begun = time.perf_counter()
        ours()
        times.append(time.perf_counter() - begun)
    return sorted(times)[int((len(times) - 1) * which / 100)] * US
