"""`@guarded`: nothing reaches the tool before the decision point has allowed exactly that.

`enforcement` describes one guarded call as a generator of steps; four thin drivers (`driving.py`) carry the steps out. Nothing
about the decision is written twice.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from toolguard.binding import Binding
from toolguard.canonical import snapshot
from toolguard.driving import Run, Step, Work, as_async_generator, as_coroutine, as_function, as_generator, driven, driven_async
from toolguard.errors import MalformedCall, ToolDenied, ToolHalted
from toolguard.model import Verdict
from toolguard.redact import as_redacted
from toolguard.tickets import Ticket, ticket_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable

    from toolguard.model import Decision, Outcome
    from toolguard.point import DecisionPoint, Stoppable

P = ParamSpec("P")
R = TypeVar("R")


VERBS = (
    *("evaluate", "evaluate_async", "refuse", "approve", "approve_async", "running"),
    *("judges_results", "watched", "release", "release_async", "settle", "settle_async"),
)


@dataclass(frozen=True, slots=True)
class GuardedTool:
    """One tool behind one decision point."""

    point: DecisionPoint
    function: Callable[..., Any]
    name: str
    group: str | None
    binding: Binding

    def enforcement(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Step, Any, Outcome]:
        """One guarded call: bind, copy, decide, perhaps ask a person, run, record the outcome."""
        try:
            params, injected = self.binding.bind(args, kwargs)
            own, view = snapshot(params)
        except MalformedCall as malformed:
            reason = f"malformed call: {malformed}"
            raise ToolDenied((yield Work(lambda: self.point.refuse(self.name, reason, group=self.group)))) from None
        decision = ticket_for(self.point, self.name, self.group, view)
        if decision is None:
            decision = yield Work(
                lambda: self.point.evaluate(self.name, view, group=self.group),
                lambda: self.point.evaluate_async(self.name, view, group=self.group),
            )
            if decision.verdict == Verdict.ESCALATE:
                asked = decision
                decision = yield Work(lambda: self.point.approve(asked), lambda: self.point.approve_async(asked))
            elif not decision.allowed:
                raise ToolHalted(decision) if decision.halted else ToolDenied(decision)
        if decision.redacted is not None and view != decision.redacted:  # an adapter has changed them already
            own = yield from self._as_obliged(decision, own)
        return (yield from _to_its_end(self.point, decision, *self.binding.spread(own | injected)))

    def _as_obliged(self, decision: Decision, own: dict[str, Any]) -> Generator[Step, Any, dict[str, Any]]:
        """The tool's own copy of the arguments with the obligations carried out; those that are gone leave their defaults."""
        try:
            return self.binding.filled(as_redacted(own, decision.call.params, decision.params))
        except MalformedCall as missing:
            reason = f"an obligation cannot be carried out: {missing}"
            raise ToolDenied((yield Work(lambda: self.point.refuse(self.name, reason, group=self.group)))) from None


def _to_its_end(
    point: DecisionPoint, decision: Decision, args: list[Any], kwargs: dict[str, Any], ticket: Ticket | None = None
) -> Generator[Step, Any, Outcome]:
    """Run an allowed call and record its outcome, unless a guarded function inside of it has done that."""
    running = point.running(decision)
    judges = (ticket is None or not ticket.used) and point.judges_results(decision)
    watched = _Watched(point, decision, running) if judges else None
    outcome: Outcome = yield Run(args, kwargs, running, watched)
    if ticket is not None and ticket.used:
        return outcome
    yield Work(lambda: point.settle(decision, outcome), lambda: point.settle_async(decision, outcome))
    if watched is None or watched.used or not _is_a_result(outcome):
        return outcome
    seen: Outcome = yield Work(
        lambda: point.release(decision, outcome, running), lambda: point.release_async(decision, outcome, running)
    )
    return seen


class _Watched:
    """What goes through here piece by piece is judged, and needs not be judged at its end."""

    __slots__ = ("_decision", "_point", "_running", "used")

    def __init__(self, point: DecisionPoint, decision: Decision, running: Stoppable) -> None:
        self._point, self._decision, self._running, self.used = point, decision, running, False

    def __call__(self, source: Any) -> Any:
        self.used = True
        return self._point.watched(self._decision, source, self._running)


