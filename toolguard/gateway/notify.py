"""Telling people that a call waits: a signed webhook with retries, or a command. What is told is enough to go and look.

A webhook is signed as Standard Webhooks says (https://www.standardwebhooks.com): `webhook-signature: v1,` and the base64 of the
HMAC-SHA256 of `ID.TIMESTAMP.BODY`. The id is that of the question, so that whoever is told twice can tell.
"""

from __future__ import annotations

import base64
import hmac
import json
import logging
import queue
import shlex
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from toolguard.approvals.escalation import PENDING
from toolguard.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolguard.approvals.escalation import Escalation
    from toolguard.model import Decision

TIMEOUT = 10.0  # seconds for one attempt
ATTEMPTS = 6
FIRST_PAUSE = 1.0  # seconds after the first failure; twice as long after each further one
MAX_WAITING = 10_000  # notifications
MAX_TOLD = 10_000

_logger = logging.getLogger("toolguard")


class Way(Protocol):
    """How somebody is told."""

    def send(self, name: str, body: bytes) -> None:
        """Tell it, once.

        Raises:
            Exception: it did not arrive.
        """


@dataclass(frozen=True, slots=True)
class Webhook:
    """POST to an address, signed."""

    url: str
    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    def send(self, name: str, body: bytes) -> None:
        """Tell it, once; redirects are not followed.

        Raises:
            httpx2.HTTPError: it did not arrive, or was not accepted.
        """
        import httpx2  # noqa: PLC0415 - only who tells something by http needs it

        stamp = str(int(self.now()))
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self.secret, name, stamp, body),
        }
        httpx2.post(self.url, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False).raise_for_status()


def signature(secret: str, name: str, stamp: str, body: bytes) -> str:
    """What a receiver computes, too, and compares."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.digest(key, f"{name}.{stamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(mac).decode()}"


@dataclass(frozen=True, slots=True)
class Command:
    """Run a command with the notification on its standard input; no shell is in between."""

    command: str

    def send(self, name: str, body: bytes) -> None:  # noqa: ARG002 - it is in the body, too
        """Tell it, once.

        Raises:
            OSError, subprocess.SubprocessError: it could not be run, took too long, or failed.
        """
        subprocess.run(shlex.split(self.command), input=body, check=True, timeout=TIMEOUT * 3, stdout=subprocess.DEVNULL)  # noqa: S603


class Notifier:
    """Tells of each question once, from a thread of its own: nobody who asks waits for it."""

    def __init__(self, ways: Sequence[Way], pages: str, pause: float = FIRST_PAUSE) -> None:
        """`pages` is where people answer."""
        self._ways, self._pages, self._pause = ways, pages, pause
        self._told: dict[str, None] = {}
        self._queue: queue.Queue[tuple[str, bytes] | None] = queue.Queue(MAX_WAITING)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="toolguard-notify", daemon=True)
        self._thread.start()

    def begin(self, pending: Iterable[Escalation]) -> None:
        """Tell of what waits already: whoever was told before the service was started anew can tell by its id."""
        for kept in pending:
            self._tell(kept)

    def decided(self, decision: Decision) -> None:
        """For `Guard(on_decision=...)`."""
        asked = decision.escalation
        if decision.verdict == Verdict.ESCALATE and asked is not None and asked.status == PENDING:
            self._tell(asked)

    def close(self) -> None:
        """Tell what is left, without further attempts."""
        self._closed.set()
        self._queue.put(None)
        self._thread.join(TIMEOUT * 2)

    def _tell(self, kept: Escalation) -> None:
        name = f"{kept.id}-{kept.round}"
        if name in self._told:
            return
        self._told[name] = None
        if len(self._told) > MAX_TOLD:
            self._told.pop(next(iter(self._told)))
        try:
            self._queue.put_nowait((name, json.dumps(message_of(kept, self._pages)).encode()))
        except queue.Full:
            _logger.exception("too many notifications wait; nobody is told of %s", kept.id)

    def _work(self) -> None:
        while (one := self._queue.get()) is not None:
            for way in self._ways:
                self._send(way, *one)

    def _send(self, way: Way, name: str, body: bytes) -> None:
        pause = self._pause
        for attempt in range(1, ATTEMPTS + 1):
            try:
                way.send(name, body)
            except Exception as error:  # noqa: BLE001 - whatever it is: the call waits all the same, and nothing runs
                _logger.warning("telling of %s failed (attempt %s): %s", name, attempt, type(error).__name__)
                if attempt == ATTEMPTS or self._closed.is_set():
                    _logger.error("nobody was told of %s", name)  # noqa: TRY400 - said above
                    return
                self._closed.wait(pause)
                pause *= 2
            else:
                return


def message_of(kept: Escalation, pages: str) -> dict[str, Any]:
    """What is told: no parameters, which may be secret."""
    return {
        "type": "escalation.pending",
        "timestamp": kept.asked // 10**9,
        "data": {
            "id": kept.id,
            "round": kept.round,
            "tool": kept.call.get("tool"),
            "agent_id": kept.call.get("agent_id"),
            "reason": kept.reason,
            "escalate_to": kept.role,
            "quorum": kept.quorum,
            "expires": kept.expires // 10**9,
            "url": f"{pages}/calls/{kept.id}",
        },
    }
