"""The routes for programs: judging calls, asking how an escalated one stands, answering it, and looking after the service."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from toolguard.approvals.answer import Reply
from toolguard.approvals.escalation import PENDING
from toolguard.approvals.people import CLIENT, OPERATOR, PERSON
from toolguard.audit.select import shown_time
from toolguard.envelope import call_of
from toolguard.errors import PolicyError, StoreError
from toolguard.gateway import schemas
from toolguard.gateway.access import Refusal
from toolguard.gateway.authzen import call_of_authzen
from toolguard.gateway.routes import Ask, Route, number_in, only, text_in
from toolguard.gateway.shown import facts_of, rows_of
from toolguard.model import Verdict
from toolguard.text import printable

if TYPE_CHECKING:
    from toolguard.approvals.escalation import Escalation
    from toolguard.approvals.people import Principal
    from toolguard.model import Decision

# verdict -> the reference's word for it
OBLIGATIONS = "x-toolguard-obligations"  # `yes`: the client runs the tool with the `parameters` of the answer
DECISIONS = {Verdict.ALLOW: "allowed", Verdict.FLAG: "flagged", Verdict.ESCALATE: "escalated", Verdict.DENY: "denied"}
MAX_WAIT = 60  # seconds
_ID = re.compile(r"[0-9a-f]{32}")


async def evaluate(ask: Ask) -> Response:
    """Judge one envelope of the reference's form."""
    if not isinstance(ask.body, dict):
        raise Refusal(400, "the body has to be a mapping")
    try:
        given = call_of(ask.body)
    except ValueError as error:
        raise Refusal(400, printable(str(error))) from None
    decision = await _judged(ask, given)
    return JSONResponse(result_of(decision), 202 if decision.verdict == Verdict.ESCALATE else 200)


async def authzen(ask: Ask) -> Response:
    """Judge one request of the AuthZEN form; only what may run now is a true decision."""
    decision = await _judged(ask, call_of_authzen(ask.body))
    said = result_of(decision)
    context = {key: said[key] for key in ("verdict", "reason", "escalation_id", "poll_url", "record") if key in said}
    request_id = ask.request.headers.get("x-request-id")
    headers = {"x-request-id": request_id} if request_id and request_id.isascii() and request_id.isprintable() else {}
    return JSONResponse({"decision": decision.allowed, "context": context}, headers=headers)


async def _judged(ask: Ask, given: dict[str, Any]) -> Decision:
    own = ask.who.agent_id
    if own is not None:
        if given.get("agent_id") not in (None, own):
            raise Refusal(403, f"this client may ask for `{own}` only")
        given["agent_id"] = own
    tool, params = given.pop("tool"), given.pop("params")
    if not isinstance(tool, str) or not tool:
        raise Refusal(400, "the tool's name has to be a text")
    for key in ("group", "agent_id", "session_id", "org_id", "call_id"):
        if given.get(key) is not None and not isinstance(given[key], str):
            raise Refusal(400, f"`{key}` has to be a text")
    guard = ask.service.guard
    decision = await guard.evaluate_async(tool, params, **given)
    if decision.redacted is not None and ask.request.headers.get(OBLIGATIONS) != "yes":
        return guard.refuse(tool, "an obligation cannot be carried out: the client does not say that it does", **given)
    return decision


def result_of(decision: Decision) -> dict[str, Any]:
    """A decision as the reference says it, with ours beside it."""
    hit, asked = decision.primary, decision.escalation
    waits = decision.verdict == Verdict.ESCALATE and asked is not None
    return {
        **decision.to_dict(),
        "decision": DECISIONS[decision.verdict],
        "decision_reason": decision.reason,
        "envelope_id": decision.call.call_id,
        "policies_matched": sorted({each.policy_id for each in decision.hits}),
        "rules_triggered": [each.rule_id for each in decision.hits],
        "primary_citation": str(hit.citation) if hit and hit.citation else None,
        "suggested_response": hit.suggested_response if hit else None,
        "message_for_model": decision.message_for_model(),
        **({"parameters": decision.params} if decision.redacted is not None else {}),
        **({"escalation_id": asked.id, "poll_url": f"/escalations/{asked.id}"} if waits else {}),
    }


