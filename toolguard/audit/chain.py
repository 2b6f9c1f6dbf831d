r"""The format of a record: JSON bytes that name their own number and their predecessor's hash; hashed as stored.

    hash = BLAKE3("toolguard record 2\n" + body)
    body = {"v":2,"seq":n,"prev":"hex of record n-1's hash","time":nanoseconds since 1970,"kind":"...", ...}

A body begins with exactly these bytes, so that a chain can be followed without parsing JSON. The bytes that were hashed are
the bytes that are stored and the bytes that are verified; nothing is ever encoded again. Version 1 had `kind` before `time`.
To change the format: a new version here, a new golden file in `tests/golden/`; the old ones are never edited.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from toolguard.canonical import digest, to_json
from toolguard.model import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 2
VERSIONS = (1, 2)
_DOMAINS = {version: b"toolguard record %d\n" % version for version in VERSIONS}
_NEWEST = _DOMAINS[VERSION]
_VERSION_OF = re.compile(rb'\{"v":([1-9][0-9]{0,8}),')


def seal(body: bytes) -> bytes:
    """The hash of one record's stored bytes. What begins like no known version is hashed as the newest."""
    return digest(_DOMAINS.get(version_of(body) or VERSION, _DOMAINS[VERSION]) + body)


def seal_newest(body: bytes) -> bytes:
    """The hash of the bytes of a record that is known to be of the newest version."""
    return digest(_NEWEST + body)


def version_of(body: bytes) -> int | None:
    """The version that a body begins with; None if it begins like no record."""
    found = _VERSION_OF.match(body)
    return int(found[1]) if found else None


def is_kind(body: bytes, *kinds: str) -> bool:
    """Whether this is the body of a record of one of these kinds."""
    at = body.find(b'"kind":"', 0, 200) + 8
    return body[at : body.find(b'"', at)].decode("ascii", "replace") in kinds


def beginning(seq: int, previous: bytes) -> bytes:
    """What the body of record `seq` begins with, up to its time."""
    return b'{"v":%d,"seq":%d,"prev":"%s","time":' % (VERSION, seq, previous.hex().encode())


def draft(kind: str, content: Mapping[str, Any]) -> bytes:
    """What a record says, before it is known where in the chain it will stand."""
    return to_json({"kind": kind, **content})


def chained(last_seq: int, last_hash: bytes, time: int, said: bytes, payload: bytes | None = None) -> Record:
    """The record that follows and says what was drafted; `time` is nanoseconds since 1970."""
    body = b"%s%d,%s" % (beginning(last_seq + 1, last_hash), time, said[1:])
    return Record(last_seq + 1, body, seal(body), payload)


def link(last_seq: int, last_hash: bytes, kind: str, time: int, content: Mapping[str, Any]) -> Record:
    """Draft a record and chain it."""
    return chained(last_seq, last_hash, time, draft(kind, content))
