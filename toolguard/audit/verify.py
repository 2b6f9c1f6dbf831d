"""Checks a chain of records, offline and in constant memory, and names the first thing that was done to it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.audit import chain
from toolguard.audit.capture import commitments, wrong_opening
from toolguard.audit.chain import VERSIONS
from toolguard.audit.merkle import Tree
from toolguard.audit.note import Checkpoint, Note
from toolguard.audit.report import Finding, Head, Report
from toolguard.errors import LedgerCorrupt
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolguard.audit.sign import Verifier
    from toolguard.model import Record

LAG = 4096  # records that may be written between those a checkpoint covers and the checkpoint itself
MAX_REMARKS = 20  # of each kind; more of them say nothing new
TOGETHER = 1000  # records that are sealed in one go
PROGRESS = 10_000  # records between two calls of `progress`


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known from elsewhere, each of it optional.

    `noted` is a head; `seal` the one beside the ledger and `key` its first key; `notes` are checkpoints kept elsewhere, and
    `verifiers` the keys that sign checkpoints.
    """

    noted: Head | None = None
    seal: Seal | None = None
    key: bytes | None = None
    notes: Sequence[Note] = ()
    verifiers: Sequence[Verifier] = ()


def verify(
    records: Iterable[Record],
    evidence: Evidence = Evidence(),
    *,
    payloads: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Follow the chain from its first record.

    A plain chain shows every change inside it. Cutting records off its end, or writing all of it anew, shows against evidence
    from elsewhere. `payloads` says that the records come with what lies beside them, so that what is missing there is remarked.
    `progress` is told now and then how many records were seen.
    """
    finding = _does_not_fit(evidence)
    if finding is not None:
        return Report(intact=False, trusted=0, head=str(Head(0, EMPTY_HASH.hex())), finding=finding)
    return follow(records, Follower(evidence, payloads=payloads), progress)


def follow(records: Iterable[Record], follower: Follower, progress: Callable[[int], object] = lambda _: None) -> Report:
    """Let a follower see every record, and close."""
    for record in records:
        finding = follower.see(record)
        if finding is not None:
            return follower.report(finding)
        if not record.seq % PROGRESS:
            progress(record.seq)
    return follower.report(follower.end())


def _does_not_fit(evidence: Evidence) -> Finding | None:
    """What can be said without looking at a record."""
    for note in evidence.notes:
        if evidence.verifiers and not any(verifier.accepts(note) for verifier in evidence.verifiers):
            size = note.checkpoint.size
            return Finding("bad signature", size, f"the checkpoint of {size} records is not signed with a key that was given")
    if evidence.key is None:
        return None
    if evidence.seal is None:
        return Finding("unsealed", 1, "there is no seal beside the ledger, and with its key there has to be one")
    if evidence.seal.commitment != Seal.begin(evidence.key).commitment:
        return Finding("wrong key", 1, "the key is another ledger's, or the seal was begun anew by somebody without it")
    return None


@dataclass(frozen=True, slots=True)
class Behind:
    """Where a ledger goes on whose earlier records are in an archive: what its first record says of them."""

    count: int
    head: bytes
    tree: Tree
    tag: bytes
    ledger: str

    @classmethod
    def read(cls, record: Record) -> Behind | None:
        """From the first record of such a ledger; None if it is another record, or cannot be read."""
        if not chain.is_kind(record.body, "archive"):
            return None
        content = parsed(record.body)
        try:
            tree = Tree(content["archived"], [bytes.fromhex(peak) for peak in content["peaks"]])
            head, tag = bytes.fromhex(content["head"]), bytes.fromhex(content["tag"])
            found = cls(tree.size, head, tree, tag, str(content["ledger"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if found.count == record.seq - 1 else None


@dataclass(slots=True)
class Follower:
    """Where the following of a chain stands: `count` records hold, `last` is the hash of the last, `before` of the one before.

    Begun with another `count`, `last` and `tree` it follows the rest of a chain whose beginning is taken as it is.
    """

    evidence: Evidence
    payloads: bool = False
    count: int = 0
    last: bytes = EMPTY_HASH
    before: bytes = EMPTY_HASH
    tree: Tree = field(default_factory=Tree)
    time: int = 0
    ledger: str | None = None
    archived: int = 0
    checkpoints: int = 0
    signed: int = 0
    remarks: list[Finding] = field(default_factory=list)
    _began: int = 0
    _proven: tuple[int, bytes] = (0, EMPTY_HASH)  # how far a checkpoint from elsewhere, or a signed one, was found to hold
    _ours: Seal | None = None
    _unsealed: list[tuple[int, bytes]] = field(default_factory=list)
    _recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=LAG))
    _notes: dict[int, list[Checkpoint]] = field(default_factory=dict)
    _bare: set[int] = field(default_factory=set)  # records with commitments that nothing opens

    def __post_init__(self) -> None:
        """Get the evidence ready."""
        self._began = self.count
        self._ours = Seal.begin(self.evidence.key) if self.evidence.key else None
        for note in self.evidence.notes:
            self._notes.setdefault(note.checkpoint.size, []).append(note.checkpoint)

    def see(self, record: Record) -> Finding | None:
        """What is wrong with the record that comes next; None takes it in."""
        if record.seq > 1 and not self.count and (behind := Behind.read(record)) is not None:
            finding = self._go_on(behind)
            if finding is not None:
                return finding
        expected, body = self.count + 1, record.body
        begins = chain.beginning(expected, self.last)
        holds = record.seq == expected and body.startswith(begins) and chain.seal_newest(body) == record.hash
        finding = None if holds else examine(record, expected, self.last, self.before)
        if finding is None:
            self._look_at_the_clock(record, len(begins) if holds else None)
            finding = self._inside(record) or self._against_evidence(record)
        if finding is None:
            self.before, self.last, self.count = self.last, record.hash, expected
            self._recent.append(record.hash)
            self.tree.add(record.hash)
            finding = self._against_notes()
        return finding

    def _go_on(self, behind: Behind) -> Finding | None:
        """Take over what the first record says of those in an archive."""
        self.count = self._began = self.archived = behind.count
        self.last, self.tree, self.ledger = behind.head, Tree(behind.count, behind.tree.peaks), behind.ledger
        if self._ours:
            self._ours = self._ours.behind(behind.count, behind.head, behind.tag)
        return self._seal_is_another_ledgers() or self._against_notes()

    def _seal_is_another_ledgers(self) -> Finding | None:
        seal = self.evidence.seal
        if self.ledger and seal and seal.commitment.hex() != self.ledger:
            return Finding("another ledger's", self.count + 1, "the seal beside it belongs to another ledger")
        return None

    def _look_at_the_clock(self, record: Record, begins: int | None) -> None:
        if begins is not None:
            written = record.body[begins : record.body.find(b",", begins)]
            time = int(written) if written.isdigit() else 0
        else:
            claimed = parsed(record.body).get("time")
            time = claimed if type(claimed) is int else 0
        if time < self.time:
            back = (self.time - time) / 1e9
            self._remark("clock went back", record.seq, f"by {back:,.3f} s since the record before it")
        self.time = time

    def _remark(self, kind: str, seq: int, message: str) -> None:
        if sum(each.kind == kind for each in self.remarks) < MAX_REMARKS:
            self.remarks.append(Finding(kind, seq, message))

    def _inside(self, record: Record) -> Finding | None:
        """What the record itself says, as far as it can be checked."""
        body = record.body
        if self.payloads and b'"params":{"' in body:
            if record.payload is None:
                if commitments(parsed(body)):
                    self._bare.add(record.seq)
            elif b'"text"' in record.payload and (wrong := _wrong(record)) is not None:
                return Finding("altered", record.seq, f"what is kept of `{wrong}` is not what the record seals")
        kind = body.find(b'"kind":"', 0, 200)
        if body.startswith((b"checkpoint", b"erasure", b"start", b"archive"), kind + 8):
            content = parsed(body)
            match content.get("kind"):
                case "checkpoint":
                    return self._checkpoint(record, content)
                case "erasure" if isinstance(content.get("records"), list):
                    self._bare.difference_update(seq for seq in content["records"] if type(seq) is int)
                case "start" if self.ledger is None and isinstance(content.get("ledger"), str):
                    self.ledger = content["ledger"]
                    return self._seal_is_another_ledgers()
                case "archive":
                    behind = Behind.read(record)
                    if behind is None or (behind.head, behind.tree.peaks) != (self.last, self.tree.peaks):
                        return Finding("altered", record.seq, "what it says of the records before it is not so")
                case _:
                    pass
        return None

    def _checkpoint(self, record: Record, content: dict[str, Any]) -> Finding | None:
        """A checkpoint has to be one of the records before it, and signed if there are signatures at all."""
        self.checkpoints += 1
        try:
            note = Note.parse(content["note"])
            peaks = [bytes.fromhex(peak) for peak in content["peaks"]]
            found, tree = note.checkpoint, Tree(note.checkpoint.size, peaks)
        except (ValueError, TypeError, KeyError, AttributeError):
            return Finding("altered", record.seq, "it is a checkpoint that cannot be read")
        fits = tree.root() == found.root and found.size <= self.count
        if fits and self.count - found.size <= len(self._recent):
            for each in list(self._recent)[len(self._recent) - (self.count - found.size) :]:
                tree.add(each)
            fits = tree.peaks == self.tree.peaks
        elif fits:
            fits = found.size < self._began
        if not fits:
            what = f"the {found.size} records that the checkpoint in record {record.seq} covers were others"
            return Finding("rewritten", self._proven[0] + 1, what)
        return self._signature(record, note)

    def _signature(self, record: Record, note: Note) -> Finding | None:
        verifiers = self.evidence.verifiers
        if any(verifier.accepts(note) for verifier in verifiers):
            self.signed = note.checkpoint.size
            self._proven = (self.count, self.last)
        elif verifiers and self.signed:
            return Finding("bad signature", record.seq, "checkpoints before this one are signed with a key that was given")
        elif any(s.name == v.name for s in note.signatures for v in verifiers):
            return Finding("bad signature", record.seq, "it carries the name of a key that was given, and did not come from it")
        return None

    def _against_evidence(self, record: Record) -> Finding | None:
        noted, seal = self.evidence.noted, self.evidence.seal
        if noted and noted.seq == record.seq and noted.hash != record.hash.hex():
            return Finding("rewritten", record.seq, "it is not the record whose head was noted")
        if seal and seal.seq == record.seq and seal.head != record.hash:
            return Finding("rewritten", record.seq, "it is not the record that was sealed")
        if self._ours and seal and record.seq <= seal.seq:
            self._unsealed.append((record.seq, record.hash))
            if len(self._unsealed) == TOGETHER:
                self._seal_them()
        return None

    def _seal_them(self) -> None:
        if self._ours:
            self._ours = self._ours.over(self._unsealed)
            self._unsealed.clear()

    def _against_notes(self) -> Finding | None:
        for checkpoint in self._notes.get(self.count, ()):
            if self.ledger and not checkpoint.origin.endswith(f"/{origin_id(self.ledger)}"):
                return Finding("another ledger's", 1, f"the checkpoint of `{checkpoint.origin}` is not about this ledger")
            if checkpoint.root != self.tree.root():
                what = f"the first {self.count} records are not those of the checkpoint of `{checkpoint.origin}`"
                return Finding("rewritten", self._proven[0] + 1, what)
            self._proven = (self.count, self.last)
        return None

    def end(self) -> Finding | None:
        """What is wrong now that there are no more records."""
        seal, noted, count = self.evidence.seal, self.evidence.noted, self.count
        self._seal_them()
        if seal and seal.seq > count:
            return Finding("truncated tail", count + 1, f"the ledger ends with record {count}, and {seal.seq} were sealed")
        if self._ours and seal and (self._ours.tag != seal.tag or (seal.key and self._ours.key != seal.key)):
            return Finding(
                "re-forged", 1, "the seal over these records was not made with the ledger's keys"
            )  # an export's has none
        if noted and noted.seq > count:
            what = f"the ledger ends with record {count}, and the noted head is record {noted.seq}"
            return Finding("truncated tail", count + 1, what)
        if self._notes and max(self._notes) > count:
            what = f"the ledger ends with record {count}, and there is a checkpoint of {max(self._notes)} records"
            return Finding("truncated tail", count + 1, what)
        if self.evidence.verifiers and not self.signed and count:
            return Finding("unsigned", 1, "no checkpoint in the ledger is signed with a key that was given")
        for size in self._notes:
            if size < self.archived:
                self._remark("not checked", size, f"the checkpoint of {size} records is about records in an archive")
        for seq in sorted(self._bare)[:MAX_REMARKS]:
            self._remark("erased without a record", seq, "what opens its parameters is gone, and nothing says why")
        return None

    @property
    def head(self) -> Head:
        """The number and hash of the last record that holds."""
        return Head(self.count, self.last.hex())

    def report(self, finding: Finding | None) -> Report:
        """What holds is what lies before the finding: all records seen, all but the last of them, or what was proved."""
        trusted, head = self.count, self.last
        if finding is not None and finding.seq <= self.count:
            trusted, head = (self.count - 1, self.before) if finding.seq == self.count > 0 else self._proven
        evidence = self.evidence
        return Report(
            intact=finding is None,
            trusted=trusted,
            head=str(Head(trusted, head.hex())),
            finding=finding,
            remarks=tuple(self.remarks),
            checkpoints=self.checkpoints,
            sealed=min(evidence.seal.seq, trusted) if evidence.seal else None,
            keyed=evidence.key is not None,
            signed=min(self.signed, trusted) if evidence.verifiers else None,
            anchored=max((n for n in self._notes if self.archived <= n <= trusted), default=0) if evidence.notes else None,
            archived=self.archived,
        )


def origin_id(ledger: str) -> str:
    """The last part of the origin of a ledger's checkpoints."""
    return ledger[:32]


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
    try:
        return wrong_opening(parsed(record.body), record.payload)
    except LedgerCorrupt:
        return "the parameters"
