"""One commit for all who wait: whoever comes while a commit runs is served by the next one, together.

There is no writer thread. The first caller leads: it takes what has queued up, commits that in one go, tells everybody, and
hands the lead to the first of those who have come meanwhile. A single caller leads a group of one and waits for nobody.
Coroutines must not lead, because their loop would stand still: one helper thread leads for them.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from toolguard.model import Record
    from toolguard.stores.base import Build, Change

SOMEBODY = -1  # in the place of a thread that will lead: nobody else may begin
MAX_GROUP = 256  # records of one commit: none waits long for the others


class Entry:
    """One record that is to be written, and what became of it: `record`, or `error`. Its thread waits for `wake`."""

    __slots__ = ("abandoned", "build", "change", "durable", "error", "leads", "record", "settled", "wake")

    def __init__(self, build: Build | None, change: Change | None = None, *, durable: bool) -> None:
        """Either a build, or a change of the state."""
        self.build = build
        self.change = change
        self.durable = durable
        self.record: Record | None = None
        self.error: BaseException | None = None
        self.settled = False
        self.leads = False
        self.abandoned = False
        self.wake = threading.Lock()
        self.wake.acquire()

    def outcome(self) -> Record:
        """The record, once the entry is settled.

        Raises:
            StoreError: there is none.
        """
        if self.error is not None:
            raise self.error
        if self.record is None:
            raise StoreError("the ledger did not take the record")
        return self.record


class AsyncEntry(Entry):
    """An entry that a coroutine waits for: `future` is done when it is settled."""

    __slots__ = ("future", "loop")

    def __init__(self, build: Build | None, change: Change | None, loop: asyncio.AbstractEventLoop, *, durable: bool) -> None:
        super().__init__(build, change, durable=durable)
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()

    def done(self) -> None:
        """Called in the loop."""
        if not self.future.done():  # a coroutine that was cancelled does not wait any more
            self.future.set_result(None)


class GroupCommit:
    """Threads add entries; `commit` gets them in groups, one group at a time, and fills in their records or errors."""

    def __init__(self, commit: Callable[[Sequence[Entry]], None], timeout: float) -> None:
        self._commit = commit
        self._timeout = timeout
        self._mutex = threading.RLock()  # a signal handler may come in the middle of anything, in this very thread
        self._waiting: list[Entry] = []
        self._leader: int | None = None  # the thread that commits
        self._helper: Executor | None = None  # leads for coroutines

    def add(self, build: Build | None, change: Change | None = None, *, durable: bool) -> Record:
        """The record once it is committed.

        Raises:
            StoreError: it could not be, or not in time; then it may still be written, as a record of a call that did not run.
        """
        entry = Entry(build, change, durable=durable)
        me = threading.get_ident()
        with self._mutex:
            if self._leader == me:  # a signal handler, in the middle of this thread's own commit
                raise StoreError("the ledger is being written by this very thread")
            self._waiting.append(entry)
            if self._leader is None:
                self._leader = me
                entry.leads = True
        if not entry.leads:
            self._wait(entry)
        if entry.leads:
            self._lead(me)
        return entry.outcome()

    async def add_async(
        self, build: Build | None, loop: asyncio.AbstractEventLoop, change: Change | None = None, *, durable: bool
    ) -> Record:
        """As `add`, without holding up the loop."""
        entry = AsyncEntry(build, change, loop, durable=durable)
        with self._mutex:
            self._waiting.append(entry)
            begins = self._leader is None
            if begins:
                self._leader = SOMEBODY
                entry.leads = True
        if begins:
            self._help()
        alarm = loop.call_later(self._timeout, self._give_up, entry)
        try:
            await entry.future
        finally:
            alarm.cancel()
        return entry.outcome()

    def _give_up(self, entry: AsyncEntry) -> None:
        with self._mutex:
            if not (entry.settled or entry.leads):
                entry.abandoned = True
                entry.error = StoreError("the ledger is busy: the record was not written in time")
        if entry.abandoned:
            entry.done()

    def _help(self) -> None:
        """Let the helper lead."""
        if self._helper is None:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only for programs with coroutines

            self._helper = ThreadPoolExecutor(1, thread_name_prefix="toolguard-commit")
        self._helper.submit(lambda: self._lead(threading.get_ident()))

    def _wait(self, entry: Entry) -> None:
        """Until the entry is settled, or is to lead."""
        if entry.wake.acquire(timeout=self._timeout):
            return
        with self._mutex:
            if not (entry.settled or entry.leads):
                entry.abandoned = True
                raise StoreError("the ledger is busy: the record was not written in time")

    def _lead(self, me: int) -> None:
        self._leader = me
        group: list[Entry] = []
        try:
            with self._mutex:
                present = [entry for entry in self._waiting if not entry.abandoned]
                group, self._waiting = present[:MAX_GROUP], present[MAX_GROUP:]
            if group:
                self._commit(group)
        except BaseException as error:
            for entry in group:
                entry.record, entry.error = None, entry.error or StoreError(f"the ledger could not be written: {error}")
            raise
        finally:
            self._hand_over(group)

    def _hand_over(self, group: list[Entry]) -> None:
        with self._mutex:
            following = next((entry for entry in self._waiting if not entry.abandoned), None)
            self._leader = None
            if following is not None:
                following.leads = True
                self._leader = SOMEBODY
            for entry in group:
                entry.settled = True
        if isinstance(following, AsyncEntry):
            self._help()
        elif following is not None:
            following.wake.release()
        _tell(group)


def _tell(group: list[Entry]) -> None:
    """Wake everybody; each event loop once."""
    of_loops: dict[asyncio.AbstractEventLoop, list[AsyncEntry]] = {}
    for entry in group:
        if isinstance(entry, AsyncEntry):
            of_loops.setdefault(entry.loop, []).append(entry)
        elif entry.wake.locked():
            entry.wake.release()
    for loop, entries in of_loops.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody who waits
            loop.call_soon_threadsafe(_done, entries)


def _done(entries: list[AsyncEntry]) -> None:
    for entry in entries:
        entry.done()
