"""One entry of the HTTP interface: what serves it, for whom, and how the OpenAPI document describes it."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from toolguard.envelope import no_key_twice
from toolguard.errors import StoreError
from toolguard.gateway.access import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from toolguard.approvals.people import Principal
    from toolguard.gateway.service import Service

MAX_BODY = 2**20  # bytes
MAX_DEPTH = 32

_logger = logging.getLogger("toolguard")


@dataclass(frozen=True, slots=True)
class Ask:
    """One authenticated request."""

    service: Service
    who: Principal
    request: Request
    body: Any = None

    @property
    def peer(self) -> str:
        """The address it came from."""
        return self.request.client.host if self.request.client else "unknown"


@dataclass(frozen=True, slots=True)
class Route:
    """`who` are the kinds of principals that may ask. `body` and `answers` are JSON Schemas, the latter by status."""

    method: str
    path: str
    who: tuple[str, ...]
    serve: Callable[[Ask], Awaitable[Response]]
    summary: str
    body: Mapping[str, Any] | None = None
    answers: Mapping[int, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)


async def body_of(request: Request) -> bytes:
    """The body, as far as it may be long.

    Raises:
        Refusal: it is longer (413).
    """
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MAX_BODY:
            raise Refusal(413, f"a body may have {MAX_BODY} bytes")
    return bytes(found)


def json_of(body: bytes) -> Any:
    """The body as JSON: no key twice, no NaN, no deeper than anybody needs.

    Raises:
        Refusal: it is none (400).
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=no_key_twice, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise Refusal(400, f"the body is no JSON that can be read: {said}") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Refusal(400, f"the body is nested deeper than {MAX_DEPTH}")
        level = [inner for one in level for inner in _inside(one)]
    return value


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def text_in(body: Mapping[str, Any], key: str, default: str = "") -> str:
    """A text of a body.

    Raises:
        Refusal: it is something else (400).
    """
    value = body.get(key, default)
    if not isinstance(value, str):
        raise Refusal(400, f"`{key}` has to be a text")
    return value


def number_in(body: Mapping[str, Any], key: str, default: int) -> int:
    """A whole number of a body, at least 0.

    Raises:
        Refusal: it is something else (400).
    """
    value = body.get(key, default)
    if type(value) is not int or not 0 <= value < 2**31:
        raise Refusal(400, f"`{key}` has to be a whole number")
    return value


def only(body: Any, *keys: str) -> Mapping[str, Any]:
    """A body that is a mapping with no other keys than these.

    Raises:
        Refusal: it is something else (400).
    """
    if not isinstance(body, dict):
        raise Refusal(400, "the body has to be a mapping")
    if unknown := body.keys() - set(keys):
        raise Refusal(400, f"unknown key `{min(unknown)}` (known: {', '.join(keys)})")
    return body


async def answered(serve: Callable[[], Awaitable[Response]]) -> Response:
    """What `serve` answers; a failure of ours is no answer that could be taken for an allow, and tells nothing."""
    try:
        return await serve()
    except Refusal as refusal:
        return JSONResponse({"error": refusal.message}, refusal.status, refusal.headers)
    except StoreError:
        _logger.exception("a request could not be served")
        return JSONResponse({"error": "the ledger or the list of approvers cannot be used"}, 503)