# -- escalations -------------------------------------------------------------------------------------------------------


async def escalations(ask: Ask) -> Response:
    """What waits, the oldest first; a client sees what its own agent has asked."""
    service = ask.service
    pending = await asyncio.to_thread(service.guard.pending)
    if ask.who.kind == CLIENT:
        pending = [kept for kept in pending if _is_theirs(ask.who, kept)]
    return JSONResponse({"escalations": [seen_by(ask, kept) for kept in pending]})


async def escalation(ask: Ask) -> Response:
    """How one call stands; with `wait`, as soon as it does not wait any more, or after so many seconds."""
    kept = _kept(ask)
    try:
        wait = min(MAX_WAIT, max(0, int(ask.request.query_params.get("wait", "0"))))
    except ValueError:
        raise Refusal(400, "`wait` has to be a whole number of seconds") from None
    end = time.monotonic() + wait
    while ask.service.status_of(kept) == PENDING and (left := end - time.monotonic()) > 0:
        await ask.service.change(min(left, 1.0))
        kept = _kept(ask)
    return JSONResponse(seen_by(ask, kept))


def _kept(ask: Ask) -> Escalation:
    name = ask.request.path_params["id"]
    kept = ask.service.kept(name) if _ID.fullmatch(name) else None
    if kept is None or (ask.who.kind == CLIENT and not _is_theirs(ask.who, kept)):
        raise Refusal(404, "no such call waits, or has waited")
    return kept


def _is_theirs(who: Principal, kept: Escalation) -> bool:
    return who.agent_id is None or kept.call.get("agent_id") == who.agent_id


def seen_by(ask: Ask, kept: Escalation) -> dict[str, Any]:
    """An escalated call as JSON: to programs how it stands, to people and operators also what it is about."""
    said = {
        "id": kept.id,
        "round": kept.round,
        "status": ask.service.status_of(kept),
        "tool": kept.call.get("tool"),
        "reason": kept.reason,
        "escalate_to": kept.role,
        "asked_at": shown_time(kept.asked),
        "expires_at": shown_time(kept.expires),
        "quorum": kept.quorum,
        "answers": len(kept.answers),
        "standing": {"calls": kept.standing[0], "minutes": kept.standing[1]} if kept.standing else None,
        "poll_url": f"/escalations/{kept.id}",
    }
    if ask.who.kind == CLIENT:
        return said
    return {
        **said,
        "agent_id": kept.call.get("agent_id"),
        "session_id": kept.call.get("session_id"),
        "parameters": {row.name: row.text for row in rows_of(kept.call)},
        "facts": list(facts_of(ask.service.guard.policies, kept)),
    }


async def approve(ask: Ask) -> Response:
    """Approve one call."""
    return await _answer(ask, granted=True)


async def deny(ask: Ask) -> Response:
    """Refuse one call."""
    return await _answer(ask, granted=False)


async def _answer(ask: Ask, *, granted: bool) -> Response:
    body = only(ask.body, "note", "calls", "minutes", "round")
    kept = _kept(ask)
    if number_in(body, "round", kept.round) != kept.round:
        raise Refusal(409, "it is asked about anew by now")
    if why := ask.service.may_answer(ask.who, kept):
        raise Refusal(409 if ask.service.status_of(kept) != PENDING else 403, why)
    note, calls, minutes = text_in(body, "note"), number_in(body, "calls", 1), number_in(body, "minutes", 0)
    reply = Reply(granted, ask.who.name, note, ask.peer, calls, minutes)
    try:
        record = await asyncio.to_thread(ask.service.answer, kept, reply)
    except StoreError as error:
        raise Refusal(409, printable(str(error))) from None
    now = ask.service.kept(kept.id) or kept
    return JSONResponse({"record": record.seq, **seen_by(ask, now)})


