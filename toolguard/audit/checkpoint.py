"""Checkpoints: now and then the root of all records so far becomes a record, signed and copied to other places if so wished.

A thread makes them, so that no call waits for a signature or a network: every so many records, every so many seconds in which
there were any, and at the end. Any process that shares the ledger may make one; each goes on from where it was itself.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.audit.chain import is_kind
from toolguard.audit.coverage import LAG, Behind, Evidence, origin_id
from toolguard.audit.merkle import Tree
from toolguard.audit.note import Checkpoint, Note
from toolguard.audit.verify import Follower
from toolguard.errors import LedgerCorrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolguard.audit.sign import Signer, Verifier
    from toolguard.model import Record
    from toolguard.stores.base import Store

    Anchor = Callable[[str], object]  # takes a note to another place; whatever it raises is put on record
    Append = Callable[[str, dict[str, Any]], Record]

KIND = "checkpoint"
CHECKED = 5000  # newest records that are checked at least when a ledger is opened
NO_NAME = "toolguard"

_logger = logging.getLogger("toolguard")


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """When checkpoints are made, who signs them and where they are copied to.

    Args:
        signing_key: the file that `toolguard keys --sign` made, outside the agent's reach; None leaves checkpoints unsigned.
        anchors: where each is copied to: see `toolguard.audit.anchor`, or anything that can be called with the note's text.
        every: records.
        seconds: time, in which there were any records.
    """

    signing_key: str | Path | None = None
    anchors: Sequence[Anchor] = ()
    every: int = 1000
    seconds: float = 60.0
    signer: Signer | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        """Read the key now, so that a wrong one shows at once."""
        if self.every < 1 or self.seconds <= 0:
            raise ValueError("checkpoints need at least one record and some time between them")
        if self.signing_key is not None:
            from toolguard.audit.sign import Signer  # noqa: PLC0415 - only for who signs

            object.__setattr__(self, "signer", Signer.load(Path(self.signing_key)))


def resumed(store: Store, plan: Checkpoints) -> Follower:
    """Where to begin checking a ledger that is opened: at the newest checkpoint that leaves `CHECKED` records behind it.

    With a signing key only its own checkpoints count. Without such a checkpoint, and in a shorter ledger: at the beginning.
    """
    last = store.last()
    low = last.seq - CHECKED if last is not None else 0
    verifier = plan.signer.verifier if plan.signer else None
    while low > 0:
        high, low = low, max(0, low - CHECKED)
        window = islice(store.scan(low or None), high - low)
        found = [record for record in window if record.seq <= high and is_kind(record.body, KIND)]
        for record in reversed(found):
            follower = _begun_at(record, store, verifier)
            if follower is not None:
                return follower
    return Follower(Evidence())


def _begun_at(record: Record, store: Store, verifier: Verifier | None) -> Follower | None:
    """A follower behind what this checkpoint covers; None if it cannot be read, or is not signed with the key."""
    try:
        content = record.content
        note = Note.parse(content["note"])
        tree = Tree(note.checkpoint.size, [bytes.fromhex(peak) for peak in content["peaks"]])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if (verifier is not None and not verifier.accepts(note)) or tree.root() != note.checkpoint.root or tree.size < CHECKED:
        return None
    last = next(store.scan(tree.size - 1), None)
    if last is None or last.seq != tree.size:
        return None
    return Follower(Evidence(), tree=tree, last=last.hash)


class Checkpointer:
    """Makes the checkpoints of one guard; `tree` is that of the records it knows to hold."""

    def __init__(self, store: Store, append: Append, plan: Checkpoints, tree: Tree) -> None:
        self._store, self._append, self._plan = store, append, plan
        self._tree: Tree | None = tree  # None: it may be in disorder, and has to be made anew
        self._next = tree.size + plan.every  # the record with which the next one is due
        self._begin()

    def _begin(self) -> None:
        """What cannot be taken along into a forked process."""
        self._process = os.getpid()
        self._mutex = threading.Lock()
        self._due = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def _begin_again(self) -> None:
        """In a forked process: the thread may have been in the middle of anything."""
        self._tree = None
        self._begin()

    def seen(self, seq: int) -> None:
        """A record was written."""
        if self._process != os.getpid():
            self._begin_again()
        if self._thread is None:
            # It holds us only while it works: a guard that nobody closes can still be forgotten.
            target = weakref.ref(self), self._due, self._ended, self._plan.seconds
            thread = threading.Thread(target=_run, args=target, name="toolguard-checkpoints", daemon=True)
            with suppress(RuntimeError):  # the interpreter is about to end: `close` makes the last one
                thread.start()
                self._thread = thread
        if seq >= self._next:
            self._next = seq + self._plan.every  # once, however many are written until it is made
            self._due.set()

    def __del__(self) -> None:
        self._ended.set()
        self._due.set()

    def close(self) -> None:
        """A last checkpoint, and no more."""
        self._ended.set()
        self._due.set()
        if self._process != os.getpid():
            self._begin_again()
        elif self._thread is not None:
            self._thread.join()
        self.make()

    def make(self) -> None:
        """A checkpoint of everything so far, unless there is nothing new. What goes wrong is logged, and tried again later."""
        with self._mutex:
            try:
                tree, self._tree = self._tree, None  # whatever interrupts us leaves none in disorder
                note, self._tree = self._recorded(tree or resumed(self._store, self._plan).coverage.tree)
            except Exception:  # the records themselves are written and sealed; only this statement about them is late
                _logger.exception("a checkpoint could not be made")
                return
            if note is not None:
                self._anchored(note)

    def _recorded(self, tree: Tree) -> tuple[Note | None, Tree]:
        """(the note of a checkpoint that was recorded, the tree of the records so far)."""
        news = False
        while True:
            for record in self._store.scan(tree.size or None):
                if record.seq != tree.size + 1:
                    tree = _behind_archive(record)
                tree.add(record.hash)
                news = news or _is_news(record)
            if not news:
                return None, tree
            note = self._note(tree)
            record = self._append(KIND, {"size": tree.size, "note": str(note), "peaks": [peak.hex() for peak in tree.peaks]})
            self._next = tree.size + self._plan.every
            if record.seq - tree.size <= LAG:
                return note, tree

    def _note(self, tree: Tree) -> Note:
        signer = self._plan.signer
        origin = f"{signer.name if signer else NO_NAME}/{origin_id(self._store.ledger_id)}"
        text = Checkpoint(origin, tree.size, tree.root()).text
        return signer.sign(text) if signer else Note(text)

    def _anchored(self, note: Note) -> None:
        for anchor in self._plan.anchors:
            try:
                anchor(str(note))
            except Exception as error:  # the next checkpoint says all that this one says
                _logger.exception("a checkpoint could not be copied to %r", anchor)
                failed = {"anchor": repr(anchor), "size": note.checkpoint.size, "error": type(error).__name__}
                try:
                    self._append("anchor", failed)
                except Exception:
                    _logger.exception("and that could not be recorded")


def _behind_archive(record: Record) -> Tree:
    behind = Behind.read(record)
    if behind is None:
        raise LedgerCorrupt(f"the records before record {record.seq} are gone, and it does not say where to")
    return behind.tree


def _is_news(record: Record) -> bool:
    """Whether a checkpoint is worth making for this record; else processes would go on telling each other of theirs."""
    return not is_kind(record.body, KIND, "anchor")


def _run(ref: weakref.ref[Checkpointer], due: threading.Event, ended: threading.Event, seconds: float) -> None:
    while True:
        due.wait(seconds)
        due.clear()
        checkpointer = ref()
        if ended.is_set() or checkpointer is None:
            return
        checkpointer.make()
        del checkpointer
