"""Putting an escalated call before a person: what counts as an answer, and how much of a failure the model is told."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from toolguard.errors import ApprovalRefused, ApprovalUnavailable
from toolguard.model import Approval

if TYPE_CHECKING:
    from toolguard.model import Decision

Approver = Callable[["Decision"], bool | Approval | Awaitable[bool | Approval]]

_ANSWERS = "only True, False and an Approval are answers"
_logger = logging.getLogger("toolguard")


def ask(approver: Approver | None, decision: Decision) -> Approval:
    """The approver's answer.

    Raises:
        ApprovalUnavailable: there is no approver, it failed, it is a coroutine, or its answer is none.
    """
    known = _known(approver, decision)
    try:
        answer = known(decision)
    except Exception as error:
        raise failed(decision, error) from error
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise _unusable(decision, "the approver is a coroutine, which only a tool that is one can await")
    return _approval(decision, answer)


async def ask_async(approver: Approver | None, decision: Decision) -> Approval:
    """As `ask`: an approver that is a coroutine is awaited here, any other is asked in a thread.

    Raises:
        ApprovalUnavailable: as `ask`, and coroutines can be awaited.
    """
    import asyncio  # noqa: PLC0415 - a program without coroutines does not pay for it

    known = _known(approver, decision)
    try:
        if inspect.iscoroutinefunction(known) or inspect.iscoroutinefunction(getattr(known, "__call__", None)):  # noqa: B004
            answer = known(decision)
        else:
            answer = await asyncio.to_thread(known, decision)
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception as error:
        raise failed(decision, error) from error
    return _approval(decision, answer)


def must_be_granted(approval: Approval, decision: Decision) -> None:
    """Raise ApprovalRefused unless the answer is yes."""
    if approval.granted is not True:
        note = f": {approval.note}" if approval.note else ""
        raise ApprovalRefused(decision, f"{decision.reason}: refused by {approval.by}{note}")


def failed(decision: Decision, error: Exception) -> ApprovalUnavailable:
    """Asking, or recording the answer, failed. The model is told the kind of error: its text may be none of its business."""
    _logger.error("no approval for call %s: %s", decision.call.call_id, type(error).__name__, exc_info=error)
    return ApprovalUnavailable(decision, f"{decision.reason}: no approval could be had ({type(error).__name__})")


def _known(approver: Approver | None, decision: Decision) -> Approver:
    if approver is None:
        raise ApprovalUnavailable(decision, f"{decision.reason}: a person has to approve, and no approver is set")
    return approver


def _approval(decision: Decision, answer: Any) -> Approval:
    if isinstance(answer, Approval):
        return answer
    if isinstance(answer, bool):
        return Approval(answer, by="approver")
    raise _unusable(decision, f"the approver answered with {type(answer).__name__}, and {_ANSWERS}")


def _unusable(decision: Decision, why: str) -> ApprovalUnavailable:
    _logger.error("no approval for call %s: %s", decision.call.call_id, why)
    return ApprovalUnavailable(decision, f"{decision.reason}: no approval could be had ({why})")
