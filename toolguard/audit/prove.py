r"""Receipts: that one record is in a ledger, or that a ledger only grew, shown against a checkpoint and without the ledger.

    {"toolguard_receipt": 1,
     "record": {"seq": 7, "body": "..."},                        the exact bytes that were hashed
     "proof": {"index": 6, "size": 9, "path": ["hex", ...]},     RFC 9162, 2.1.3
     "checkpoint": "origin\n9\nroot\n\n- name signature\n",
     "openings": {"params.amount": {"salt": "hex", "text": "[\"amount\",30]"}}}

or, instead of record, proof and openings, `"older"` (another checkpoint) and `"consistency"` (RFC 9162, 2.1.4).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from toolguard.audit import chain
from toolguard.audit.capture import Opening, commitments, disclosed
from toolguard.audit.links import parsed
from toolguard.audit.merkle import consistency_proof, inclusion_proof, is_consistent, root_by_inclusion
from toolguard.audit.note import Note
from toolguard.audit.source import Source
from toolguard.errors import LedgerCorrupt, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from toolguard.audit.sign import Verifier

VERSION = 1


@dataclass(frozen=True, slots=True)
class Proved:
    """What a receipt shows, or why it shows nothing.

    `seq` and `content` are the record's, `values` what was disclosed of its parameters; of a receipt that a ledger only grew,
    `seq` is the number of records it had before. `size` is that of the checkpoint. `vouched` says that the checkpoint is signed
    with a key, or is one of the checkpoints, that were given.
    """

    holds: bool
    finding: str | None = None
    seq: int = 0
    size: int = 0
    vouched: bool = False
    content: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def prove_record(ledger: Path, seq: int, disclose: Sequence[str] | None = ()) -> dict[str, Any]:
    """A receipt for one record, against the newest checkpoint; `disclose` names parameters (None: all that is kept).

    Raises:
        StoreError: there is no such record, no checkpoint covers it yet, or a value to disclose is not kept.
        LedgerCorrupt: the ledger does not hold what its checkpoint says.
    """
    source = Source.open(ledger)
    begun = source.begun()
    if 0 < seq <= begun.size:
        raise StoreError(f"record {seq} is in an archive: prove it from there")
    record = next(source.records(seq - 1), None) if seq > 0 else None
    if record is None or record.seq != seq:
        raise StoreError(f"there is no record {seq}")
    note = source.newest_checkpoint()
    if note is None or note.checkpoint.size < seq:
        raise StoreError(f"no checkpoint covers record {seq} yet: the guard makes one now and then, and when it is closed")
    size = note.checkpoint.size
    path = inclusion_proof(source.hashes(), seq - 1, size, begun)
    if root_by_inclusion(record.hash, seq - 1, size, path) != note.checkpoint.root:
        raise LedgerCorrupt(f"the checkpoint of {size} records is not about these records: `toolguard verify` says more")
    chosen = disclosed(record.payload, disclose)
    for name in disclose or ():
        if not {name, f"params.{name}"} & set(chosen):
            raise StoreError(f"`{name}` of record {seq} is not kept, so it cannot be disclosed")
    return {
        "toolguard_receipt": VERSION,
        "record": {"seq": seq, "body": record.body.decode("utf-8", "surrogateescape")},
        "proof": {"index": seq - 1, "size": size, "path": [step.hex() for step in path]},
        "checkpoint": str(note),
        "openings": {name: asdict(opening) for name, opening in chosen.items()},
    }


def prove_growth(ledger: Path, older: Note) -> dict[str, Any]:
    """A receipt that the ledger of the newest checkpoint begins with all that the older one covers.

    Raises:
        StoreError: there is no newer checkpoint.
        LedgerCorrupt: it does not: records that the older checkpoint covers were changed.
    """
    source = Source.open(ledger)
    note, before, begun = source.newest_checkpoint(), older.checkpoint, source.begun()
    if before.size < begun.size:
        raise StoreError(f"the {before.size} records of the older checkpoint are in an archive")
    if note is None or not 0 < before.size <= note.checkpoint.size:
        raise StoreError(f"the ledger has no checkpoint of {before.size} records or more")
    path = consistency_proof(source.hashes(), before.size, note.checkpoint.size, begun)
    if not is_consistent(before.size, before.root, note.checkpoint.size, note.checkpoint.root, path):
        raise LedgerCorrupt(f"the ledger does not begin with the {before.size} records of the older checkpoint")
    return {
        "toolguard_receipt": VERSION,
        "older": str(older),
        "consistency": [step.hex() for step in path],
        "checkpoint": str(note),
    }


def check_receipt(text: str, verifiers: Sequence[Verifier] = (), notes: Sequence[Note] = ()) -> Proved:
    """Whether a receipt shows what it says, by itself and against what is known from elsewhere."""
    try:
        receipt = json.loads(text)
        if receipt["toolguard_receipt"] != VERSION:
            return Proved(holds=False, finding="this is not a receipt of a version that is known")
        note = Note.parse(receipt["checkpoint"])
        checkpoint = note.checkpoint
        known = [each for each in notes if each.checkpoint == checkpoint]
        vouched = bool(known) or any(verifier.accepts(note) for verifier in verifiers)
        if (verifiers or notes) and not vouched:
            what = f"nobody that was given vouches for its checkpoint of {checkpoint.size} records"
            return Proved(holds=False, finding=what, size=checkpoint.size)
        return _growth(receipt, note, vouched=vouched) if "older" in receipt else _inclusion(receipt, note, vouched=vouched)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Proved(holds=False, finding=f"this is not a receipt: {type(error).__name__}")


def _inclusion(receipt: dict[str, Any], note: Note, *, vouched: bool) -> Proved:
    size, seq = note.checkpoint.size, receipt["record"]["seq"]
    body = receipt["record"]["body"].encode("utf-8", "surrogateescape")
    path = [bytes.fromhex(step) for step in receipt["proof"]["path"]]
    content = parsed(body)
    if content.get("seq") != seq or receipt["proof"]["size"] != size or receipt["proof"]["index"] != seq - 1:
        return Proved(holds=False, finding="its record, proof and checkpoint are not about the same place", size=size)
    if root_by_inclusion(chain.seal(body), seq - 1, size, path) != note.checkpoint.root:
        return Proved(holds=False, finding=f"record {seq} is not among the {size} records of the checkpoint", size=size)
    values = {}
    for name, entry in receipt["openings"].items():
        opening = Opening(**entry)
        if opening.commitment() != commitments(content).get(name):
            return Proved(holds=False, finding=f"`{name}` is not what the record seals", seq=seq, size=size)
        disclosed = json.loads(opening.text or "")
        values[name] = disclosed[1] if name.startswith("params.") else disclosed
    return Proved(holds=True, seq=seq, size=size, vouched=vouched, content=content, values=values)


def _growth(receipt: dict[str, Any], note: Note, *, vouched: bool) -> Proved:
    older, newer = Note.parse(receipt["older"]).checkpoint, note.checkpoint
    path = [bytes.fromhex(step) for step in receipt["consistency"]]
    if older.origin != newer.origin or not is_consistent(older.size, older.root, newer.size, newer.root, path):
        what = f"the {newer.size} records of the checkpoint do not begin with the {older.size} of the older one"
        return Proved(holds=False, finding=what, size=newer.size)
    return Proved(holds=True, seq=older.size, size=newer.size, vouched=vouched)
