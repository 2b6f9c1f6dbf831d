"""A counter as the state keeps it."""

from __future__ import annotations

import json
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any

from toolguard.errors import StoreError
from toolguard.windows import NOTHING, Used

if TYPE_CHECKING:
    from collections.abc import Sequence

_as_text = json.JSONEncoder(separators=(",", ":")).encode


def used_of(body: bytes | None) -> Used:
    """What a counter holds.

    Raises:
        StoreError: it is no counter.
    """
    if body is None:
        return NOTHING
    try:
        content = json.loads(body)
        entries = tuple((int(time), str(amount)) for time, amount in content["entries"])
        return Used(entries, Decimal(content["total"]), int(content["latest"]))
    except (ValueError, TypeError, KeyError, DecimalException):
        raise StoreError("a counter of the ledger cannot be read") from None


def body_of(used: Used) -> bytes:
    """A counter as it is kept."""
    content = {"latest": used.latest, "total": str(used.total), "entries": used.entries}
    return _as_text(content).encode()


def counts_for(name: str, limit_id: str, key: Sequence[Any] | None) -> bool:
    """Whether this is the name of a counter of that limit, and of that key if one is given."""
    try:
        kind, _policy, limit, *_written, counted = json.loads(name)
    except ValueError:
        return False
    return bool(kind == "limit" and limit == limit_id and (key is None or counted == list(key)))
