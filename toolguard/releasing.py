"""What may be seen of what came back: rules over results judge it, a person may have to, and obligations are carried out."""

from __future__ import annotations

import inspect
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from toolguard.canonical import MAX_TEXT, kind_name
from toolguard.engine.decide import decide_result
from toolguard.errors import MalformedCall, ToolDenied
from toolguard.flowing import GuardedAsyncIterator, GuardedFile, GuardedIterator, file_pieces
from toolguard.model import Came, Decision, Outcome, Verdict
from toolguard.policy.fields import RESULT
from toolguard.redact import CannotRedact, of_result, undone
from toolguard.returned import returned
from toolguard.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.approvals.asking import Asking
    from toolguard.engine.compile import PolicySet
    from toolguard.model import ToolCall
    from toolguard.point import Stoppable
    from toolguard.recording import Recording

MAX_CHAIN = 100  # errors that led to one another
_logger = logging.getLogger("toolguard")


class Releasing:
    """Lets calls and results go on as the rules want them to be, for one guard. `key` is what digests are made with.

    `ask` is who answers what rules over a call put to a model, and `told` hears of every decision that was recorded.
    """

    def __init__(
        self,
        recording: Recording,
        asking: Asking,
        key: bytes | None,
        ask: Callable[[ToolCall], Any],
        told: Callable[[Decision], object],
    ) -> None:
        self._recording, self._asking, self._key, self._ask, self._told = recording, asking, key, ask, told

    def release(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """The outcome as the caller of the tool may see it; in the place of what it may not, ToolDenied."""
        if running is not None and (carrier := self._carrier_of(decision, outcome.value, running)) is not None:
            return replace(outcome, value=carrier)
        judged, visible = self._judged(decision, outcome)
        if judged.verdict == Verdict.ESCALATE:
            try:
                self._asking.answered(judged)
            except ToolDenied as denied:
                return _withheld(outcome, denied)
        return visible

    async def release_async(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """As `release`, for asyncio."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        if running is not None and (carrier := self._carrier_of(decision, outcome.value, running)) is not None:
            return replace(outcome, value=carrier)
        judged, visible = await asyncio.to_thread(self._judged, decision, outcome)
        if judged.verdict == Verdict.ESCALATE:
            try:
                await self._asking.answered_async(judged)
            except ToolDenied as denied:
                return _withheld(outcome, denied)
        return visible

    def watched(
        self, decision: Decision, source: Any, running: Stoppable, over: Callable[[Outcome], object] | None = None
    ) -> Any:
        """What may be seen of the pieces that a source yields.

        `over` is told how it ended; without it, somebody else looks at that, and at halts.
        """
        stream = Stream(_policies(decision).stream_for(decision.call), decision, self._key)
        judges = _Judges(self, decision, over)
        carrier: Any = GuardedAsyncIterator if hasattr(source, "__anext__") else GuardedIterator
        return carrier(source, stream, judges, running, inside=over is None)

    def _carrier_of(self, decision: Decision, value: Any, running: Stoppable) -> Any:
        """A stream that a tool has returned, guarded; None for every other value."""
        empty = _nothing_of(value)
        if empty is None and not hasattr(value, "__next__") and not hasattr(value, "__anext__"):
            return None
        running.go_on()
        if empty is None:
            return self.watched(decision, value, running, _nothing)
        return GuardedFile(self.watched(decision, file_pieces(value), running, _nothing), empty)

    def judged_again(self, decision: Decision) -> Decision:
        """An escalated result, once it was answered."""
        return self.recorded(decide_result(_policies(decision), decision.call), decision)

    def recorded(self, judged: Decision, of: Decision) -> Decision:
        """The decision on a result with its record, if there is anything to record; a denial if that fails."""
        says = judged.hits or judged.shadow_hits or judged.cause
        if not says:
            return judged
        judged = self._recording.result(judged, of)
        self._told(without_result(judged))
        return judged

    def _judged(self, decision: Decision, outcome: Outcome) -> tuple[Decision, Outcome]:
        """(The decision on what came back, the outcome as it may be seen unless that decision escalates and is refused)."""
        try:
            return self._judgement(decision, outcome)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with us, nothing goes on; what it says may be of the result
            _logger.error("judging what came back of `%s` failed (%s)", decision.call.tool, type(error).__name__)  # noqa: TRY400
            broken = replace(decision.call, came=Came(why_unknown="is withheld"))
            judged = Decision(broken, Verdict.DENY, cause=f"internal error: {type(error).__name__}", policies=decision.policies)
            return judged, _withheld(outcome, ToolDenied(self.recorded(judged, decision)))

    def _judgement(self, decision: Decision, outcome: Outcome) -> tuple[Decision, Outcome]:
        call = replace(decision.call, came=came_of(outcome), ask=self._ask(decision.call))
        judged = decide_result(_policies(decision), call)
        value, error = outcome.value, outcome.error
        if judged.verdict < Verdict.DENY and judged.obligations:
            try:
                if error is not None:
                    raise CannotRedact(f"`{type(error).__name__}` was raised, and errors are not changed")  # noqa: TRY301
                value = of_result(judged, value, self._key)
            except CannotRedact as why:
                judged = undone(judged, why)
        unseen = judged.call.came
        if judged.verdict == Verdict.ESCALATE and unseen is not None and unseen.why_unknown:
            judged = replace(judged, verdict=Verdict.DENY, cause=f"{judged.reason}, and nobody can be shown it")
        judged = self.recorded(judged, decision)
        if judged.verdict == Verdict.DENY:
            return judged, _withheld(outcome, ToolDenied(judged))
        return judged, replace(outcome, value=value)


class _Judges:
    """What one stream asks of us."""

    def __init__(self, releasing: Releasing, decision: Decision, over: Callable[[Outcome], object] | None) -> None:
        self._releasing, self._decision = releasing, decision
        self.over = over or _nothing

    def noted(self, decision: Decision) -> Decision:
        return self._releasing.recorded(decision, self._decision)

    def judged(self, outcome: Outcome) -> Outcome:
        return self._releasing.release(self._decision, outcome)

    async def judged_async(self, outcome: Outcome) -> Outcome:
        return await self._releasing.release_async(self._decision, outcome)


def _nothing_of(value: Any) -> str | bytes | None:
    """No character or no byte of a file that is open for reading; None for what is no such file."""
    if not (callable(getattr(value, "read", None)) and callable(getattr(value, "close", None))):
        return None
    try:
        empty = value.read(0)
    except Exception:  # noqa: BLE001 - it reads in another way, and is judged as what it is
        return None
    if inspect.iscoroutine(empty):
        empty.close()
    return empty if isinstance(empty, str | bytes) and not empty else None


def _nothing(_: Outcome) -> None:
    """What becomes of a stream that a tool has returned is not waited for: its outcome is on record."""


def came_of(outcome: Outcome) -> Came:
    """What came back as rules see it."""
    if outcome.error is not None:
        said = _said_by(outcome.error)
        return Came(said, raised=True) if said is not None else Came(raised=True, why_unknown="says more than can be judged")
    try:
        return Came(returned(outcome.value)[1])
    except MalformedCall as malformed:
        why = str(malformed).removeprefix(f"`{RESULT}` ")
        return Came(why_unknown=why if why != str(malformed) else f"cannot be read: {malformed}")


def _said_by(error: BaseException) -> str | None:
    """All that an error says, and those that led to it: their types, texts, arguments and notes. None if that is too much."""
    said, seen = list[str](), set[int]()
    left = [error]
    while left:
        each = left.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        if len(seen) > MAX_CHAIN:
            return None
        said += [f"{type(each).__name__}: {_text(each)}", *map(_text, each.args), *map(_text, getattr(each, "__notes__", ()))]
        said += [f"{name}: {_text(value)}" for name, value in _attributes(each).items() if name != "__notes__"]
        left += [inner for inner in (each.__cause__, each.__context__, *getattr(each, "exceptions", ())) if inner is not None]
    text = "\n".join(dict.fromkeys(said))
    return text if len(text) <= MAX_TEXT else None


def _attributes(error: BaseException) -> dict[str, Any]:
    slots = [name for kind in type(error).__mro__ for name in getattr(kind, "__slots__", ()) if not name.startswith("__")]
    return {name: getattr(error, name, None) for name in slots} | vars(error)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object that cannot say what it is says nothing
        return kind_name(value)


def _withheld(outcome: Outcome, denied: ToolDenied) -> Outcome:
    """The denial in the place of what came back, of which it keeps nothing."""
    denied.decision = without_result(denied.decision)
    return Outcome(outcome.kind, outcome.duration, error=denied, spent=outcome.spent)


def without_result(decision: Decision) -> Decision:
    """A decision on a result that gives nothing of it away."""
    came = decision.call.came
    if came is None:
        return decision
    return replace(decision, call=replace(decision.call, came=replace(came, result=None, why_unknown="is withheld"), ask=None))


def _policies(decision: Decision) -> PolicySet:
    return cast("PolicySet", decision.policies)  # a decision of ours is made with policies of ours
