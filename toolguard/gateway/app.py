"""The ASGI application: every route authenticated, bounded and counted; errors say no more than they have to."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.routing import Route as Path
from starlette.staticfiles import StaticFiles

from toolguard.approvals.people import KINDS
from toolguard.gateway import schemas
from toolguard.gateway.access import Refusal
from toolguard.gateway.api import ROUTES
from toolguard.gateway.openapi import openapi
from toolguard.gateway.pages import Pages
from toolguard.gateway.routes import Ask, Route, answered, body_of, json_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from toolguard.gateway.metrics import Metrics
    from toolguard.gateway.service import Service

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
_POLICY = (
    b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    b"style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'"
)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY),
)
_SAID = {404: "there is nothing there", 405: "not with this method"}
_logger = logging.getLogger("toolguard")


def app(service: Service, metrics: Metrics, *, hosts: Sequence[str] = LOOPBACK, secure: bool = False) -> Starlette:
    """The application. `hosts` are the names it may be asked under; `secure`: browsers reach it by https only."""

    async def document(_: Ask) -> Response:
        return JSONResponse(document_)

    described = Route("GET", "/openapi.json", KINDS, document, "This document", answers={200: schemas.MAPPING})
    routes = (*ROUTES, described)
    document_ = openapi(routes)
    pages = Pages(service, secure=secure)
    made = Starlette(
        routes=[
            *(Path(route.path, _endpoint(service, metrics, route), methods=[route.method]) for route in routes),
            *pages.routes(metrics),
            Mount("/static", StaticFiles(packages=[("toolguard.gateway", "static")])),
        ],
        middleware=[Middleware(_Headers), Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)],
        exception_handlers={HTTPException: _http_error, Exception: _failed},
        lifespan=service.running,
    )
    made.router.redirect_slashes = False
    made.state.metrics = metrics
    return made


def _endpoint(service: Service, metrics: Metrics, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        begun = time.perf_counter()
        response = await answered(lambda: _served(service, route, request))
        metrics.served(route.path, response.status_code, time.perf_counter() - begun)
        return response

    return serve


async def _served(service: Service, route: Route, request: Request) -> Response:
    peer = request.client.host if request.client else "unknown"
    who = service.access.of_bearer(request.headers.get("authorization", ""), peer)
    if who.kind not in route.who:
        raise Refusal(403, f"this is for: {', '.join(route.who)}")
    body: Any = None
    if route.body is not None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "send `content-type: application/json`")
        body = json_of(await body_of(request))
    return await route.serve(Ask(service, who, request, body))


async def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return JSONResponse({"error": _SAID.get(status, "not like that")}, status, headers)


async def _failed(_: Request, error: Exception) -> Response:
    _logger.error("a request failed: %s", type(error).__name__, exc_info=error)
    return JSONResponse({"error": "internal error"}, 500)


class _Headers:
    """Puts what keeps browsers careful on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                known = {name for name, _ in message.get("headers", ())}
                message["headers"] = [*message.get("headers", ()), *(pair for pair in HEADERS if pair[0] not in known)]
            await send(message)

        await self._app(scope, receive, sent if scope["type"] == "http" else send)
