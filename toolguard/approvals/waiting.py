"""Waiting for answers: one thread a process looks for all who wait, and only while somebody does.

It asks fifty times a second whether the ledger was touched, which costs microseconds, and if so reads one row. The row says
how many answers there were and which calls the last of them were about, so that an answer wakes those whom it concerns and
nobody else. A halt wakes everybody.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STEP = 0.02  # seconds between two looks
LINGER = 10  # looks after one that found the ledger touched: what is written may take a slow disk's sync to become visible

_logger = logging.getLogger("toolguard")


class Seen(NamedTuple):
    """How many answers there were, what the last of them were about, and a number that changes with halts."""

    answers: int
    last: Sequence[str]
    signal: int


class Waiting:
    """Wakes those who wait for something when `look` says that it may be over; they then see for themselves.

    `touched` gives another value where there may be something new to look at.
    """

    def __init__(self, look: Callable[[], Seen], touched: Callable[[], object]) -> None:
        self._look, self._touched = look, touched
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._wakes: dict[str, list[Callable[[], object]]] = {}
        self._thread: threading.Thread | None = None

    def until(self, what: str, over: Callable[[], bool], seconds: float) -> bool:
        """Wait in this thread until it is over; False if it was not in time."""
        end, woken = time.monotonic() + seconds, threading.Event()
        wake = woken.set  # one object: a bound method is another one each time it is asked for
        self._add(what, wake)
        try:
            while not over():
                if not woken.wait(max(0.0, end - time.monotonic())):
                    return over()
                woken.clear()
            return True
        finally:
            self._discard(what, wake)

    async def until_async(self, what: str, over: Callable[[], bool], seconds: float) -> bool:
        """The same for asyncio: other coroutines go on."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        end = time.monotonic() + seconds

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._add(what, wake)
        try:
            while not await asyncio.to_thread(over):
                try:
                    await asyncio.wait_for(woken.wait(), max(0.0, end - time.monotonic()))
                except TimeoutError:
                    return await asyncio.to_thread(over)
                woken.clear()
            return True
        finally:
            self._discard(what, wake)

    def _add(self, what: str, wake: Callable[[], object]) -> None:
        if self._process != os.getpid():
            self._begin()  # a forked process has none of its parent's threads
        with self._mutex:
            self._wakes.setdefault(what, []).append(wake)
            if self._thread is None:
                seen = self._seen()  # before whoever waits looks for himself: nothing comes between
                self._thread = threading.Thread(target=self._watch, args=(seen,), name="toolguard-answers", daemon=True)
                self._thread.start()

    def _discard(self, what: str, wake: Callable[[], object]) -> None:
        with self._mutex:
            left = [each for each in self._wakes.get(what, ()) if each is not wake]
            if left:
                self._wakes[what] = left
            else:
                self._wakes.pop(what, None)

    def _watch(self, seen: Seen | None) -> None:
        touched, quiet = self._touched(), 0
        while True:
            time.sleep(STEP)
            before, touched = touched, self._touched()
            quiet = quiet + 1 if touched == before else 0
            if quiet > LINGER and quiet % LINGER:  # now and then in any case: clocks of file systems are coarse
                continue
            now = self._seen()
            with self._mutex:
                if not self._wakes:
                    self._thread = None
                    return
                concerned = self._concerned(seen, now)
            seen = now
            for wake in concerned:
                try:
                    wake()
                except RuntimeError:
                    _logger.debug("somebody waits in an event loop that is closed")

    def _concerned(self, seen: Seen | None, now: Seen | None) -> list[Callable[[], object]]:
        """Whom to wake: everybody where it cannot be told."""
        if now == seen and now is not None:
            return []
        if seen is None or now is None or seen.signal != now.signal or not 0 <= now.answers - seen.answers <= len(now.last):
            return [wake for wakes in self._wakes.values() for wake in wakes]
        recent = set(now.last[len(now.last) - (now.answers - seen.answers) :])
        return [wake for what in recent for wake in self._wakes.get(what, ())]

    def _seen(self) -> Seen | None:
        try:
            return self._look()
        except Exception:  # whatever it is, those who wait look for themselves, and are told
            _logger.exception("whether anybody has answered cannot be read")
            return None
