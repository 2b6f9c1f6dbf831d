"""What runs now, and how it is stopped when it is halted.

A thread looks at the signal while anything runs that can be stopped: every two milliseconds, which is what a halt may be late.
What is registered to stop something is called in a thread of its own, so that one which hangs or fails holds up no other.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from toolguard.engine.limits import exact
from toolguard.errors import Indeterminate, StoreError, ToolHalted

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolguard.halt import Halt
    from toolguard.model import Decision

STEP = 0.002  # seconds between two looks
IDLE = 1.0  # seconds without anything that runs, after which nobody looks any more
STOPS = "halt"  # the level that stops what runs

_current: ContextVar[RunningCall | None] = ContextVar("toolguard_running", default=None)
_logger = logging.getLogger("toolguard")


class RunningCall:
    """One call that runs. As a context, around the tool's own code, it lets `on_halt` register what stops it."""

    __slots__ = ("_all", "_token", "decision", "ended", "spent", "stopped", "stops")

    def __init__(self, everything: Running, decision: Decision) -> None:
        self._all = everything
        self._token: Token[RunningCall | None] | None = None
        self.decision = decision
        self.stops: list[Callable[[], object]] = []
        self.spent: dict[str, Any] = {}
        self.stopped = False
        self.ended = False

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)

    def on_halt(self, stop: Callable[[], object]) -> None:
        """Call this, in a thread of its own, when the call is halted."""
        self.stops.append(stop)
        if len(self.stops) == 1:
            self._all.add(self)

    def end(self) -> None:
        """The tool has ended."""
        self.ended = True
        if self.stops:
            self._all.discard(self)

    def go_on(self) -> None:
        """It has not ended: what it returned is a stream."""
        self.ended = False
        if self.stops:
            self._all.add(self)

    def stop(self) -> None:
        """Have it stopped, as a halt would: what it streams is not let through any more."""
        self.ended = True
        self._all.stop(self)

    def check(self) -> None:
        """Go on only while the call is not halted.

        Raises:
            ToolHalted: it is.
        """
        halt = self._all.halt_over(self.decision)
        if halt is not None:
            self.stopped = True
            raise ToolHalted(self.decision, halt.cause)

    def halted(self) -> ToolHalted:
        """What to raise in the place of what became of a call that was stopped."""
        halt = self._all.halt_over(self.decision)
        return ToolHalted(self.decision, halt.cause if halt is not None else "it was halted while it ran")


class Running:
    """The calls that run now and can be stopped. `halt_over` says which halt stops one, None if none does."""

    def __init__(self, quiet: Callable[[], bool], over: Callable[[Decision], Halt | None]) -> None:
        self._quiet, self._over = quiet, over
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._calls: set[RunningCall] = set()
        self._thread: threading.Thread | None = None

    def halt_over(self, decision: Decision) -> Halt | None:
        """The halt that stops this call; a store that cannot be asked stops nothing that runs already."""
        if self._quiet():
            return None
        try:
            halt = self._over(decision)
        except StoreError:
            _logger.exception("what is halted cannot be read; what runs goes on")
            return None
        return halt if halt is not None and halt.level == STOPS else None

    def add(self, call: RunningCall) -> None:
        """From now on the call is stopped when it is halted."""
        if self._process != os.getpid():
            self._begin()
        with self._mutex:
            self._calls.add(call)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="toolguard-halts", daemon=True)
                self._thread.start()

    def discard(self, call: RunningCall) -> None:
        """It has ended."""
        if self._process != os.getpid():
            return
        with self._mutex:
            self._calls.discard(call)

    def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(STEP)
            with self._mutex:
                calls = [call for call in self._calls if not call.stopped]
                if self._calls:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > IDLE:
                    self._thread = None
                    return
            for call in calls:
                if self.halt_over(call.decision) is not None:
                    call.stopped = True
                    self.stop(call)

    def stop(self, call: RunningCall) -> None:
        """Call all that stops it, each in a thread of its own."""
        for stop in call.stops:
            threading.Thread(target=_stopping, args=(stop,), name="toolguard-stop", daemon=True).start()


def on_halt(stop: Callable[[], object]) -> None:
    """Inside a guarded tool: call this when the call is halted (close a connection, end a process). It ends with the call.

    Raises:
        RuntimeError: no guarded tool runs here.
    """
    call = _current.get()
    if call is None:
        raise RuntimeError("`on_halt` is for the inside of a guarded tool")
    call.on_halt(stop)


def spent(limit_id: str, amount: Any) -> None:
    """Inside a guarded tool: of this limit the call has really used this much, in the place of what was counted.

    Raises:
        RuntimeError: no guarded tool runs here.
        ValueError: the call does not count in such a limit, or this is no amount.
    """
    call = _current.get()
    if call is None:
        raise RuntimeError("`spent` is for the inside of a guarded tool")
    if not any(use.limit_id == limit_id and use.counted for use in call.decision.limits):
        raise ValueError(f"the call does not count in a limit `{limit_id}`")
    try:
        real = exact(amount)
    except Indeterminate as unknown:
        raise ValueError(f"what was used of `{limit_id}` {unknown}") from None
    if real < 0:
        raise ValueError(f"what was used of `{limit_id}` cannot be negative")
    call.spent[limit_id] = real


def _stopping(stop: Callable[[], object]) -> None:
    try:
        stop()
    except Exception:
        _logger.exception("%r failed to stop what was halted", stop)
