"""What a guard can be asked about what comes back: results of calls, and streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from toolguard.errors import ToolDenied, ToolHalted
from toolguard.model import Decision, ToolCall, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from typing import Unpack

    from toolguard.flowing import GuardedAsyncIterator, GuardedIterator
    from toolguard.model import Outcome
    from toolguard.point import Stoppable, Who
    from toolguard.releasing import Releasing


class Results:
    """The part of a Guard that is about what comes back."""

    _releasing: Releasing

    def judges_results(self, decision: Decision) -> bool:
        """Whether anything is asked of what comes back of an allowed call."""
        return decision.policies is not None and decision.policies.judges_results(decision.call)

    def release(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """What came back of an allowed call as the agent may see it: redacted, or with a ToolDenied as its `error`."""
        return self._releasing.release(decision, outcome, running) if self.judges_results(decision) else outcome

    async def release_async(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """As `release`, for asyncio."""
        judged = self.judges_results(decision)
        return await self._releasing.release_async(decision, outcome, running) if judged else outcome

    def released(self: Any, tool: str, params: Mapping[str, Any], outcome: Outcome, **who: Unpack[Who]) -> Outcome:
        """As `release`, for a call that was allowed in another process, whose decision is not at hand.

        Raises:
            MalformedCall: it is no call.
        """
        call = ToolCall(tool, params, who.get("group"), call_id=who.get("call_id") or self._new_id())
        self._identified(call, **who)
        allowed: Outcome = self.release(Decision(call, Verdict.ALLOW, policies=self.policies), outcome)
        return allowed

    def watched(self, decision: Decision, source: Any, running: Stoppable) -> Any:
        """What may be seen of the pieces that the tool of an allowed call yields. Who reads them asks about halts."""
        return self._releasing.watched(decision, source, running)

    def stream(
        self: Any,
        source: Iterable[Any] | AsyncIterable[Any],
        *,
        direction: Literal["output", "input"] = "output",
        tool: str = "model",
        **who: Unpack[Who],
    ) -> GuardedIterator | GuardedAsyncIterator:
        """Text, bytes or items that come from a model (`output`) or go to it (`input`), as far as they may be seen.

        Policies see a call of the tool `model.output` (or `model.input`), and what is in the stream as its result. Nothing is
        let through before it is certain that nothing forbidden begins in it; a halt ends the stream.

        Raises:
            ToolDenied: no policy allows such a stream, or it is halted (ToolHalted).
            StreamDenied: while it is read: what comes next is forbidden. The source has been closed then.
        """
        decision: Decision = self.evaluate(f"{tool}.{direction}", {}, **who)
        if decision.verdict == Verdict.ESCALATE:
            decision = self.approve(decision)
        elif not decision.allowed:
            raise ToolHalted(decision) if decision.halted else ToolDenied(decision)
        running = self.running(decision)
        pieces = source if hasattr(source, "__anext__") or hasattr(source, "__next__") else _iterated(source)
        carrier: GuardedIterator | GuardedAsyncIterator = self._releasing.watched(
            decision, pieces, running, lambda outcome: self.settle(decision, outcome)
        )
        return carrier


def _iterated(source: Any) -> Any:
    return aiter(source) if hasattr(source, "__aiter__") else iter(source)
