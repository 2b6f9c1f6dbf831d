"""The drivers of one guarded call: they carry its steps out, as a function, a coroutine, a generator or an async generator.

What the steps are is said by the enforcement; nothing is decided here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from toolguard.errors import ToolDenied, ToolHalted
from toolguard.model import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from toolguard.point import Stoppable


@dataclass(frozen=True, slots=True)
class Work:
    """A step that may wait for the disk or a person; `do_async` is the same for asyncio, where there is such a thing."""

    do: Callable[[], Any]
    do_async: Callable[[], Awaitable[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """The step that runs the tool, with these arguments and no others. Its answer is an Outcome.

    What the tool yields goes through `watched`, if there is one.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    running: Stoppable
    watched: Callable[[Any], Any] | None = None


Step = Work | Run


class Enforced(Protocol):
    """A tool, and the steps of each call of it."""

    @property
    def function(self) -> Callable[..., Any]:
        """The tool itself."""

    def enforcement(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[Step, Any, Outcome]:
        """The steps of one call."""


def as_function(tool: Enforced, on_deny: Callable[[ToolDenied], Any] | None) -> Callable[..., Any]:
    """A function that carries a call out. `on_deny` makes its result where that is denied."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return driven(tool.enforcement(args, kwargs), tool.function)

    def saying(*args: Any, **kwargs: Any) -> Any:
        try:
            return wrapper(*args, **kwargs)
        except ToolDenied as denied:
            return on_deny(denied)  # type: ignore[misc]

    return saying if on_deny else wrapper


def driven(flow: Generator[Step, Any, Outcome], function: Callable[..., Any]) -> Any:
    """Carry the steps out."""
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


def as_coroutine(tool: Enforced, on_deny: Callable[[ToolDenied], Any] | None) -> Callable[..., Any]:
    """As `as_function`, for a coroutine."""

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await driven_async(tool.enforcement(args, kwargs), tool.function)

    async def saying(*args: Any, **kwargs: Any) -> Any:
        try:
            return await wrapper(*args, **kwargs)
        except ToolDenied as denied:
            return on_deny(denied)  # type: ignore[misc]

    return saying if on_deny else wrapper


async def driven_async(flow: Generator[Step, Any, Outcome], function: Callable[..., Any]) -> Any:
    """As `driven`, without holding up the event loop."""
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


def as_generator(tool: Enforced) -> Callable[..., Any]:
    """As `as_function`, for a generator, which is judged at its first `next`."""

    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = step.do()
                continue
            running, ended = step.running, _Ended(step.running)
            source = tool.function(*step.args, **step.kwargs)
            source = source if step.watched is None else step.watched(source)
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


def as_async_generator(tool: Enforced) -> Callable[..., Any]:
    """As `as_generator`, for an async generator."""

    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        flow, answer = tool.enforcement(args, kwargs), None
        while isinstance(step := _next(flow, answer), Work | Run):
            if isinstance(step, Work):
                answer = await _off_the_loop(step)
                continue
            running, ended = step.running, _Ended(step.running)
            source = tool.function(*step.args, **step.kwargs)
            source = source if step.watched is None else step.watched(source)
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
