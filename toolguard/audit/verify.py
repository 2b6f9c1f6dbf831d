"""Checks a chain of records, offline and in constant memory, and names the first thing that was done to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from toolguard.audit import chain
from toolguard.audit.chain import VERSION
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolguard.model import Record


@dataclass(frozen=True, slots=True)
class Finding:
    """What was done to the chain, at which record, in words."""

    kind: str  # altered, deleted, inserted, reordered, rewritten, truncated head or tail, re-forged, wrong key, unsealed, ...
    seq: int
    message: str

    def __str__(self) -> str:
        """`record 7 was altered: ...`."""
        return f"record {self.seq}: {self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class Head:
    """The number and hash (hex) of a record: noted down elsewhere, it proves what the ledger was then."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `SEQ:HASH`.

        Raises:
            ValueError: it is something else.
        """
        seq, _, digest = text.strip().partition(":")
        if (
            not seq.isdecimal()
            or not int(seq)
            or len(digest) != 2 * len(EMPTY_HASH)
            or not set(digest) <= set("0123456789abcdef")
        ):
            raise ValueError(f"`{text}` is not a head (a record's number, `:`, 64 hexadecimal digits)")
        return cls(int(seq), digest)

    def __str__(self) -> str:
        """`SEQ:HASH`."""
        return f"{self.seq}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Report:
    """The first `trusted` records hold; `head` is `SEQ:HASH` of the last of them.

    `sealed` of them are covered by the seal, None where no seal was given; `keyed` says that the seal's first key was there to
    check it with.
    """

    intact: bool
    trusted: int
    head: str
    finding: Finding | None = None
    sealed: int | None = None
    keyed: bool = False


def verify(records: Iterable[Record], noted: Head | None = None, seal: Seal | None = None, key: bytes | None = None) -> Report:
    """Follow the chain from its first record.

    A plain chain shows every change inside it. Cutting records off its end, or writing all of it anew, shows against a head
    that was `noted` elsewhere, against the `seal` beside the ledger if that was left alone, and against any seal with its
    first `key`.
    """
    finding = _key_does_not_fit(seal, key)
    if finding is not None:
        return _report(finding, 0, EMPTY_HASH, EMPTY_HASH)
    report = _follow(records, noted, seal, Seal.begin(key) if key else None)
    return replace(report, sealed=min(seal.seq, report.trusted) if seal else None, keyed=key is not None)


def _key_does_not_fit(seal: Seal | None, key: bytes | None) -> Finding | None:
    if key is None:
        return None
    if seal is None:
        return Finding("unsealed", 1, "there is no seal beside the ledger, and with its key there has to be one")
    if seal.commitment != Seal.begin(key).commitment:
        return Finding("wrong key", 1, "the key is another ledger's, or the seal was begun anew by somebody without it")
    return None


def _follow(records: Iterable[Record], noted: Head | None, seal: Seal | None, ours: Seal | None) -> Report:
    before, last, count = EMPTY_HASH, EMPTY_HASH, 0
    for record in records:
        finding = _examine(record, count + 1, last, before)
        if finding is None and noted and noted.seq == record.seq and noted.hash != record.hash.hex():
            finding = Finding("rewritten", record.seq, "it is not the record whose head was noted")
        if finding is None and seal and seal.seq == record.seq and seal.head != record.hash:
            finding = Finding("rewritten", record.seq, "it is not the record that was sealed")
        if finding is None and ours and seal and record.seq <= seal.seq:
            ours = ours.over([(record.seq, record.hash)])
        if finding is not None:
            return _report(finding, count, last, before)
        before, last, count = last, record.hash, count + 1
    if seal and seal.seq > count:
        cut = Finding("truncated tail", count + 1, f"the ledger ends with record {count}, and {seal.seq} were sealed")
        return _report(cut, count, last, before)
    if ours and seal and (ours.tag != seal.tag or (seal.key and ours.key != seal.key)):  # an export's seal has no key
        forged = Finding("re-forged", 1, "the seal over these records was not made with the ledger's keys")
        return _report(forged, 0, EMPTY_HASH, EMPTY_HASH)
    if noted and noted.seq > count:
        cut = Finding(
            "truncated tail", count + 1, f"the ledger ends with record {count}, and the noted head is record {noted.seq}"
        )
        return _report(cut, count, last, before)
    return Report(intact=True, trusted=count, head=str(Head(count, last.hex())))


def _report(finding: Finding, count: int, last: bytes, before: bytes) -> Report:
    """What holds is what lies before the finding: all `count` records seen, or all but the last of them."""
    trusted, head = (count, last) if finding.seq > count else (max(0, count - 1), before)
    return Report(intact=False, trusted=trusted, head=str(Head(trusted, head.hex())), finding=finding)


def _examine(record: Record, expected: int, last: bytes, before: bytes) -> Finding | None:
    """What is wrong with one record at place `expected` behind a record hashed `last` (and one hashed `before` before it)."""
    if record.seq > expected:
        if expected == 1:
            return Finding("truncated head", 1, f"the ledger begins with record {record.seq}")
        return Finding("deleted", expected, f"record {record.seq} follows record {expected - 1}")
    if record.seq < expected:
        return Finding("inserted", record.seq, f"it stands where record {expected} should")
    if chain.seal(record.body) != record.hash:
        return Finding("altered", record.seq, "its bytes do not have the hash they were sealed with")
    body = _parse(record.body)
    if body.get("v") != VERSION:
        return Finding(
            "unknown version", record.seq, f"its format is {ascii(body.get('v'))[:20]}, and this verifier knows {VERSION}"
        )
    claimed, previous = body.get("seq"), body.get("prev")
    if previous == before.hex() and expected > 1 and claimed == expected - 1:
        return Finding(
            "inserted", expected - 1, f"another record was put before the one that was written as {ascii(claimed)[:20]}"
        )
    if claimed != record.seq:
        return Finding("reordered", record.seq, f"in its place stands what was written as record {ascii(claimed)[:20]}")
    if previous != last.hex():
        if expected == 1:
            return Finding("truncated head", 1, "it names a predecessor that is not there")
        return Finding("altered", expected - 1, f"record {record.seq} was sealed behind another version of it")
    return None


def _parse(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
