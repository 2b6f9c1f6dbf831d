"""Who is calling, as the host program says it: for a block, in one thread or task."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from toolguard.model import Identity
from toolguard.proposal import merged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_caller: ContextVar[Identity] = ContextVar("toolguard_caller", default=Identity())  # noqa: B039 - frozen


class Callers:
    """What a decision point knows of its callers."""

    @property
    def caller(self) -> Identity:
        """Who is calling here and now, as `acting_as` says."""
        return _caller.get()

    @contextmanager
    def acting_as(
        self,
        *,
        agent_id: str | None = None,
        session_id: str | None = None,
        org_id: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Iterator[None]:
        """Say who is calling for all guarded calls in this block, in this thread or task only.

        Inside another `acting_as`, what is not given is inherited and `context` is added to.
        """
        token = _caller.set(merged(_caller.get(), Identity(agent_id, session_id, org_id, context or {})))
        try:
            yield
        finally:
            _caller.reset(token)