def _is_a_result(outcome: Outcome) -> bool:
    """What came back, and not how the call was ended from outside, or a denial."""
    if outcome.error is not None:
        return isinstance(outcome.error, Exception) and not isinstance(outcome.error, ToolDenied)
    return outcome.kind == "returned"


def carried_out(point: DecisionPoint, decision: Decision, tool: Callable[[], R]) -> R:
    """Run the tool of an allowed call, with a ticket for it, and record what became of it. Raises what the tool raises."""
    ticket = Ticket(point, decision)

    def run() -> R:
        with ticket:
            return tool()

    return driven(_to_its_end(point, decision, [], {}, ticket), run)  # type: ignore[no-any-return]


async def carried_out_async(point: DecisionPoint, decision: Decision, tool: Callable[[], Awaitable[R]]) -> R:
    """As `carried_out`, for a coroutine."""
    ticket = Ticket(point, decision)

    async def run() -> R:
        with ticket:
            return await tool()

    return await driven_async(_to_its_end(point, decision, [], {}, ticket), run)  # type: ignore[no-any-return]


def guarded(
    point: DecisionPoint,
    *,
    tool: str | None = None,
    group: str | None = None,
    injected: Iterable[str] = (),
    on_deny: Callable[[ToolDenied], Any] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Guard a function, method, coroutine, generator or async generator.

    The wrapper keeps the name, docstring, signature and types, raises ToolDenied on a denial and waits on an escalation. All
    arguments are judged under the parameter's own name: positional, keyword, defaults, `*args` as one list, and each extra
    keyword of `**kwargs` under its own name. The tool gets a private copy of what was judged.

    Coroutines and generators are judged when they first run (at `await`, at the first `next`), as the caller they run for then.

    Args:
        point: who decides; a Guard.
        tool: the name policies use; the function's own name if left out.
        group: the group policies use.
        injected: parameters that the host program fills in (a connection, a run context): not judged, passed on untouched.
            `self` and `cls` always are.
        on_deny: for functions and coroutines, makes what a denied call returns in the place of raising:
            `ToolDenied.message_for_model` hands the model the reason as the tool's result.

    Raises:
        TypeError: at decoration, for what is not a function, or an injected name that the function does not have, and for
            `on_deny` on a generator.
    """
    if not all(hasattr(point, verb) for verb in VERBS):
        raise TypeError(f"`{point!r}` does not decide anything: write `@guarded(guard)` with a Guard")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(decorate(function.__func__))
        if isinstance(function, type) or not callable(function):
            raise TypeError(f"`{function!r}` cannot be guarded: decorate a function or a method")
        name = tool or getattr(function, "__name__", None)
        if not name:
            raise TypeError(f"`{function!r}` has no name: say `tool=`")
        tool_behind = GuardedTool(point, function, name, group, Binding(function, injected))
        return _dressed(_wrapper(tool_behind, on_deny), function)

    return decorate


def _wrapper(tool: GuardedTool, on_deny: Callable[[ToolDenied], Any] | None) -> Callable[..., Any]:
    """A wrapper of the same kind as the tool, so that frameworks treat it alike."""
    function = tool.function
    plain = inspect.isroutine(function) or isinstance(function, functools.partial)
    kind = function if plain else function.__call__  # type: ignore[operator]
    if inspect.iscoroutinefunction(kind):
        return as_coroutine(tool, on_deny)
    generator = inspect.isgeneratorfunction(kind) or inspect.isasyncgenfunction(kind)
    if generator and on_deny is not None:
        raise TypeError(f"`{tool.name}` is a generator, which has no result to put a denial in: leave `on_deny` out")
    if inspect.isasyncgenfunction(kind):
        return as_async_generator(tool)
    return as_generator(tool) if generator else as_function(tool, on_deny)


def _dressed(wrapper: Callable[..., Any], function: Callable[P, R]) -> Callable[P, R]:
    """Name, docstring, signature and types of the tool, without the `__wrapped__` that would hand out the tool itself."""
    functools.update_wrapper(wrapper, function)
    del wrapper.__wrapped__  # type: ignore[attr-defined]
    signature = inspect.signature(function)
    # Annotations written as text would later be looked up in this module instead of the tool's own.
    with contextlib.suppress(Exception):  # a name that is not there yet: the text stays, as it was before decoration
        signature = inspect.signature(function, eval_str=True)
        wrapper.__annotations__ = inspect.get_annotations(function, eval_str=True)
    wrapper.__signature__ = signature  # type: ignore[attr-defined]
    return wrapper
