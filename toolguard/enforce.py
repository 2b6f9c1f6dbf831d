"""`@guarded`: nothing reaches the tool before the decision point has allowed exactly that.

`enforcement` describes one guarded call as a generator of steps; four thin drivers (function, coroutine, generator, async
generator) carry the steps out. Nothing about the decision is written twice.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from toolguard.binding import Binding
from toolguard.canonical import snapshot
from toolguard.errors import MalformedCall, ToolDenied, ToolHalted
from toolguard.model import Outcome, Verdict
from toolguard.tickets import Ticket, ticket_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable

    from toolguard.model import Decision
    from toolguard.point import DecisionPoint, Stoppable

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Work:
    """A step that may wait for the disk or a person; `do_async` is the same for asyncio, where there is such a thing."""

    do: Callable[[], Any]
    do_async: Callable[[], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The step that runs the tool, with these arguments and no others. Its answer is an Outcome."""

    args: list[Any]
    kwargs: dict[str, Any]
    running: Stoppable


Step = Work | Run
VERBS = ("evaluate", "evaluate_async", "refuse", "approve", "approve_async", "running", "settle", "settle_async")


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
        return (yield from _to_its_end(self.point, decision, *self.binding.spread(own | injected)))


def _to_its_end(
    point: DecisionPoint, decision: Decision, args: list[Any], kwargs: dict[str, Any], ticket: Ticket | None = None
) -> Generator[Step, Any, Outcome]:
    """Run an allowed call and record its outcome, unless a guarded function inside of it has done that."""
    outcome: Outcome = yield Run(args, kwargs, point.running(decision))
    if ticket is None or not ticket.used:
        yield Work(lambda: point.settle(decision, outcome), lambda: point.settle_async(decision, outcome))
    return outcome


def carried_out(point: DecisionPoint, decision: Decision, tool: Callable[[], R]) -> R:
    """Run the tool of an allowed call, with a ticket for it, and record what became of it. Raises what the tool raises."""
    ticket = Ticket(point, decision)

    def run() -> R:
        with ticket:
            return tool()

    return _driven(_to_its_end(point, decision, [], {}, ticket), run)  # type: ignore[no-any-return]


async def carried_out_async(point: DecisionPoint, decision: Decision, tool: Callable[[], Awaitable[R]]) -> R:
    """As `carried_out`, for a coroutine."""
    ticket = Ticket(point, decision)

    async def run() -> R:
        with ticket:
            return await tool()

    return await _driven_async(_to_its_end(point, decision, [], {}, ticket), run)  # type: ignore[no-any-return]


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
        return _coroutine(tool, on_deny)
    generator = inspect.isgeneratorfunction(kind) or inspect.isasyncgenfunction(kind)
    if generator and on_deny is not None:
        raise TypeError(f"`{tool.name}` is a generator, which has no result to put a denial in: leave `on_deny` out")
    if inspect.isasyncgenfunction(kind):
        return _async_generator(tool)
    return _generator(tool) if generator else _function(tool, on_deny)


def _function(tool: GuardedTool, on_deny: Callable[[ToolDenied], Any] | None) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _driven(tool.enforcement(args, kwargs), tool.function)

    def saying(*args: Any, **kwargs: Any) -> Any:
        try:
            return wrapper(*args, **kwargs)
        except ToolDenied as denied:
            return on_deny(denied)  # type: ignore[misc]

    return saying if on_deny else wrapper


def _driven(flow: Generator[Step, Any, Outcome], function: Callable[..., Any]) -> Any:
    answer = None
    while isinstance(step := _next(flow, answer), Work | Run):
        if isinstance(step, Work):
            answer = step.do()
            continue
        ended = _Ended(step.running)
        try:
            step.running.check()
            with step.running:
                answer = ended.returned(function(*step.args, **step.kwargs))
        except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
            answer = ended.raised(error)
    return _result(step)


def _coroutine(tool: GuardedTool, on_deny: Callable[[ToolDenied], Any] | None) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await _driven_async(tool.enforcement(args, kwargs), tool.function)

    async def saying(*args: Any, **kwargs: Any) -> Any:
        try:
            return await wrapper(*args, **kwargs)
        except ToolDenied as denied:
            return on_deny(denied)  # type: ignore[misc]

    return saying if on_deny else wrapper


async def _driven_async(flow: Generator[Step, Any, Outcome], function: Callable[..., Any]) -> Any:
    answer = None
    while isinstance(step := _next(flow, answer), Work | Run):
        if isinstance(step, Work):
            answer = await _off_the_loop(step)
            continue
        ended = _Ended(step.running)
        _cancelled_by_a_halt(step.running)
        try:
            step.running.check()
            with step.running:
                answer = ended.returned(await function(*step.args, **step.kwargs))
        except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
            answer = ended.raised(error)
    return _result(step)


