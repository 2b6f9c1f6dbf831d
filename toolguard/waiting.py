"""Waiting for answers: one thread a process looks for all who wait, and only while somebody does."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

STEP = 0.05  # seconds between two looks

_logger = logging.getLogger("toolguard")


class Waiting:
    """`look` gives something that changes once anybody's wait may be over: all who wait are woken to see for themselves."""

    def __init__(self, look: Callable[[], Hashable]) -> None:
        self._look = look
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._wake: set[Callable[[], object]] = set()
        self._thread: threading.Thread | None = None

    def until(self, over: Callable[[], bool], seconds: float) -> bool:
        """Wait in this thread until it is over; False if it was not in time."""
        end, woken = time.monotonic() + seconds, threading.Event()
        self._add(woken.set)
        try:
            while not over():
                if not woken.wait(max(0.0, end - time.monotonic())):
                    return over()
                woken.clear()
            return True
        finally:
            self._discard(woken.set)

    async def until_async(self, over: Callable[[], bool], seconds: float) -> bool:
        """The same for asyncio: other coroutines go on."""
        import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        end = time.monotonic() + seconds

        def wake() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._add(wake)
        try:
            while not await asyncio.to_thread(over):
                try:
                    await asyncio.wait_for(woken.wait(), max(0.0, end - time.monotonic()))
                except TimeoutError:
                    return await asyncio.to_thread(over)
                woken.clear()
            return True
        finally:
            self._discard(wake)

    def _add(self, wake: Callable[[], object]) -> None:
        if self._process != os.getpid():
            self._begin()  # a forked process has none of its parent's threads
        with self._mutex:
            self._wake.add(wake)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="toolguard-answers", daemon=True)
                self._thread.start()

    def _discard(self, wake: Callable[[], object]) -> None:
        with self._mutex:
            self._wake.discard(wake)

    def _watch(self) -> None:
        seen = self._seen()
        while True:
            time.sleep(STEP)
            with self._mutex:
                if not self._wake:
                    self._thread = None
                    return
                waiting = list(self._wake)
            now = self._seen()
            if now != seen:
                seen = now
                for wake in waiting:
                    try:
                        wake()
                    except RuntimeError:  # its loop is closed
                        self._discard(wake)

    def _seen(self) -> Hashable:
        try:
            return self._look()
        except StoreError:
            _logger.exception("whether anybody has answered cannot be read")
            return time.monotonic()  # everybody looks for himself, and is told
