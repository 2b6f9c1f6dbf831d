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
from toolguard.model import DecisionPoint, Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable

    from toolguard.model import Decision

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


Step = Work | Run
VERBS = ("evaluate", "evaluate_async", "refuse", "approve", "settle", "settle_async")


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
        decision: Decision = yield Work(
            lambda: self.point.evaluate(self.name, view, group=self.group),
            lambda: self.point.evaluate_async(self.name, view, group=self.group),
        )
        if decision.verdict == Verdict.ESCALATE:
            yield Work(lambda: self.point.approve(decision))
        elif not decision.allowed:
            raise ToolHalted(decision) if decision.halted else ToolDenied(decision)
        outcome: Outcome = yield Run(*self.binding.spread(own | injected))
        yield Work(lambda: self.point.settle(decision, outcome), lambda: self.point.settle_async(decision, outcome))
        return outcome


def guarded(
    point: DecisionPoint, *, tool: str | None = None, group: str | None = None, injected: Iterable[str] = ()
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

    Raises:
        TypeError: at decoration, for what is not a function, or an injected name that the function does not have.
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
        return _dressed(_wrapper(tool_behind), function)

    return decorate


def _wrapper(tool: GuardedTool) -> Callable[..., Any]:
    """A wrapper of the same kind as the tool, so that frameworks treat it alike."""
    function = tool.function
    plain = inspect.isroutine(function) or isinstance(function, functools.partial)
    kind = function if plain else function.__call__  # type: ignore[operator]
    if inspect.isasyncgenfunction(kind):
        return _async_generator(tool)
    if inspect.iscoroutinefunction(kind):
        return _coroutine(tool)
    return _generator(tool) if inspect.isgeneratorfunction(kind) else _function(tool)


def _function(tool: GuardedTool) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = step.do()
                continue
            started = perf_counter_ns()
            try:
                answer = _outcome("returned", started, tool.function(*step.args, **step.kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                answer = _outcome("raised", started, error=error)
        return _result(step)

    return wrapper


def _coroutine(tool: GuardedTool) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = await _off_the_loop(step)
                continue
            started = perf_counter_ns()
            try:
                answer = _outcome("returned", started, await tool.function(*step.args, **step.kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                answer = _outcome("raised", started, error=error)
        return _result(step)

    return wrapper


def _generator(tool: GuardedTool) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = step.do()
                continue
            started = perf_counter_ns()
            try:
                value = yield from tool.function(*step.args, **step.kwargs)
                answer = _outcome("returned", started, value)
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                answer = _outcome("closed" if isinstance(error, GeneratorExit) else "raised", started, error=error)
        return _result(step)

    return wrapper


def _async_generator(tool: GuardedTool) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = await _off_the_loop(step)
                continue
            started = perf_counter_ns()
            source = tool.function(*step.args, **step.kwargs)
            try:
                item = await anext(source)
                while True:  # what `yield from` does, which async generators do not have
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await source.aclose()
                        raise
                    except BaseException as error:  # noqa: BLE001 - handed to the tool, which may handle it
                        item = await source.athrow(error)
                    else:
                        item = await source.asend(sent)
            except StopAsyncIteration:
                answer = _outcome("returned", started)
            except BaseException as error:  # noqa: BLE001 - raised again once it is recorded
                answer = _outcome("closed" if isinstance(error, GeneratorExit) else "raised", started, error=error)
        _result(step)

    return wrapper


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


def _outcome(kind: str, started: int, value: Any = None, error: BaseException | None = None) -> Outcome:
    return Outcome(kind, perf_counter_ns() - started, value, error)


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
