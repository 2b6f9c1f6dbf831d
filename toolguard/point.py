"""What enforcement needs of whoever decides, in this process or elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    from toolguard.model import Approval, Decision, Identity, Outcome


class Who(TypedDict, total=False):
    """What a call may come with besides its tool and parameters."""

    group: str | None
    agent_id: str | None
    session_id: str | None
    org_id: str | None
    context: Mapping[str, Any] | None
    call_id: str | None


class Stoppable(Protocol):
    """A call that runs. It is a context around the tool's own code."""

    stopped: bool
    ended: bool
    spent: dict[str, Any]

    def __enter__(self) -> None: ...

    def __exit__(self, *exception: object) -> None: ...

    def on_halt(self, stop: Callable[[], object]) -> None:
        """Call this, from another thread, when the call is halted."""

    def check(self) -> None:
        """Raise ToolHalted if the call is halted."""

    def halted(self) -> BaseException:
        """What to raise in the place of what became of a call that was stopped."""

    def end(self) -> None:
        """The tool has ended."""

    def go_on(self) -> None:
        """It has not: what it returned is a stream."""

    def stop(self) -> None:
        """Stop it as a halt would."""


class DecisionPoint(Protocol):
    """What enforcement needs of whoever decides, in this process or elsewhere."""

    def evaluate(self, tool: str, params: Mapping[str, Any], **who: Unpack[Who]) -> Decision:
        """Judge and record one call; never raises for a verdict."""

    async def evaluate_async(self, tool: str, params: Mapping[str, Any], **who: Unpack[Who]) -> Decision:
        """As `evaluate`, without holding up asyncio's event loop."""

    def refuse(self, tool: str, reason: str, **who: Unpack[Who]) -> Decision:
        """Record that a call was refused before it could be judged."""

    def approve(self, decision: Decision) -> Decision:
        """The decision to go on with, when a person has approved this escalated call; raise ToolDenied in every other case."""

    async def approve_async(self, decision: Decision) -> Decision:
        """As `approve`, without holding up asyncio's event loop."""

    def running(self, decision: Decision) -> Stoppable:
        """The allowed call is about to run; whoever runs it says when it has ended, and may say how it is stopped."""

    def judges_results(self, decision: Decision) -> bool:
        """Whether anything is asked of what comes back of the allowed call."""

    def watched(self, decision: Decision, source: Any, running: Stoppable) -> Any:
        """What may be seen of the pieces that a tool yields: an iterator over an iterator, an async one over an async one."""

    def release(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """The outcome as the caller of the tool may see it; in the place of what it may not, ToolDenied as its error."""

    async def release_async(self, decision: Decision, outcome: Outcome, running: Stoppable | None = None) -> Outcome:
        """As `release`, without holding up asyncio's event loop."""

    def settle(self, decision: Decision, outcome: Outcome) -> None:
        """Record what became of an allowed call; never raises, because the tool has already run."""

    async def settle_async(self, decision: Decision, outcome: Outcome) -> None:
        """As `settle`, without holding up asyncio's event loop."""


class Answerable(DecisionPoint, Protocol):
    """What adapters need of it besides: questions and answers, who is calling, and stopping a session."""

    @property
    def caller(self) -> Identity:
        """Who is calling here and now, as the host program says."""

    def pending(self) -> Sequence[Any]:
        """The escalated calls that wait for an answer in the ledger."""

    def answer(self, decision: Decision, approval: Approval) -> Decision:
        """Record an answer that the program vouches for; the decision to go on with, or ToolDenied."""

    def halt(self, scope: str, *, reason: str, by: str, level: str = "halt") -> Any:
        """Stop, or slow down, what the scope covers."""
