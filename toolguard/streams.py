"""What comes back piece by piece: text is let through as soon as it is certain that nothing forbidden begins in it.

`Stream.flow` says what is done with the pieces, as a generator of steps, which `flowing.py` carries out. At a violation the
source is closed, what the tool has registered with `on_halt` is called, and StreamDenied is raised.
"""

from __future__ import annotations

import codecs
from collections import deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from toolguard.canonical import MAX_ITEMS, MAX_TEXT
from toolguard.engine.decide import decide_result
from toolguard.engine.findings import Findings
from toolguard.errors import MalformedCall, StreamDenied, ToolDenied
from toolguard.model import Came, Decision, Outcome, Verdict
from toolguard.redact import changing, replaced, texts_of, with_texts
from toolguard.returned import returned
from toolguard.spans import MAX_HELD, HeldTooLong, HoldBack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

    from toolguard.engine.streaming import StreamPlan
    from toolguard.spans import Region

_A_STREAM = Came(why_unknown="is a stream, which only some rules can be asked about before its end")
_TOO_LONG = f"what may have begun in it does not end within {MAX_HELD} characters"
_TOO_LARGE = f"it is held until its end, and larger than {MAX_TEXT} characters or {MAX_ITEMS} items"


@dataclass(frozen=True, slots=True)
class Pull:
    """The step that takes the source's next piece, or an Outcome at its end."""


@dataclass(frozen=True, slots=True)
class Emit:
    """The step that hands a piece to whoever reads."""

    piece: Any