# -- looking after it ----------------------------------------------------------------------------------------------------


async def policies(ask: Ask) -> Response:
    """What is in force."""
    found = ask.service.guard.policies
    each = [
        {"policy_id": one.policy_id, "name": one.name, "version": one.version, "mode": one.mode, "rules": len(one.rules)}
        for one in found.policies
    ]
    return JSONResponse({"revision": found.revision, "policies": each})


async def reload(ask: Ask) -> Response:
    """Read the policies again, all or none."""
    try:
        revision = await asyncio.to_thread(ask.service.guard.reload)
    except PolicyError as error:
        raise Refusal(422, printable("; ".join(map(str, error.problems)))) from None
    return JSONResponse({"revision": revision})


async def healthz(_: Ask) -> Response:
    """It runs."""
    return JSONResponse({"status": "ok"})


async def readyz(ask: Ask) -> Response:
    """It can judge: the ledger can be written, and whoever may answer can be read."""
    try:
        if await asyncio.to_thread(ask.service.guard.store.short_of_room):
            raise Refusal(503, "the disk of the ledger is full")
        ask.service.people()
    except StoreError as error:
        raise Refusal(503, printable(str(error))) from None
    return JSONResponse({"status": "ready", "revision": ask.service.guard.revision})


async def metrics(ask: Ask) -> Response:
    """Counts, in Prometheus' text form."""
    text = await asyncio.to_thread(ask.request.app.state.metrics.text, ask.service.guard)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


_EVERYBODY = (PERSON, CLIENT, OPERATOR)
_LOOKING = (PERSON, OPERATOR)


ROUTES = (
    Route(
        *("POST", "/evaluate", (CLIENT,), evaluate, "Judge one proposed call"),
        body=schemas.ENVELOPE,
        answers={200: schemas.RESULT, 202: schemas.RESULT},
    ),
    Route(
        *("POST", "/access/v1/evaluation", (CLIENT,), authzen, "Judge one proposed call (AuthZEN 1.0)"),
        body=schemas.AUTHZEN,
        answers={200: schemas.AUTHZEN_RESULT},
    ),
    Route("GET", "/escalations", _EVERYBODY, escalations, "What waits for an answer", answers={200: schemas.ESCALATIONS}),
    Route(
        *("GET", "/escalations/{id}", _EVERYBODY, escalation, "How one escalated call stands"),
        answers={200: schemas.ESCALATION, 404: schemas.ERROR},
        query={"wait": {"type": "integer", "minimum": 0, "maximum": MAX_WAIT}},
    ),
    Route(
        *("POST", "/escalations/{id}/approve", (PERSON,), approve, "Approve it"),
        body=schemas.ANSWER,
        answers={200: schemas.ANSWERED, 404: schemas.ERROR, 409: schemas.ERROR},
    ),
    Route(
        *("POST", "/escalations/{id}/deny", (PERSON,), deny, "Refuse it"),
        body=schemas.ANSWER,
        answers={200: schemas.ANSWERED, 404: schemas.ERROR, 409: schemas.ERROR},
    ),
    Route("GET", "/policies", _LOOKING, policies, "The policies in force", answers={200: schemas.POLICIES}),
    Route(
        *("POST", "/reload", (OPERATOR,), reload, "Read the policies again"),
        answers={200: schemas.RELOADED, 422: schemas.ERROR},
    ),
    Route("GET", "/healthz", _EVERYBODY, healthz, "Whether it runs", answers={200: schemas.STATUS}),
    Route(*("GET", "/readyz", _EVERYBODY, readyz, "Whether it can judge"), answers={200: schemas.STATUS, 503: schemas.ERROR}),
    Route("GET", "/metrics", (OPERATOR,), metrics, "Counts, in Prometheus' text form", answers={200: None}),
)
