"""From one record to the next: number, predecessor, hash, clock, and what lies beside it. Says what was done to a record."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from toolguard.audit import chain
from toolguard.audit.capture import commitments, seal_of_payload, wrong_opening
from toolguard.audit.chain import VERSIONS
from toolguard.audit.report import Finding
from toolguard.audit.state import SEAL_LENGTH, claim
from toolguard.errors import LedgerCorrupt
from toolguard.stores.base import EMPTY_HASH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.model import Record

MAX_REMARKS = 20  # of each kind; more of them say nothing new
TELLING = (
    b"checkpoint",
    b"erasure",
    b"start",
    b"reload",
    b"archive",
    b"halt",
    b"resume",
)  # kinds of records that say something about the ledger itself
NOT_SAID = ""  # by erasures of before payloads were sealed
_STATE = b'","state":{'  # behind that, or behind the kind, of a record that changes the state
_KEPT = b'","kept":"'  # behind the kind of a record that has a payload, and before the seal of it


@dataclass(slots=True)
class Links:
    """Where the following of a chain stands: `count` records hold, `last` is the hash of the last, `before` of the one before.

    `payloads`: the records come with what lies beside them. `others` are records beside which something else lies than they
    seal: (its own seal, None for nothing; the hash of the record before). `erased` is what erasures say lies there since.
    `state` is what records say that the counters hold (see `audit.state`).
    """

    payloads: bool = False
    count: int = 0
    last: bytes = EMPTY_HASH
    before: bytes = EMPTY_HASH
    time: int = 0
    remarks: list[Finding] = field(default_factory=list)
    others: dict[int, tuple[str | None, bytes]] = field(default_factory=dict)
    erased: dict[int, str | None] = field(default_factory=dict)
    state: dict[bytes, bytes] = field(default_factory=dict)

    def see(self, record: Record) -> tuple[Finding | None, Mapping[str, Any] | None]:
        """(What is wrong with the record that comes next, its content if it tells something of the ledger itself).

        A record with which nothing is wrong is taken in.
        """
        expected, body = self.count + 1, record.body
        begins = chain.beginning(expected, self.last)
        holds = record.seq == expected and body.startswith(begins) and chain.seal_newest(body) == record.hash
        finding = None if holds else examine(record, expected, self.last, self.before)
        kind = body.find(b'"kind":"', 0, 200) + 8
        finding = finding or (self._beside(record, body.find(b'"', kind)) if self.payloads else None)
        if finding is not None:
            return finding, None
        self._look_at_the_clock(record, len(begins) if holds else None)
        self.before, self.last, self.count = self.last, record.hash, expected
        return None, self._told(parsed(body)) if body.startswith(TELLING, kind) else None

    def _told(self, content: dict[str, Any]) -> Mapping[str, Any]:
        if content.get("kind") == "erasure" and isinstance(content.get("records"), list):
            kept = content.get("kept")
            left = zip_longest(content["records"], kept if isinstance(kept, list) else [], fillvalue=NOT_SAID)
            self.erased.update((seq, seal) for seq, seal in left if type(seq) is int)
        return content

    def _look_at_the_clock(self, record: Record, begins: int | None) -> None:
        if begins is not None:
            written = record.body[begins : record.body.find(b",", begins)]
            time = int(written) if written.isdigit() else 0
        else:
            claimed = parsed(record.body).get("time")
            time = claimed if type(claimed) is int else 0
        if time < self.time:
            back = (self.time - time) / 1e9
            self.remark("clock went back", record.seq, f"by {back:,.3f} s since the record before it")
        self.time = time

    def _beside(self, record: Record, behind_kind: int) -> Finding | None:
        """Hold the payload against what the record says of it; an erasure may say otherwise later, so that `end` judges."""
        behind = behind_kind
        if record.body.startswith(_KEPT, behind_kind):
            begin, found = behind_kind + len(_KEPT), seal_of_payload(record.payload)
            behind = begin + SEAL_LENGTH
            if found is None or not record.body.startswith(found.encode(), begin):
                self.others[record.seq] = (found, self.last)
        elif record.payload is not None:
            wrong = _wrong(record)
            if wrong is not None:
                return Finding("altered", record.seq, f"{wrong} is not what the record seals")
        elif b'"params":{"' in record.body and commitments(parsed(record.body)):  # of before payloads were sealed
            self.others[record.seq] = (None, self.last)
        if record.body.startswith(_STATE, behind):
            claim(self.state, parsed(record.body).get("state"))
        return None

    def remark(self, kind: str, seq: int, message: str) -> None:
        """Say what a reader should know, although every record holds."""
        if sum(each.kind == kind for each in self.remarks) < MAX_REMARKS:
            self.remarks.append(Finding(kind, seq, message))

    def end(self, archived: int = 0) -> Finding | None:
        """There are no more records (and the first `archived` were not seen); what is wrong with what lies beside them."""
        for seq, (found, before) in sorted(self.others.items()):
            if seq in self.erased and self.erased[seq] in (found, NOT_SAID):
                continue
            if found is not None:
                self.count, self.last = seq - 1, before  # what holds is what is before that
                return Finding("altered", seq, "what is kept beside it is not what it seals, and no erasure says so")
            self.remark("erased without a record", seq, "what opens its parameters is gone, and nothing says why")
        for seq, left in sorted(self.erased.items()) if self.payloads else ():
            if archived < seq <= self.count and seq not in self.others and left is not NOT_SAID:
                return Finding("altered", self.count + 1, f"what an erasure took from record {seq} is there again")
        return None


def examine(record: Record, expected: int, last: bytes, before: bytes) -> Finding | None:
    """What is wrong with one record at place `expected` behind a record hashed `last` (and one hashed `before` before it)."""
    if record.seq > expected:
        if expected == 1:
            return Finding("truncated head", 1, f"the ledger begins with record {record.seq}")
        return Finding("deleted", expected, f"record {record.seq} follows record {expected - 1}")
    if record.seq < expected:
        return Finding("inserted", record.seq, f"it stands where record {expected} should")
    if chain.seal(record.body) != record.hash:
        return Finding("altered", record.seq, "its bytes do not have the hash they were sealed with")
    body, version = parsed(record.body), chain.version_of(record.body)
    if version not in VERSIONS or body.get("v") != version:
        known = " and ".join(map(str, VERSIONS))
        return Finding(
            "unknown version", record.seq, f"its format is {ascii(body.get('v'))[:20]}, and this verifier knows {known}"
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
    if version == chain.VERSION:
        return Finding("altered", record.seq, "it does not begin as records of its version do")
    return None


def parsed(body: bytes) -> dict[str, Any]:
    """A body as a mapping; an empty one where it is something else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _wrong(record: Record) -> str | None:
    """What a record keeps, of before payloads were sealed, that it does not seal; None if it all fits."""
    content = parsed(record.body)
    try:
        name = wrong_opening(content, record.payload)
    except LedgerCorrupt:
        name = "the parameters"
    return f"what is kept of `{name}`" if name else None if commitments(content) else "what is kept beside it"
