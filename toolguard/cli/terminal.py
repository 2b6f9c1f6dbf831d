"""What the commands share: exit codes, usage errors, and a little colour where a person is reading."""

from __future__ import annotations

import json
import os
import sys
from argparse import ArgumentTypeError
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from toolguard.errors import nearest
from toolguard.model import Verdict
from toolguard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolguard.model import Decision

OK, INTERNAL, USAGE, DENIED, ESCALATED, VERIFICATION_FAILED, POLICY_REFUSED = range(7)
EXIT_CODES = {Verdict.ALLOW: OK, Verdict.FLAG: OK, Verdict.ESCALATE: ESCALATED, Verdict.DENY: DENIED}

BAR = 30  # characters
_COLOURS = {
    "allow": 32,
    "flag": 33,
    "escalate": 35,
    "deny": 31,
    "true": 32,
    "false": 31,
    "unknown": 33,
    "good": 32,
    "bad": 31,
    "dim": 2,
    "bold": 1,
}


class UsageError(Exception):
    """The command line, or a file it names, cannot be used as it is."""


def one_of(what: str, words: Sequence[str]) -> Callable[[str], str]:
    """An argument's type: one of these words, or an error with the nearest of them."""

    def word(text: str) -> str:
        if text in words:
            return text
        raise ArgumentTypeError(f"there is no {what} `{text}` (only {', '.join(words)}){nearest(text, words)}")

    return word


def paint(text: str, colour: str) -> str:
    """The text in a colour when it goes to a terminal that wants colours."""
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def print_json(value: Any) -> None:
    """One line of JSON."""
    print(json.dumps(value, ensure_ascii=True))


@contextmanager
def progress_of(done: str, what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on standard error while a person is watching: call what this yields with how many there were, of how many."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _count, _total: None
        return

    def show(count: int, total: int | None) -> None:
        share = min(1.0, count / total) if total else 0.0
        bar = f"[{'#' * round(BAR * share):{BAR}}] {share:4.0%}  " if total else ""
        print(f"\r{bar}{done} {count:,} {what}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def counted(number: int, one: str, many: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {one if number == 1 else many}"


def describe(decision: Decision) -> list[str]:
    """A decision in lines for a person: verdict and reason, then what the deciding rule says."""
    said = [f"  {'shadow':8} {hit.rule_id} would have said {hit.effect.word}" for hit in decision.shadow_hits]
    for hit in reversed(decision.hits):
        instead = [f"  {'instead':8} {hit.suggested_response.strip()}"] if hit.suggested_response else []
        source = [f"  {'source':8} {hit.citation}"] if hit.citation else []
        whom = [f"  {'ask':8} {hit.escalate_to}"] if hit.escalate_to and hit.effect == Verdict.ESCALATE else []
        said = [f"  {'rule':8} {hit.rule_id} in policy {hit.policy_id} ({hit.effect.word})", *source, *whom, *instead, *said]
    verdict = paint(decision.verdict.word.upper().ljust(8), decision.verdict.word)
    return [f"{verdict} {printable(decision.reason)}", *map(printable, said)]