@dataclass(frozen=True, slots=True)
class Note:
    """The step that records what rules make of the stream so far; its answer is that decision, or a denial."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Judge:
    """The step that has a value, or an error, judged as a whole; its answer is the Outcome that may be seen."""

    outcome: Outcome


Step = Pull | Emit | Note | Judge


class Stream:
    """One stream of one allowed call. `key` is what digests are made with."""

    def __init__(self, plan: StreamPlan, decision: Decision, key: bytes | None) -> None:
        self._plan, self._decision = plan, decision
        self._findings = Findings(plan, replace(decision.call, came=_A_STREAM))
        self._changes = {how: changing(how, key) for how in {each.how for rule in plan.rules for each in rule.removes.values()}}
        self._waits = any(rule.hit.mode == "enforcement" for rule in plan.waiting)
        self.released = 0  # characters of text, bytes, or items

    def flow(self) -> Generator[Step, Any, Any]:
        """What is done with the pieces; at the end, what the source returns.

        Raises:
            StreamDenied: rules forbid what comes next, or it cannot be judged.
            Exception: what the source raises, if that may be seen.
        """
        first = yield Pull()
        if isinstance(first, Outcome):
            return (yield from self._ended(first))
        if not isinstance(first, (str, bytes)):
            return (yield from self._items(first))
        return (yield from (self._whole if self._waits else self._text)(first))

    # -- text ------------------------------------------------------------------------------------------------------------

    def _text(self, piece: Any) -> Generator[Step, Any, Any]:
        """Text or bytes; what can be let through is, however the pieces were cut."""
        kind, hold = type(piece), HoldBack(self._plan.scanner, self._plan.certain)
        decode, encode = _codec(kind)
        kept = _Kept(self._plan, self._decision)
        if self._findings.add():
            yield from self._noted(0)
        while not isinstance(piece, Outcome):
            if type(piece) is not kind:
                yield from self._denied(f"`{type(piece).__name__}` comes after `{kind.__name__}`", hold.released)
            text = decode(piece, False)  # noqa: FBT003 - a codec's own argument
            kept.add(text)
            try:
                regions = hold.feed(text)
            except HeldTooLong:
                yield from self._denied(_TOO_LONG, hold.released)
            yield from self._let_through(regions, encode)
            piece = yield Pull()
        if _is_the_end(piece):
            last = decode(b"" if kind is not str else "", True)  # noqa: FBT003
            yield from self._let_through([*hold.feed(last), *hold.end()], encode)
            if (late := kept.judged()) is not None:
                yield Note(late)
        return (yield from self._ended(piece))

    def _let_through(self, regions: Iterable[Region], encode: Any) -> Generator[Step, Any, None]:
        out = list[str]()
        for region in regions:
            names = [span.name for span in sorted(region.spans, key=lambda span: span.start)]
            if names and self._findings.add(names):
                yield from self._emitted(out, encode)
                yield from self._noted(region.start)
            out.append(self._without(region))
        yield from self._emitted(out, encode)

    def _emitted(self, out: list[str], encode: Any) -> Generator[Step, Any, None]:
        if text := "".join(out):
            out.clear()
            piece = encode(text)
            self.released += len(piece)
            yield Emit(piece)

    def _without(self, region: Region) -> str:
        removes, kinds = self._findings.removes, self._plan.kinds
        spans = [span for span in region.spans if span.name in removes]
        if not spans:
            return region.text
        return replaced(region.text, spans, lambda name, text: self._changes[removes[name].how](kinds[name], text))

    # -- items -----------------------------------------------------------------------------------------------------------

    def _items(self, item: Any) -> Generator[Step, Any, Any]:
        """Anything else: each item is judged by itself, and the texts at the same place in all of them as one that goes on."""
        lanes = _Lanes(self._plan)
        if self._findings.add():
            yield from self._noted(0)
        while not isinstance(item, Outcome):
            seen: Outcome = yield Judge(Outcome("returned", 0, item))
            if seen.error is not None:
                raise self._as_stream(seen.error)
            try:
                regions = lanes.feed(seen.value)
            except (HeldTooLong, MalformedCall) as error:
                cause = _TOO_LONG if isinstance(error, HeldTooLong) else str(error)
                yield from self._denied(cause, self.released)
            for region, lane in regions:
                yield from self._found_in(region, lane)
            yield from self._items_emitted(lanes)
            item = yield Pull()
        if _is_the_end(item):
            for region, lane in lanes.end():
                yield from self._found_in(region, lane)
            yield from self._items_emitted(lanes)
        return (yield from self._ended(item))

    def _found_in(self, region: Region, lane: _Lane) -> Generator[Step, Any, None]:
        if region.spans:
            if self._findings.add(span.name for span in region.spans):
                yield from self._noted(self.released)
            lane.edits.append((region.start, region.start + len(region.text), self._without(region)))

    def _items_emitted(self, lanes: _Lanes) -> Generator[Step, Any, None]:
        for ready in lanes.ready():
            self.released += 1
            yield Emit(ready)

    # -- the whole, and the end ------------------------------------------------------------------------------------------

    def _whole(self, piece: Any) -> Generator[Step, Any, Any]:
        """Nothing is let through before the end, where rules are asked that only know then."""
        kind, pieces, size = type(piece), [], 0
        while not isinstance(piece, Outcome):
            if type(piece) is not kind:
                yield from self._denied(f"`{type(piece).__name__}` comes after `{kind.__name__}`", 0)
            pieces.append(piece)
            size += len(piece)
            if size > MAX_TEXT or len(pieces) > MAX_ITEMS:
                yield from self._denied(_TOO_LARGE, 0)
            piece = yield Pull()
        if _is_the_end(piece):
            seen: Outcome = yield Judge(Outcome("returned", 0, kind().join(pieces)))
            if seen.error is not None:
                raise self._as_stream(seen.error)
            self.released = len(seen.value)
            if self.released:
                yield Emit(seen.value)
        return (yield from self._ended(piece))

    def _ended(self, end: Outcome) -> Generator[Step, Any, Any]:
        """An error, and what a generator returns, is judged like every other result."""
        if end.error is None and end.value is None:
            return None
        if end.error is not None and not _is_the_end(end):
            raise end.error
        seen: Outcome = yield Judge(end)
        if seen.error is not None:
            raise seen.error
        return seen.value

    def _noted(self, offset: int) -> Generator[Step, Any, None]:
        """Rules have fired: that is recorded, and what they forbid is denied."""
        decision: Decision = yield Note(self._findings.decision(self._decision))
        if decision.verdict == Verdict.DENY:
            raise StreamDenied(decision, offset, self.released)

    def _denied(self, cause: str, offset: int) -> Generator[Step, Any, None]:
        decision: Decision = yield Note(self._findings.decision(self._decision, cause))
        raise StreamDenied(decision, offset, self.released)

    def _as_stream(self, error: BaseException) -> BaseException:
        if isinstance(error, ToolDenied) and not isinstance(error, StreamDenied):
            return StreamDenied(error.decision, self.released, self.released)
        return error


def _is_the_end(end: Outcome) -> bool:
    """Whether the source has come to its end, if by an error; and was not stopped, or left."""
    return end.error is None or (isinstance(end.error, Exception) and not isinstance(end.error, ToolDenied))


def _codec(kind: type) -> tuple[Any, Any]:
    """(piece, is it the last) -> text, and text -> piece. Bytes that are no UTF-8 come out as they went in."""
    if kind is str:
        return (lambda piece, _: piece), (lambda text: text)
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    return decoder.decode, (lambda text: kind(text.encode("utf-8", "surrogateescape")))


class _Kept:
    """The text so far, for shadow rules that only the whole can be asked: nothing waits for these, as they change nothing."""

    def __init__(self, plan: StreamPlan, decision: Decision) -> None:
        self._decision, self._texts, self._size = decision, list[str](), 0
        self._rules = {(rule.hit.policy_id, rule.hit.rule_id) for rule in plan.waiting}
        self._wanted = bool(self._rules)

    def add(self, text: str) -> None:
        self._size += len(text)
        self._wanted = self._wanted and self._size <= MAX_TEXT
        if self._wanted:
            self._texts.append(text)
        else:
            self._texts.clear()

    def judged(self) -> Decision | None:
        """What they make of it, if any of them fires."""
        if not self._wanted or self._decision.policies is None:
            return None
        call = replace(self._decision.call, came=Came("".join(self._texts)))
        judged = decide_result(self._decision.policies, call)  # type: ignore[arg-type] # a decision of ours
        hits = tuple(hit for hit in judged.shadow_hits if (hit.policy_id, hit.rule_id) in self._rules)
        seen = replace(call, came=_A_STREAM)
        return replace(judged, call=seen, verdict=Verdict.ALLOW, hits=(), shadow_hits=hits, obligations=()) if hits else None


class _Lane:
    """The texts at one place of all items, as one text."""

    __slots__ = ("edits", "fed", "hold")

    def __init__(self, plan: StreamPlan) -> None:
        self.hold, self.fed = HoldBack(plan.scanner, plan.certain), 0
        self.edits: list[tuple[int, int, str]] = []

    def between(self, start: int, text: str) -> str:
        """A part of the text with what was removed from it; what replaces it stands where it began."""
        out, at, end = list[str](), start, start + len(text)
        self.edits = [each for each in self.edits if each[1] > start]  # items are asked about in their order
        for begin, stop, instead in self.edits:
            if begin >= end:
                continue
            out += [text[at - start : max(at, begin) - start], instead if begin >= start else ""]
            at = min(stop, end)
        return "".join((*out, text[at - start :]))


class _Lanes:
    """Items that wait until the texts in them are known to be harmless."""

    def __init__(self, plan: StreamPlan) -> None:
        self._plan, self._lanes = plan, dict[str, _Lane]()
        self._items: deque[tuple[Any, dict[str, tuple[int, int]]]] = deque()

    def feed(self, item: Any) -> list[tuple[Region, _Lane]]:
        """What is let through of the texts, now that this item is here.

        Raises:
            MalformedCall: it is no plain data. HeldTooLong: too much waits.
        """
        own, _ = returned(item)
        places: dict[str, tuple[int, int]] = {}
        out: list[tuple[Region, _Lane]] = []
        for path, text in texts_of(own):
            if path not in self._lanes and len(self._lanes) >= MAX_ITEMS:
                raise HeldTooLong
            lane = self._lanes.setdefault(path, _Lane(self._plan))
            places[path] = lane.fed, lane.fed + len(text)
            lane.fed += len(text)
            out += [(region, lane) for region in lane.hold.feed(text)]
        self._items.append((own, places))
        return out

    def end(self) -> list[tuple[Region, _Lane]]:
        """What is let through as no more items come."""
        return [(region, lane) for lane in self._lanes.values() for region in lane.hold.end()]

    def ready(self) -> Iterable[Any]:
        """The items that may be seen, in order, without what was removed."""
        while self._items:
            item, places = self._items[0]
            if any(end > self._lanes[path].hold.released for path, (_, end) in places.items()):
                return
            self._items.popleft()
            yield with_texts(item, partial(self._between, places))

    def _between(self, places: Mapping[str, tuple[int, int]], path: str, text: str) -> str:
        return self._lanes[path].between(places[path][0], text)
