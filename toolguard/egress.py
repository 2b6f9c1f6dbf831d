"""Transports for httpx2 that judge every request, each redirect among them, and connect to no address but the one they judged.

A rule about a URL knows the host's name and not where it leads: a name that is public today can resolve to the machine itself
a second later. `GuardedTransport` asks for the addresses once, refuses a name of which one is not on the public internet, and
connects to that address, whatever the name says then.

    client = httpx2.Client(transport=GuardedTransport(guard), follow_redirects=True)
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import httpx2

from toolguard.classify.url import classify
from toolguard.errors import ToolDenied

if TYPE_CHECKING:
    from collections.abc import Collection

    from toolguard.guard import Guard
    from toolguard.model import Decision

_PORTS = {"http": 80, "https": 443}
# A connection is opened for one address and one name; kept alive, it would serve another name at the same address unchecked.
_LIMITS = httpx2.Limits(max_keepalive_connections=0)


class AddressRefused(httpx2.ConnectError):
    """A host's name leads to an address that is not on the public internet, or to none."""


class _Judge:
    def __init__(self, guard: Guard, *, tool: str, internal: Collection[str], who: dict[str, Any]) -> None:
        self.guard, self.tool, self.who = guard, tool, who
        self.internal = frozenset(host.lower() for host in internal)

    def call(self, request: httpx2.Request) -> tuple[str, dict[str, Any]]:
        return self.tool, {"url": str(request.url), "method": request.method}

    def stop_unless_allowed(self, decision: Decision) -> None:
        if not decision.allowed:
            raise ToolDenied(decision)

    def pinned(self, request: httpx2.Request, found: list[Any]) -> httpx2.Request:
        """The same request to the first of the addresses, all of which have to be public; TLS still asks for the name."""
        host = request.url.host
        addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
        for address in addresses:
            if host.lower() not in self.internal and not _is_public(address):
                raise AddressRefused(f"`{host}` leads to {address}, which is not on the public internet", request=request)
        if not addresses:
            raise AddressRefused(f"`{host}` leads nowhere", request=request)
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=addresses[0]),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )


def _is_public(address: str) -> bool:
    facts = classify(f"http://[{address}]/" if ":" in address else f"http://{address}/")
    return facts.is_private is False and facts.is_metadata is False


def _asked(request: httpx2.Request) -> tuple[str, int]:
    return request.url.host, request.url.port or _PORTS.get(request.url.scheme, 0)


class GuardedTransport(httpx2.BaseTransport):
    """For `httpx2.Client`. Each request is evaluated as a call of `tool` with `url` and `method`.

    `internal` names hosts that may lead to private addresses. `who` are the further arguments of `Guard.evaluate`, such as
    `context` and `agent_id`. A call that is escalated is refused: a transport cannot wait for a person.

    Raises (from a request):
        ToolDenied: the policies do not allow the request, or a redirect.
        AddressRefused: the host's name leads to an address that is not public.
    """

    def __init__(
        self, guard: Guard, *, tool: str = "http_request", internal: Collection[str] = (), verify: Any = True, **who: Any
    ) -> None:
        """Connect with `verify` as httpx2 does; nothing is kept alive."""
        self._judge = _Judge(guard, tool=tool, internal=internal, who=who)
        self._transport = httpx2.HTTPTransport(verify=verify, trust_env=False, limits=_LIMITS)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Judge, look up, and send."""
        tool, params = self._judge.call(request)
        self._judge.stop_unless_allowed(self._judge.guard.evaluate(tool, params, **self._judge.who))
        try:
            found = socket.getaddrinfo(*_asked(request), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as failed:
            raise AddressRefused(str(failed), request=request) from failed
        return self._transport.handle_request(self._judge.pinned(request, found))

    def close(self) -> None:
        """Close what is open."""
        self._transport.close()


class AsyncGuardedTransport(httpx2.AsyncBaseTransport):
    """The same for `httpx2.AsyncClient`."""

    def __init__(
        self, guard: Guard, *, tool: str = "http_request", internal: Collection[str] = (), verify: Any = True, **who: Any
    ) -> None:
        """Connect with `verify` as httpx2 does; nothing is kept alive."""
        self._judge = _Judge(guard, tool=tool, internal=internal, who=who)
        self._transport = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=_LIMITS)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Judge, look up, and send."""
        tool, params = self._judge.call(request)
        self._judge.stop_unless_allowed(await self._judge.guard.evaluate_async(tool, params, **self._judge.who))
        try:
            found = await asyncio.get_running_loop().getaddrinfo(*_asked(request), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as failed:
            raise AddressRefused(str(failed), request=request) from failed
        return await self._transport.handle_async_request(self._judge.pinned(request, found))

    async def aclose(self) -> None:
        """Close what is open."""
        await self._transport.aclose()
