r"""What a URL leads to, as far as its text can tell: the facts behind `{url: parameters.url}`.

Parsed as browsers and HTTP clients do (the WHATWG URL standard, by ada), and by the standard library, which has to agree.
Libraries disagree about the host of many a text, so one that is not written the usual way (blanks, `\\`, `@` or `%` around the
host, an IP address in disguise, `http:/x`, a host outside ASCII) is ambiguous, and what it leads to is unknown. Nothing is
looked up: what a name resolves to is not in its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toolguard.classify.base import Classifier, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from publicsuffixlist import PublicSuffixList

MAX_LENGTH = 8192  # characters; browsers and servers stop between 2,000 and 65,000
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}

_PLAIN = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)"
    r"(:\d{1,5})?([/?#][^\s\\\x00-\x1f\x7f]*)?"
)
_NUMERIC = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_USERINFO = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[/\\]*[^/?#\\]*@")
_PRIVATE_NAMES = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "corp",
    "home",
    "lan",
    "private",
    "svc",
    "arpa",
    "test",
    "onion",
)
# Names that resolve to whatever address is written in them, or to this machine.
_WILDCARD_NAMES = ("nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "traefik.me")
_METADATA_NAMES = ("metadata.google.internal", "metadata.goog", "metadata", "instance-data")
_METADATA = tuple(
    map(ip_address, ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
# Addresses that reach somewhere else than they say, or a cloud's inside: translated, tunnelled, deprecated, the wire server.
_NOT_PUBLIC = tuple(
    map(ip_network, ("168.63.129.16/32", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "fec0::/10", "::/96"))
)


@dataclass(frozen=True, slots=True)
class UrlFacts:
    """What is known of a URL. None: not known, and `why_unknown` says why."""

    ambiguous: bool
    """Programs would disagree about where it leads, or it is no URL at all; every other fact is unknown then."""
    scheme: str | None = None
    """In lower case, without the colon: `https`."""
    host: str | None = None
    """In lower case, without a final dot; an address in its usual spelling, an IPv4 address inside an IPv6 one as IPv4."""
    host_kind: str | None = None
    """`name` or `ip`."""
    registered_domain: str | None = None
    """What its owner registered: `example.co.uk` of `api.example.co.uk`; null where there is none, as for addresses."""
    port: int | None = None
    """As written, or the scheme's own."""
    path: str | None = None
    """From the first `/` on, `.` and `..` carried out; without query and fragment."""
    is_private: bool | None = None
    """Not on the public internet: private, loopback, link-local, reserved or translated addresses, and internal names."""
    is_loopback: bool | None = None
    """This machine."""
    is_link_local: bool | None = None
    """This network segment."""
    is_metadata: bool | None = None
    """A cloud's metadata service, which hands out credentials."""
    credentials: bool | None = None
    """Carries a user name or password."""
    needs_resolve_check: bool | None = None
    """Its host is a name: the address it resolves to can still be private, which only the connection shows."""
    method: str | None = None
    """The HTTP method in upper case, where the policy says which field holds it."""
    why_unknown: str = ""


def classify(text: str, method: Any = None) -> UrlFacts:
    """The facts of one URL; `method` is the HTTP method it is asked for with, None when that is not known."""
    return _facts(text, method.upper() if isinstance(method, str) else None)


@lru_cache(maxsize=4096)
def _facts(text: str, method: str | None) -> UrlFacts:
    if len(text) > MAX_LENGTH:
        return _unknown(f"is a URL of more than {MAX_LENGTH} characters")
    if _USERINFO.match(text):
        return _unknown("has `@` before its host", credentials=True)
    if not _PLAIN.fullmatch(text):
        return _unknown("is not a URL written the usual way")
    import ada_url  # noqa: PLC0415 - loaded when a policy first asks about a URL

    try:
        url, second = ada_url.URL(text), urlsplit(text)
        port = int(url.port) if url.port else None
        second_port = second.port
    except ValueError:
        return _unknown("is not a URL")
    scheme, host = url.protocol.removesuffix(":"), url.hostname.lower().removesuffix(".")
    if not host or host.strip("[]") != (second.hostname or "").removesuffix(".") or _is_disguised(host):
        return _unknown("has a host that is not written the usual way")
    if (scheme, _port(scheme, port)) != (second.scheme, _port(second.scheme, second_port)):
        return _unknown("is read in two ways by two libraries")
    if any(host == name or host.endswith(f".{name}") for name in _WILDCARD_NAMES):
        return _unknown("has a host that resolves to whatever its name says")
    return UrlFacts(
        ambiguous=False,
        scheme=scheme,
        port=_port(scheme, port),
        path=url.pathname,
        credentials=False,
        method=method,
        **_host_facts(host),
    )


def _port(scheme: str, written: int | None) -> int | None:
    return PORTS.get(scheme) if written is None else written


def _is_disguised(host: str) -> bool:
    """Ends like an address and is none: for the schemes the standard knows the parser undoes it, for others a client may."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return _NUMERIC.fullmatch(host.rpartition(".")[2]) is not None
    return False


def _host_facts(host: str) -> dict[str, Any]:
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        labels = host.split(".")
        return {
            "host": host,
            "host_kind": "name",
            "registered_domain": _suffixes().privatesuffix(host),
            "is_private": len(labels) == 1 or labels[-1] in _PRIVATE_NAMES,
            "is_loopback": labels[-1] == "localhost",
            "is_link_local": labels[-1] == "local",
            "is_metadata": host in _METADATA_NAMES,
            "needs_resolve_check": True,
        }
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return {
        "host": str(address),
        "host_kind": "ip",
        "is_private": not _is_public(address),
        "is_loopback": address.is_loopback,
        "is_link_local": address.is_link_local,
        "is_metadata": address in _METADATA,
        "needs_resolve_check": False,
    }


@cache
def _suffixes() -> PublicSuffixList:
    """The list of suffixes below which the public registers names, as it was when its package was released."""
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - loaded when a policy first asks about a URL

    return PublicSuffixList(accept_unknown=False)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in network for network in _NOT_PUBLIC)


def _unknown(why: str, *, credentials: bool | None = None) -> UrlFacts:
    return UrlFacts(ambiguous=True, credentials=credentials, why_unknown=why)


def _in_words(facts: UrlFacts) -> Iterator[str]:
    if facts.ambiguous:
        yield f"nobody can say for certain where it leads: {facts.why_unknown}"
    else:
        yield f"{(facts.method or '').lower()} leads to {facts.host}, over {facts.scheme}".strip()
    if facts.is_metadata:
        yield "it is a cloud's metadata service, which hands out credentials"
    elif facts.is_loopback:
        yield "it is this machine"
    elif facts.is_private:
        yield "it is not on the public internet"
    if facts.credentials:
        yield "it carries a user name or password"


CLASSIFIER = Classifier(
    "url",
    "What a URL leads to.",
    UrlFacts,
    classify,
    (Setting("method", "The field with the HTTP method.", of_the_call=True),),
    _in_words,
)
