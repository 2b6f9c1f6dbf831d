"""From a client's words to what it is told. Whatever goes wrong is a denial."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from toolguard.errors import MalformedCall, ToolDenied
from toolguard.hooks.clients import ALLOW, CLIENTS, Client, Reply
from toolguard.model import Outcome, Verdict
from toolguard.text import printable

if TYPE_CHECKING:
    from toolguard.guard import Guard
    from toolguard.hooks.clients import Call
    from toolguard.hooks.options import Options
    from toolguard.model import Decision
    from toolguard.point import Who

WAIT = 20.0  # seconds for an answer; the client's process gives up after some more
STEP = 0.1
UNCHANGED = "an obligation cannot be carried out: what the client runs cannot be changed here"

_logger = logging.getLogger("toolguard")


class Answers:
    """Answers clients for one guard."""

    def __init__(self, guard: Guard, options: Options) -> None:
        self._guard, self._options = guard, options

    def to(self, name: str, text: bytes, project: str = "") -> Reply:
        """What the client is told of its call. `project` is the folder that the agent works in; nothing else is inside."""
        client = CLIENTS.get(name) or Client(name, name, asks=False)
        try:
            if name not in CLIENTS:
                return client.deny(f"there is no client `{printable(name)}` (only {', '.join(CLIENTS)})")
            return self._judged(client, client.call(text), project)
        except MalformedCall as malformed:
            return client.deny(self._guard.refuse("?", f"malformed call: {malformed}").reason, text)
        except Exception as error:  # an error is a denial
            _logger.exception("a call of %s could not be judged, and is denied", client.title)
            return client.deny(f"the guard failed ({type(error).__name__})", text)

    def _judged(self, client: Client, call: Call, project: str) -> Reply:
        workspace = self._options.workspace or call.root or project
        places = {"workspace": workspace, "cwd": call.cwd or workspace, "home": _home()}
        context = {name: value for name, value in places.items() if value}
        who: Who = {"agent_id": client.name, "session_id": call.session, "call_id": call.call_id, "context": context}
        if call.has_run:
            seen = self._guard.released(call.tool, call.params, Outcome("returned", 0, call.response), **who)
            return client.seen(call.response, seen)
        decision = self._guard.evaluate(call.tool, call.params, **who)
        if decision.redacted is not None:
            decision = self._guard.refuse(call.tool, UNCHANGED, **who)
        if decision.allowed:
            return ALLOW
        if decision.verdict != Verdict.ESCALATE:
            return client.deny(printable(decision.message_for_model()))
        return self._asked(client, call, decision)

    def _asked(self, client: Client, call: Call, decision: Decision) -> Reply:
        """A person decides: one of the approvers in the ledger, the client's user, or nobody, which is a denial."""
        if decision.escalation is not None:
            if self._still_waits(decision):
                later = (
                    f"Nobody has answered yet (`{decision.escalation.id}`): propose the very same call again once somebody has."
                )
                return client.deny(printable(f"{decision.message_for_model()} {later}"))
            try:
                return ALLOW if self._guard.approve(decision).allowed else client.deny(printable(decision.reason))
            except ToolDenied as denied:
                return client.deny(printable(denied.message_for_model()))
        if client.asks and not call.unattended:
            return client.ask(printable(f"toolguard: {decision.reason}"))
        return client.deny(
            printable(decision.message_for_model(f"{decision.reason}, and nobody is there who could approve it"))
        )

    def _still_waits(self, decision: Decision) -> bool:
        """Whether nobody has answered in the time that a client has. The approval of a call that was given up is not used."""
        asked, until = decision.escalation, time.monotonic() + WAIT
        while any(each.id == asked.id and each.round == asked.round for each in self._guard.pending()):
            if time.monotonic() > until:
                return True
            time.sleep(STEP)
        return False


def _home() -> str:
    from pathlib import Path  # noqa: PLC0415

    return str(Path.home())
