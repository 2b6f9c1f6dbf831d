"""What all routes share: the guard, whoever answers, and what has happened so far."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from toolguard.approvals.answer import Reply, answer
from toolguard.approvals.escalation import PENDING, Escalation, key_of
from toolguard.audit.log import Log
from toolguard.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from toolguard.approvals.people import People, Principal
    from toolguard.audit.sign import Signer
    from toolguard.gateway.access import Access
    from toolguard.guard import Guard
    from toolguard.model import Record

STEP = 0.05  # seconds between two looks at the ledger, while somebody waits
LOOK_BACK = 20_000  # records that are read for the history when the service starts
MAX_HISTORY = 500


class Service:
    """One guard, served. Answers are signed with the service's key in the name of the person it has authenticated."""

    def __init__(
        self, guard: Guard, people: Callable[[], People], signer: Signer, access: Access, now: Callable[[], int] = time.time_ns
    ) -> None:
        self.guard, self.people, self.access, self.now = guard, people, access, now
        self._signer = signer
        self._log = Log(guard.store, now, {})
        self.history: deque[Mapping[str, Any]] = deque(maxlen=MAX_HISTORY)
        self.checkpoint: Mapping[str, Any] | None = None
        self._seen = 0
        self._changed = asyncio.Event()

    # -- what is asked

    def kept(self, escalation_id: str) -> Escalation | None:
        """The call under this id, as it is in the ledger now; one that nobody answered in time has expired."""
        body = self.guard.store.state_of(key_of(escalation_id))
        return Escalation.from_bytes(body) if body is not None else None

    def status_of(self, kept: Escalation) -> str:
        """Its status by the clock of this moment."""
        return "expired" if kept.status == PENDING and self.now() >= kept.expires else kept.status

    def may_answer(self, one: Principal, kept: Escalation) -> str:
        """Why this person may not answer that call; empty if they may."""
        if self.status_of(kept) != PENDING:
            return f"it does not wait any more: it is {self.status_of(kept)}"
        if not one.may_answer_for(kept.role):
            return f"it is for `{kept.role}`" if kept.role else "it is for somebody who may answer for every role"
        return ""

    def answer(self, kept: Escalation, reply: Reply) -> Record:
        """Sign and record an answer.

        Raises:
            StoreError: it does not wait any more, or the answer could not be recorded.
        """
        return answer(self._log, kept.key, self._signer, reply)

    # -- what has happened

    def catch_up(self) -> None:
        """Read what is new in the ledger."""
        last = self.guard.store.last()
        newest = last.seq if last is not None else 0
        if newest == self._seen:
            return
        for record in self.guard.store.scan(max(self._seen, newest - LOOK_BACK) or None):
            content = record.content
            if content["kind"] in ("answer", "withdrawal"):
                self.history.appendleft({"seq": record.seq, **content})
            elif content["kind"] == "checkpoint":
                self.checkpoint = {"seq": record.seq, **content}
            self._seen = record.seq

    @asynccontextmanager
    async def running(self, _: object = None) -> AsyncIterator[None]:
        """Look at the ledger as long as the service runs."""
        looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            looking.cancel()

    async def _look(self) -> None:
        seen: Any = None
        while True:
            try:
                last = await asyncio.to_thread(self.guard.store.last)
                now = (last.seq if last is not None else 0, self.guard.store.signal())
            except StoreError:
                now = None  # whoever waits asks for itself, and is told
            if now != seen or now is None:
                seen, changed = now, self._changed
                self._changed = asyncio.Event()
                changed.set()
            await asyncio.sleep(STEP)

    async def change(self, seconds: float) -> bool:
        """Wait until something in the ledger has changed; False if nothing has in that time."""
        changed = self._changed
        try:
            await asyncio.wait_for(changed.wait(), seconds)
        except TimeoutError:
            return False
        return True