def _generator(tool: GuardedTool) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = step.do()
                continue
            running, ended = step.running, _Ended(step.running)
            source = tool.function(*step.args, **step.kwargs)
            try:
                running.check()
                with running:
                    item = next(source)
                while True:  # what `yield from` does, with a look at what is halted before and after each item
                    running.check()
                    try:
                        sent = yield item
                    except GeneratorExit:
                        source.close()
                        raise
                    except BaseException as error:  # noqa: BLE001 - handed to the tool, which may handle it
                        with running:
                            item = source.throw(error)
                    else:
                        running.check()
                        with running:
                            item = source.send(sent)
            except StopIteration as stop:
                answer = ended.returned(stop.value)
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                with contextlib.suppress(BaseException):  # whatever the tool makes of being closed
                    source.close()
                answer = ended.raised(error)
        return _result(step)

    return wrapper


def _async_generator(tool: GuardedTool) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = await _off_the_loop(step)
                continue
            running, ended = step.running, _Ended(step.running)
            source = tool.function(*step.args, **step.kwargs)
            waiting = _cancelled_by_a_halt(running)
            try:
                running.check()
                item = await _advanced(anext(source), running, waiting)
                while True:  # what `yield from` does, which async generators do not have
                    running.check()
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await source.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - handed to the tool, which may handle it
                        item = await _advanced(source.athrow(error), running, waiting)
                    else:
                        running.check()
                        item = await _advanced(source.asend(sent), running, waiting)
            except StopAsyncIteration:
                answer = ended.returned()
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                answer = ended.raised(error)
                if answer.kind == "halted":
                    with contextlib.suppress(BaseException):  # whatever the tool makes of being closed
                        await source.aclose()
        _result(step)

    return wrapper


class _Ended:
    """What became of a tool that began now."""

    __slots__ = ("running", "started")

    def __init__(self, running: Stoppable) -> None:
        self.running = running
        self.started = perf_counter_ns()

    def returned(self, value: Any = None) -> Outcome:
        self.running.end()
        return Outcome("returned", perf_counter_ns() - self.started, value, spent=self.running.spent)

    def raised(self, error: BaseException) -> Outcome:
        """A call that was stopped has been halted, whatever the stopping made of it."""
        self.running.end()
        taken = perf_counter_ns() - self.started
        if self.running.stopped:
            _no_longer_cancelled(error)
            halted = error if isinstance(error, ToolHalted) else self.running.halted()
            return Outcome("halted", taken, error=halted, spent=self.running.spent)
        kind = "closed" if isinstance(error, GeneratorExit) else "raised"
        return Outcome(kind, taken, error=error, spent=self.running.spent)


class _Waiting:
    """The asyncio task, if any, that waits for the tool."""

    __slots__ = ("task",)

    def __init__(self) -> None:
        self.task: Any = None


def _cancelled_by_a_halt(running: Stoppable) -> _Waiting:
    """Let a halt cancel the task that waits for the tool, as long as it does (asyncio's; others are not cancelled)."""
    import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

    waiting = _Waiting()
    try:
        loop, waiting.task = asyncio.get_running_loop(), asyncio.current_task()
    except RuntimeError:
        return waiting

    def cancel() -> None:
        if waiting.task is not None and not running.ended:
            waiting.task.cancel()

    running.on_halt(lambda: loop.call_soon_threadsafe(cancel))
    return waiting


async def _advanced(step: Awaitable[Any], running: Stoppable, waiting: _Waiting) -> Any:
    """The tool's next item; only while it is waited for does a halt cancel the task."""
    import asyncio  # noqa: PLC0415

    with contextlib.suppress(RuntimeError):
        waiting.task = asyncio.current_task()
    try:
        with running:
            return await step
    finally:
        waiting.task = None


def _no_longer_cancelled(error: BaseException) -> None:
    """A task that a halt has cancelled goes on, with an error of ours."""
    import asyncio  # noqa: PLC0415

    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()


def _next(flow: Generator[Step, Any, Outcome], answer: Any) -> Step | Outcome:
    try:
        return flow.send(answer)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def _off_the_loop(work: Work) -> Any:
    """Work that may wait, without holding up the event loop (asyncio's; under another one it is done here)."""
    import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work.do()
    return await (work.do_async() if work.do_async is not None else asyncio.to_thread(work.do))


def _result(outcome: Outcome) -> Any:
    if outcome.error is not None:
        raise outcome.error
    return outcome.value


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
