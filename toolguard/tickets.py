"""What joins an adapter to a guarded function that it runs: one decision, not two.

The adapter decides, and runs the tool with a ticket for exactly that call in force. A guarded function that finds a ticket
for what it is given goes on with that decision; for anything else (other arguments, another tool, a second call) it has its own
made.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Self

from toolguard.canonical import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.model import Decision


class Ticket:
    """A decision that a guarded function inside of this context may go on with, once."""

    __slots__ = ("_token", "decision", "point", "used")

    def __init__(self, point: object, decision: Decision) -> None:
        self.point, self.decision, self.used = point, decision, False
        self._token: Token[Ticket | None] | None = None

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            _current.reset(self._token)


_current: ContextVar[Ticket | None] = ContextVar("toolguard_ticket", default=None)


def ticket_for(point: object, tool: str, group: str | None, params: Mapping[str, Any]) -> Decision | None:
    """The decision that lets exactly this call run; the ticket is used with that. `params` are plain data."""
    ticket = _current.get()
    if ticket is None or ticket.used or ticket.point is not point:
        return None
    call = ticket.decision.call
    if call.tool != tool or group not in (None, call.tool_group) or encode(ticket.decision.params) != encode(params):
        return None
    ticket.used = True
    return ticket.decision
