"""Who is asking: tokens, browser sessions, and a single sign-on in front; how often they may, and what a wrong token costs."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.approvals.people import Principal, hash_of_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolguard.approvals.people import People

SECOND = 10**9  # nanoseconds
SESSION = 12 * 3600 * SECOND  # a browser's
MAX_KEPT = 10_000  # of sessions, of addresses, of principals
MAX_WRONG = 10  # tokens from one address
LOCKED = 60 * SECOND  # from the last wrong one on

_logger = logging.getLogger("toolguard")


class Refusal(Exception):
    """A request that is not served: the status and what to say; never more than that."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class SingleSignOn:
    """A proxy in front says in `header` who has signed in, and proves with `secret` that it is the proxy who says so."""

    header: str
    secret: str = field(repr=False)


SECRET_HEADER = "x-toolguard-proxy"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True)
class Session:
    """A browser whose person has shown a token. `csrf` has to come with every form."""

    name: str
    csrf: str
    ends: int


class Access:
    """Finds the principal of a request, by who is known at that moment."""

    def __init__(
        self,
        people: Callable[[], People],
        now: Callable[[], int],
        *,
        rate: float = 50,
        single_sign_on: SingleSignOn | None = None,
    ) -> None:
        """`rate`: requests a second of each principal, in bursts of twice as many."""
        self._people, self._now, self._rate = people, now, rate
        self.single_sign_on = single_sign_on
        self._wrong: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def of_token(self, token: str, peer: str) -> Principal:
        """Who has this token.

        Raises:
            Refusal: nobody (401), or too many wrong ones came from there (429).
        """
        count, last = self._wrong.get(peer, (0, 0))
        if count >= MAX_WRONG and self._now() - last < LOCKED:
            raise Refusal(429, "too many wrong tokens from there", {"retry-after": str(LOCKED // SECOND)})
        shown, found = hash_of_token(token), None
        for one in self._people().known.values():  # all of them, so that the time says nothing
            if one.token is not None and one.revoked is None and hmac.compare_digest(one.token, shown):
                found = one
        if found is None:
            again = count + 1 if self._now() - last < LOCKED else 1
            _keep(self._wrong, peer, (again, self._now()))
            if again == MAX_WRONG:
                _logger.warning("%s wrong tokens came from %s", MAX_WRONG, peer)
            raise Refusal(401, "there is no such token", {"www-authenticate": "Bearer"})
        self._wrong.pop(peer, None)
        return self._within_rate(found)

    def of_bearer(self, header: str, peer: str) -> Principal:
        """Who is named by an `Authorization` header.

        Raises:
            Refusal: as `of_token`.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(401, "send `Authorization: Bearer TOKEN`", {"www-authenticate": "Bearer"})
        return self.of_token(token.strip(), peer)

    # -- browsers

    def begin(self, person: Principal) -> tuple[str, Session]:
        """A new session of a person, and its secret name."""
        name = secrets.token_urlsafe(32)
        session = Session(person.name, secrets.token_urlsafe(32), self._now() + SESSION)
        _keep(self._sessions, name, session)
        return name, session

    def end(self, name: str) -> None:
        """The person has signed out."""
        self._sessions.pop(name, None)

    def of_session(self, name: str) -> tuple[Principal, Session] | None:
        """Whose session that is; None if it is nobody's any more.

        Raises:
            Refusal: they ask too often (429).
        """
        session = self._sessions.get(name)
        if session is None or self._now() >= session.ends:
            self._sessions.pop(name, None)
            return None
        one = self._people().known.get(session.name)
        if one is None or one.revoked is not None:
            self._sessions.pop(name, None)
            return None
        return self._within_rate(one), session

    def lives(self, name: str) -> bool:
        """Whether it is anybody's session yet."""
        session = self._sessions.get(name)
        one = self._people().known.get(session.name) if session is not None and self._now() < session.ends else None
        return one is not None and one.revoked is None

    def signed_on(self, headers: Mapping[str, str]) -> Principal | None:
        """Whom the single sign-on in front names, if there is one and it is that."""
        sign_on = self.single_sign_on
        if sign_on is None or not hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), sign_on.secret.encode()):
            return None
        one = self._people().known.get(headers.get(sign_on.header, ""))
        return one if one is not None and one.revoked is None else None

    def _within_rate(self, one: Principal) -> Principal:
        now = self._now()
        left, last = self._buckets.get(one.name, (self._rate * 2, now))
        left = min(self._rate * 2, left + self._rate * max(0, now - last) / SECOND)
        if left < 1:
            raise Refusal(429, "too many requests", {"retry-after": "1"})
        _keep(self._buckets, one.name, (left - 1, now))
        return one


def _keep(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    """Keep it, and forget the oldest where there are too many."""
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > MAX_KEPT:
        kept.popitem(last=False)
