"""What is known from elsewhere, held against the hashes of records: the seal, a noted head, checkpoints, their signatures."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.audit import chain
from toolguard.audit.links import parsed
from toolguard.audit.merkle import Tree
from toolguard.audit.note import Checkpoint, Note
from toolguard.audit.report import Finding, Head
from toolguard.stores.base import EMPTY_HASH
from toolguard.stores.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolguard.audit.sign import Verifier
    from toolguard.model import Record

LAG = 4096  # records that may be written between those a checkpoint covers and the checkpoint itself
TOGETHER = 1000  # records that are sealed in one go


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known from elsewhere, each of it optional.

    `noted` is a head; `seal` the one beside the ledger and `key` its first key; `notes` are checkpoints kept elsewhere, and
    `verifiers` the keys that sign checkpoints. `seal_expected`: there should be a seal, as beside every ledger.
    """

    noted: Head | None = None
    seal: Seal | None = None
    key: bytes | None = None
    notes: Sequence[Note] = ()
    verifiers: Sequence[Verifier] = ()
    seal_expected: bool = False

    def does_not_fit(self) -> Finding | None:
        """What is wrong with it without looking at a record."""
        for note in self.notes:
            if self.verifiers and not any(verifier.accepts(note) for verifier in self.verifiers):
                size = note.checkpoint.size
                return Finding(
                    "bad signature", size, f"the checkpoint of {size} records is not signed with a key that was given"
                )
        if self.key is None:
            return None
        if self.seal is None:
            return Finding("unsealed", 1, "there is no seal, and with its key there has to be one")
        if self.seal.commitment != Seal.begin(self.key).commitment:
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
    halted: tuple[str, ...] = ()

    @classmethod
    def read(cls, record: Record) -> Behind | None:
        """From the first record of such a ledger; None if it is another record, or cannot be read."""
        return cls.said(record.seq, parsed(record.body)) if chain.is_kind(record.body, "archive") else None

    @classmethod
    def said(cls, seq: int, content: Mapping[str, Any]) -> Behind | None:
        """From the content of record `seq`; None if that cannot be read."""
        try:
            tree = Tree(content["archived"], [bytes.fromhex(peak) for peak in content["peaks"]])
            head, tag = bytes.fromhex(content["head"]), bytes.fromhex(content["tag"])
            found = cls(tree.size, head, tree, tag, str(content["ledger"]), tuple(map(str, content.get("halted", ()))))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
        return found if found.count == seq - 1 else None


