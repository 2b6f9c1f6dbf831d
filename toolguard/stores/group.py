"""One commit for all who wait: whoever comes while a commit runs is served by the next one, together.

There is no writer thread. The first caller leads: it takes what has queued up, commits that in one go, tells everybody, and
hands the lead to the first of those who have come meanwhile. A single caller leads a group of one and waits for nobody.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolguard.model import Record
    from toolguard.stores.base import Build

MAX_GROUP = 256  # records of one commit: none waits long for the others


class Entry:
    """One record that is to be written, and what became of it: `record`, or `error`."""

    __slots__ = ("abandoned", "build", "durable", "error", "leads", "record", "settled", "wake")

    def __init__(self, build: Build, *, durable: bool) -> None:
        self.build = build
        self.durable = durable
        self.record: Record | None = None
        self.error: BaseException | None = None
        self.settled = False
        self.leads = False
        self.abandoned = False
        self.wake = threading.Lock()
        self.wake.acquire()


class GroupCommit:
    """Threads add entries; `commit` gets them in groups, one group at a time, and fills in their records or errors."""

    def __init__(self, commit: Callable[[Sequence[Entry]], None], timeout: float) -> None:
        self._commit = commit
        self._timeout = timeout
        self._mutex = threading.RLock()  # a signal handler may come in the middle of anything, in this very thread
        self._waiting: list[Entry] = []
        self._leader: int | None = None  # the thread that commits

    def add(self, build: Build, *, durable: bool) -> Record:
        """The record once it is committed.

        Raises:
            StoreError: it could not be, or not in time; then it may still be written, as a record of a call that did not run.
        """
        entry = Entry(build, durable=durable)
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
        if entry.error is not None:
            raise entry.error
        if entry.record is None:
            raise StoreError("the ledger did not take the record")
        return entry.record

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
                self._leader = -1  # somebody will lead; nobody else may begin
            for entry in group:
                entry.settled = True
        if following is not None:
            following.wake.release()
        for entry in group:
            if entry.wake.locked():
                entry.wake.release()
