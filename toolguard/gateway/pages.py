"""The pages for people who answer: what waits, one call, what was answered, and how the ledger stands."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route as Path

from toolguard.approvals.answer import MAX_TEXT, Reply
from toolguard.approvals.escalation import PENDING
from toolguard.approvals.people import CLIENT
from toolguard.audit.select import shown_time
from toolguard.errors import StoreError
from toolguard.gateway.access import Refusal, Session
from toolguard.gateway.routes import answered, body_of
from toolguard.gateway.shown import facts_of, rows_of
from toolguard.text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request

    from toolguard.approvals.escalation import Escalation
    from toolguard.approvals.people import Principal
    from toolguard.gateway.metrics import Metrics
    from toolguard.gateway.service import Service

COOKIE = "toolguard_session"
SECOND, MINUTE, HOUR, DAY = 10**9, 60, 3600, 86400
SIMILAR = 5
MAX_FIELDS = 20
STILL = 15.0  # seconds after which a silent connection is written to


class Pages:
    """Server-rendered; a small script only keeps them fresh. Everything works without it."""

    def __init__(self, service: Service, *, secure: bool) -> None:
        """`secure`: the cookie is for https only."""
        self._service = service
        self._secure = secure
        loader = PackageLoader("toolguard.gateway", "templates")
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        self._templates.filters.update(
            time=shown_time, left=self._left, age=self._age, printable=lambda text: printable(str(text))
        )

    def routes(self, metrics: Metrics) -> list[Path]:
        """All of them."""
        own: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/", self._for(self._queue)),
            ("GET", "/queue", self._for(self._queue_part)),
            ("GET", "/live", self._for(self._live)),
            ("GET", "/calls/{id}", self._for(self._call)),
            ("POST", "/calls/{id}", self._for(self._answer)),
            ("GET", "/history", self._for(self._history)),
            ("GET", "/ledger", self._for(self._ledger)),
            ("POST", "/logout", self._for(self._logout)),
            ("GET", "/login", self._login_form),
            ("POST", "/login", self._login),
        ]
        return [Path(path, _counted(serve, path, metrics), methods=[method]) for method, path, serve in own]

    # -- who is there

    def _for(
        self, serve: Callable[[Request, Principal, Session], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """A page for somebody who has signed in; others are sent to do so."""

        async def page(request: Request) -> Response:
            access, name = self._service.access, request.cookies.get(COOKIE, "")
            found = access.of_session(name)
            if found is None and (person := access.signed_on(request.headers)) is not None and person.kind != CLIENT:
                name, session = access.begin(person)
                response = await serve(request, person, session)
                self._set_cookie(response, name)
                return response
            if found is None:
                return RedirectResponse("/login", 303)
            return await serve(request, *found)

        return page

    async def _login_form(self, _: Request) -> Response:
        return self._page("login.html", title="Sign in", said="")

    async def _login(self, request: Request) -> Response:
        form = await _form(request)
        _same_origin(request)
        try:
            who = self._service.access.of_token(form.get("token", "").strip(), _peer(request))
        except Refusal as refusal:
            return self._page("login.html", refusal.status, title="Sign in", said=refusal.message)
        if who.kind == CLIENT:
            return self._page("login.html", 403, title="Sign in", said="this token is a program's")
        name, _ = self._service.access.begin(who)
        response = RedirectResponse("/", 303)
        self._set_cookie(response, name)
        return response

    def _set_cookie(self, response: Response, name: str) -> None:
        response.set_cookie(COOKIE, name, httponly=True, samesite="strict", secure=self._secure, path="/")

    async def _logout(self, request: Request, _: Principal, session: Session) -> Response:
        await _checked_form(request, session)
        self._service.access.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, path="/")
        return response

    # -- what they see

    async def _queue(self, _: Request, who: Principal, session: Session) -> Response:
        return self._page("queue.html", title="Approvals", who=who, session=session, **await self._waiting(who))

    async def _queue_part(self, _: Request, who: Principal, __: Session) -> Response:
        return self._page("_queue.html", **await self._waiting(who))

    async def _waiting(self, who: Principal) -> dict[str, Any]:
        pending = await asyncio.to_thread(self._service.guard.pending)
        mine = [kept for kept in pending if not self._service.may_answer(who, kept)]
        return {"mine": mine, "others": [kept for kept in pending if kept not in mine]}

    async def _live(self, request: Request, _: Principal, __: Session) -> Response:
        name = request.cookies.get(COOKIE, "")

        async def events() -> AsyncIterator[dict[str, str]]:
            yield {"event": "ready", "data": ""}
            while self._service.access.lives(name):
                if await self._service.change(STILL):
                    yield {"event": "changed", "data": ""}

        return EventSourceResponse(events(), ping=int(STILL))

    async def _call(self, request: Request, who: Principal, session: Session) -> Response:
        kept = self._kept(request)
        return self._missing(who, session) if kept is None else await self._shown(kept, who, session)

    def _missing(self, who: Principal, session: Session) -> Response:
        return self._page("missing.html", 404, title="Nothing there", who=who, session=session)

    async def _shown(self, kept: Escalation, who: Principal, session: Session, said: str = "", status: int = 200) -> Response:
        await asyncio.to_thread(self._service.catch_up)
        status_now = self._service.status_of(kept)
        return self._page(
            "call.html",
            status,
            title=f"{kept.call.get('tool')}",
            who=who,
            session=session,
            kept=kept,
            status=status_now,
            waits=status_now == PENDING,
            refused=self._service.may_answer(who, kept),
            rows=rows_of(kept.call),
            facts=list(facts_of(self._service.guard.policies, kept)),
            rules=self._rules(kept),
            similar=self._similar(kept),
            own=[each for each in self._service.history if each["escalation"] == kept.id],
            said=said,
            max_text=MAX_TEXT,
        )

    def _rules(self, kept: Escalation) -> list[Any]:
        """The rules that the reason names, with what people wrote down."""
        found = []
        for policy in self._service.guard.policies.policies:
            found += [(policy, rule) for rule in policy.rules if f"`{rule.rule_id}`" in kept.reason]
        return found

    def _similar(self, kept: Escalation) -> list[Mapping[str, Any]]:
        """What was answered lately about the same tool."""
        tool = kept.call.get("tool")
        about = (each for each in self._service.history if each.get("tool") == tool and each["escalation"] != kept.id)
        return [each for each, _ in zip(about, range(SIMILAR), strict=False)]

    def _kept(self, request: Request) -> Escalation | None:
        name = request.path_params["id"]
        return self._service.kept(name) if name.isalnum() and name.isascii() else None

    async def _answer(self, request: Request, who: Principal, session: Session) -> Response:
        form = await _checked_form(request, session)
        kept = self._kept(request)
        if kept is None:
            return self._missing(who, session)
        word = form.get("answer")
        if word not in ("approve", "refuse"):
            return await self._shown(kept, who, session, "say whether to approve or to refuse", 400)
        if form.get("round") != str(kept.round):
            return await self._shown(kept, who, session, "it is asked about anew by now; look again", 409)
        if why := self._service.may_answer(who, kept):
            return await self._shown(kept, who, session, why, 409)
        try:
            calls, minutes = int(form.get("calls") or 1), int(form.get("minutes") or 0)
            several = (calls, minutes) if word == "approve" and calls > 1 else (1, 0)
            reply = Reply(word == "approve", who.name, form.get("note", ""), _peer(request), *several)
            await asyncio.to_thread(self._service.answer, kept, reply)
        except (StoreError, ValueError) as error:
            return await self._shown(kept, who, session, printable(str(error)), 409)
        return RedirectResponse("/", 303)

    async def _history(self, _: Request, who: Principal, session: Session) -> Response:
        await asyncio.to_thread(self._service.catch_up)
        return self._page("history.html", title="History", who=who, session=session, answers=list(self._service.history))

    async def _ledger(self, _: Request, who: Principal, session: Session) -> Response:
        await asyncio.to_thread(self._service.catch_up)
        guard = self._service.guard
        last = await asyncio.to_thread(guard.store.last)
        return self._page(
            "ledger.html",
            title="Ledger",
            who=who,
            session=session,
            last=last,
            checkpoint=self._service.checkpoint,
            halts=guard.halts(),
            policies=guard.policies.policies,
            revision=guard.revision,
            full=guard.store.short_of_room(),
        )

    # -- how it is drawn

    def _page(self, template: str, code: int = 200, /, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(template).render(now=self._service.now(), **values), code)

    def _left(self, expires: int) -> str:
        return _span(expires - self._service.now())

    def _age(self, asked: int) -> str:
        return _span(self._service.now() - asked)


def _span(nanoseconds: int) -> str:
    """A length of time as people say it."""
    seconds = max(0, nanoseconds) // SECOND
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size or (seconds >= size and unit == "min"):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _peer(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _form(request: Request) -> dict[str, str]:
    """An ordinary form's fields.

    Raises:
        Refusal: it is none, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refusal(415, "this is no form")
    try:
        return dict(parse_qsl((await body_of(request)).decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Refusal(400, "the form cannot be read") from None


async def _checked_form(request: Request, session: Session) -> dict[str, str]:
    """A form that comes from a page of ours, of this very session.

    Raises:
        Refusal: it does not.
    """
    form = await _form(request)
    _same_origin(request)
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise Refusal(403, "the form is not from this session; load the page again")
    return form


def _same_origin(request: Request) -> None:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    elsewhere = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if site not in (None, "same-origin") or elsewhere:
        raise Refusal(403, "the form is from somewhere else")


def _counted(
    serve: Callable[[Request], Awaitable[Response]], path: str, metrics: Metrics
) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        response = await answered(lambda: serve(request))
        metrics.served(path, response.status_code, 0)
        return response

    return page