@dataclass(slots=True)
class Coverage:
    """How far each kind of evidence was found to hold; `tree` is that of the records so far, and `last` the hash of the last.

    Begun with a tree it follows the rest of a ledger whose beginning is taken as it is.
    """

    evidence: Evidence
    tree: Tree = field(default_factory=Tree)
    last: bytes = EMPTY_HASH
    ledger: str | None = None
    archived: int = 0
    checkpoints: int = 0
    signed: int = 0
    halted: set[str] = field(default_factory=set)  # the scopes that are halted, as the records say
    revisions: dict[str, int] = field(default_factory=dict)  # of the policies that were in force, and the record that says so
    proven: tuple[int, bytes] = (0, EMPTY_HASH)  # how far a checkpoint from elsewhere, or a signed one, was found to hold
    _began: int = 0
    _ours: Seal | None = None
    _unsealed: list[tuple[int, bytes]] = field(default_factory=list)
    _recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=LAG))
    _notes: dict[int, list[Checkpoint]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Get the evidence ready."""
        self._began = self.tree.size
        self._ours = Seal.begin(self.evidence.key) if self.evidence.key else None
        for note in self.evidence.notes:
            self._notes.setdefault(note.checkpoint.size, []).append(note.checkpoint)

    def begin_behind(self, behind: Behind) -> Finding | None:
        """Take over what the first record says of those in an archive."""
        self._began = self.archived = behind.count
        self.last, self.tree, self.ledger = behind.head, Tree(behind.count, behind.tree.peaks), behind.ledger
        self.halted = set(behind.halted)
        if self._ours:
            self._ours = self._ours.behind(behind.count, behind.head, behind.tag)
        noted = self.evidence.noted
        if noted and noted.seq == behind.count and noted.hash != behind.head.hex():
            return Finding("rewritten", behind.count, "it is not the record whose head was noted")
        return self._seal_is_another_ledgers() or self._against_notes()

    def take(self, seq: int, digest: bytes, said: Mapping[str, Any] | None) -> Finding | None:
        """What the evidence has against the next record, given by its hash, and its content if that tells of the ledger."""
        finding = self._told(seq, said) if said is not None else None
        if finding is not None:
            return finding
        noted, seal = self.evidence.noted, self.evidence.seal
        if noted and noted.seq == seq and noted.hash != digest.hex():
            return Finding("rewritten", seq, "it is not the record whose head was noted")
        if seal and seal.seq == seq and seal.head != digest:
            return Finding("rewritten", seq, "it is not the record that was sealed")
        if self._ours and seal and seq <= seal.seq:
            self._unsealed.append((seq, digest))
            if len(self._unsealed) == TOGETHER:
                self._seal_them()
        self.last = digest
        self._recent.append(digest)
        self.tree.add(digest)
        return self._against_notes() if seq in self._notes else None

    def _seal_them(self) -> None:
        if self._ours:
            self._ours = self._ours.over(self._unsealed)
            self._unsealed.clear()

    def _told(self, seq: int, content: Mapping[str, Any]) -> Finding | None:
        match content.get("kind"):
            case "checkpoint":
                return self._checkpoint(seq, content)
            case "start" | "reload":
                self.revisions.setdefault(str(content.get("revision")), seq)
                if self.ledger is None and isinstance(content.get("ledger"), str):
                    self.ledger = content["ledger"]
                    return self._seal_is_another_ledgers()
            case "halt":
                self.halted.add(str(content.get("scope")))
            case "resume":
                self.halted.discard(str(content.get("scope")))
            case "archive":
                behind = Behind.said(seq, content)
                if behind is None or (behind.head, behind.tree.peaks) != (self.last, self.tree.peaks):
                    return Finding("altered", seq, "what it says of the records before it is not so")
                if set(behind.halted) != self.halted:
                    return Finding("altered", seq, "what it says is halted is not what the records before it say")
            case _:
                pass
        return None

    def _seal_is_another_ledgers(self) -> Finding | None:
        seal = self.evidence.seal
        if self.ledger and seal and seal.commitment.hex() != self.ledger:
            return Finding("another ledger's", self.tree.size + 1, "the seal beside it belongs to another ledger")
        return None

    def _checkpoint(self, seq: int, content: Mapping[str, Any]) -> Finding | None:
        """A checkpoint has to be one of the records before it, and signed if there are signatures at all."""
        self.checkpoints += 1
        count = self.tree.size
        try:
            note = Note.parse(content["note"])
            found = note.checkpoint
            tree = Tree(found.size, [bytes.fromhex(peak) for peak in content["peaks"]])
        except (ValueError, TypeError, KeyError, AttributeError):
            return Finding("altered", seq, "it is a checkpoint that cannot be read")
        fits = tree.root() == found.root and found.size <= count
        if fits and count - found.size <= len(self._recent):
            for each in list(self._recent)[len(self._recent) - (count - found.size) :]:
                tree.add(each)
            fits = tree.peaks == self.tree.peaks
        elif fits:
            fits = found.size < self._began
        if not fits:
            what = f"the {found.size} records that the checkpoint in record {seq} covers were others"
            return Finding("rewritten", self.proven[0] + 1, what)
        return self._signature(seq, note)

    def _signature(self, seq: int, note: Note) -> Finding | None:
        verifiers = self.evidence.verifiers
        if any(verifier.accepts(note) for verifier in verifiers):
            self.signed = note.checkpoint.size
            self.proven = (self.tree.size, self.last)
        elif verifiers and self.signed:
            return Finding("bad signature", seq, "checkpoints before this one are signed with a key that was given")
        elif any(s.name == v.name for s in note.signatures for v in verifiers):
            return Finding("bad signature", seq, "it carries the name of a key that was given, and did not come from it")
        return None

    def _against_notes(self) -> Finding | None:
        count = self.tree.size
        for checkpoint in self._notes.get(count, ()):
            if self.ledger and not checkpoint.origin.endswith(f"/{origin_id(self.ledger)}"):
                return Finding("another ledger's", 1, f"the checkpoint of `{checkpoint.origin}` is not about this ledger")
            if checkpoint.root != self.tree.root():
                what = f"the first {count} records are not those of the checkpoint of `{checkpoint.origin}`"
                return Finding("rewritten", self.proven[0] + 1, what)
            self.proven = (count, self.last)
        return None

    def end(self) -> Finding | None:
        """What is wrong now that there are no more records."""
        seal, noted, count = self.evidence.seal, self.evidence.noted, self.tree.size
        self._seal_them()
        if seal and seal.seq > count:
            return Finding("truncated tail", count + 1, f"the ledger ends with record {count}, and {seal.seq} were sealed")
        if self._ours and seal and (self._ours.tag != seal.tag or (seal.key and self._ours.key != seal.key)):
            # (The seal in an export has no key.)
            return Finding("re-forged", 1, "the seal over these records was not made with the ledger's keys")
        if noted and noted.seq > count:
            what = f"the ledger ends with record {count}, and the noted head is record {noted.seq}"
            return Finding("truncated tail", count + 1, what)
        if self._notes and max(self._notes) > count:
            what = f"the ledger ends with record {count}, and there is a checkpoint of {max(self._notes)} records"
            return Finding("truncated tail", count + 1, what)
        if self._notes and max(self._notes) < self.archived:
            what = "the checkpoints that were given are about records in an archive: give that, too, or a later checkpoint"
            return Finding("not checked", 1, what)
        if noted and noted.seq < self.archived:
            return Finding("not checked", noted.seq, "the record whose head was noted is in an archive: give that, too")
        if self.evidence.verifiers and not self.signed and count:
            return Finding("unsigned", 1, "no checkpoint in the ledger is signed with a key that was given")
        return self._nothing_holds_its_end()

    def _nothing_holds_its_end(self) -> Finding | None:
        evidence, count = self.evidence, self.tree.size
        if not count or evidence.seal or not evidence.seal_expected or evidence.noted or self._notes or evidence.verifiers:
            return None
        what = "there is no seal, so that its end may have been cut off, or all of it made anew"
        return Finding("unsealed", count + 1, f"{what}: give a head or a checkpoint that was kept elsewhere")

    def not_checked(self) -> list[int]:
        """The sizes of checkpoints from elsewhere that are about records in an archive."""
        return sorted(size for size in self._notes if size < self.archived)

    def anchored(self, trusted: int) -> int | None:
        """How many of the records that hold are covered by a checkpoint from elsewhere; None if there is none."""
        return max((n for n in self._notes if self.archived <= n <= trusted), default=0) if self.evidence.notes else None


def origin_id(ledger: str) -> str:
    """The last part of the origin of a ledger's checkpoints."""
    return ledger[:32]
