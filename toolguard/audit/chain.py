r"""The format of a record. Version 1: JSON bytes that name their own number and their predecessor's hash; hashed as stored.

    hash = BLAKE3("toolguard record 1\n" + body)
    body = {"v":1, "seq":n, "prev":hex of record n-1's hash, "kind":..., "time":nanoseconds since 1970, ...}

The bytes that were hashed are the bytes that are stored and the bytes that are verified; nothing is ever encoded again.
To change the format: a new version here, a new golden file in `tests/golden/`; the old ones are never edited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest, to_json
from toolguard.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
_DOMAIN = b"toolguard record 1\n"


def seal(body: bytes) -> bytes:
    """The hash of one record's stored bytes."""
    return digest(_DOMAIN + body)


def link(last_seq: int, last_hash: bytes, kind: str, time: int, content: Mapping[str, Any]) -> Record:
    """The record that follows; `time` is nanoseconds since 1970."""
    head = {"v": VERSION, "seq": last_seq + 1, "prev": last_hash.hex(), "kind": kind, "time": time}
    body = to_json({**head, **content})
    return Record(last_seq + 1, body, seal(body))
