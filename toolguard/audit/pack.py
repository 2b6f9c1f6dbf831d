"""An evidence pack: a `.zip` for somebody who has neither the ledger nor this library.

README.txt          what is in it, and how to verify it without us
verify.py           the same as a script: standard library, `blake3`, and `cryptography` for signatures
summary.html        for people: what was decided, by which rule, from which document
records.jsonl       the chosen records, exact bytes, each with its path to the checkpoint and what is disclosed of it
checkpoint.txt      the newest checkpoint of the ledger (C2SP note)
policies/*.json     the policies that the records name, by revision
manifest.txt        the SHA-256 of every file above; signed as a C2SP note if there is a key
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from toolguard.audit.capture import disclosed
from toolguard.audit.kept import is_revision, name_of
from toolguard.audit.merkle import Levels
from toolguard.audit.note import Note
from toolguard.audit.prove import check_receipt
from toolguard.audit.summary import Summary
from toolguard.errors import LedgerCorrupt, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from toolguard.audit.select import Selection
    from toolguard.audit.sign import Signer, Verifier
    from toolguard.audit.source import Source
    from toolguard.model import Record

VERSION = 1
HEAD = f"toolguard evidence pack {VERSION}"
MANIFEST = "manifest.txt"
MAX_FILE = 2**31  # bytes of one file in a pack that is verified: a small archive must not fill the memory
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold: packs of the same records are the same bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What a pack holds: how many records of how many that the checkpoint covers, and revisions of policies."""

    records: int
    size: int
    policies: int


def write_pack(
    source: Source, path: Path, selection: Selection, disclose: Sequence[str] | None = (), signer: Signer | None = None
) -> Written:
    """Write the pack; `disclose` names parameters whose values are shown where they are kept (None: all of them).

    Raises:
        StoreError: there is no checkpoint, or it cannot be written.
        LedgerCorrupt: the ledger does not hold what its checkpoint says.
    """
    note = source.newest_checkpoint()
    if note is None:
        raise StoreError("the ledger has no checkpoint yet: the guard makes one now and then, and when it is closed")
    levels = Levels(source.begun())
    for each in source.hashes():
        if levels.size == note.checkpoint.size:
            break
        levels.add(each)
    if levels.root() != note.checkpoint.root:
        raise LedgerCorrupt("the newest checkpoint is not about these records: `toolguard verify` says more")
    page, revisions = Summary(note.checkpoint, disclose), set[str]()

    def lines() -> Iterator[str]:
        for record, content in selection.of(source.records()):
            if record.seq <= levels.size:
                page.add(record, content)
                revisions.add(str(content.get("revision") or ""))
                yield f"{json.dumps(_line(record, levels, disclose))}\n"

    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            pack = _Pack(archive)
            pack.add("records.jsonl", lines())
            policies = _policies(source, revisions)
            for name, text in policies.items():
                pack.add(name, [text])
            pack.add("checkpoint.txt", [str(note)])
            pack.add("summary.html", page.html([json.loads(text) for text in policies.values()]))
            for name, resource in (("verify.py", "verify_pack.txt"), ("README.txt", "pack_readme.txt")):
                pack.add(name, [files("toolguard.audit").joinpath(resource).read_text(encoding="utf-8")])
            pack.end(signer)
    except OSError as error:
        raise StoreError(f"the pack `{path}` cannot be written: {(error.strerror or str(error)).lower()}") from error
    return Written(page.records, levels.size, len(policies))


class _Pack:
    """A pack that is being written: every file goes through, and its digest stays for the manifest."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.digests: dict[str, str] = {}

    def add(self, name: str, text: Iterable[str]) -> None:
        info, made = zipfile.ZipInfo(name, _EPOCH), sha256()
        info.compress_type = zipfile.ZIP_DEFLATED
        with self.archive.open(info, "w", force_zip64=True) as file:
            for part in text:
                data = part.encode("utf-8", "surrogateescape")
                made.update(data)
                file.write(data)
        self.digests[name] = made.hexdigest()

    def end(self, signer: Signer | None) -> None:
        listed = "".join(f"{each}  {name}\n" for name, each in sorted(self.digests.items()))
        text = f"{HEAD}\n{listed}"
        self.add(MANIFEST, [str(signer.sign(text) if signer else Note(text))])


def _line(record: Record, levels: Levels, disclose: Sequence[str] | None) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "body": record.body.decode("utf-8", "surrogateescape"),
        "path": [step.hex() for step in levels.proof(record.seq - 1)],
        "openings": {name: asdict(opening) for name, opening in disclosed(record.payload, disclose).items()},
    }


def _policies(source: Source, revisions: set[str]) -> dict[str, str]:
    """The policies that were kept under these revisions; an export of a ledger has none."""
    kept = {revision: source.document(name_of(revision)) for revision in sorted(revisions)}
    for revision, body in kept.items():
        if body is not None and not is_revision(revision, body):
            raise LedgerCorrupt(f"the policies that are kept as revision {revision[:12]} are others")
    return {f"policies/{revision}.json": body.decode() for revision, body in kept.items() if body is not None}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a pack shows, or why it shows nothing. `vouched`: signed with a key, or about a checkpoint, that was given."""

    holds: bool
    finding: str | None = None
    records: int = 0
    size: int = 0
    vouched: bool = False
    verdicts: Mapping[str, int] = field(default_factory=dict)


def check_pack(path: Path, verifiers: Sequence[Verifier] = (), notes: Sequence[Note] = ()) -> Checked:
    """Whether everything in a pack is what it says.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {info.filename: _read(archive, info) for info in archive.infolist()}
        return _checked(parts, verifiers, notes)
    except OSError as error:
        raise StoreError(f"the pack `{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, RuntimeError) as error:
        return Checked(holds=False, finding=f"this is not a whole evidence pack: {type(error).__name__}")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MAX_FILE:
        raise ValueError("too large")
    return archive.read(info)


def _checked(parts: dict[str, bytes], verifiers: Sequence[Verifier], notes: Sequence[Note]) -> Checked:
    manifest = Note.parse(parts.pop(MANIFEST).decode())
    head, *entries = manifest.text.splitlines()
    listed = {name: digest for digest, _, name in (entry.partition("  ") for entry in entries)}
    if head != HEAD:
        return Checked(holds=False, finding="this is not an evidence pack of a version that is known")
    if set(listed) != set(parts):
        return Checked(holds=False, finding="there are other files in it than its manifest lists")
    for name, data in parts.items():
        if sha256(data).hexdigest() != listed[name]:
            return Checked(holds=False, finding=f"`{name}` is not the file that the manifest lists")
        revision = name.removeprefix("policies/").removesuffix(".json")
        if name.startswith("policies/") and not is_revision(revision, data):
            return Checked(holds=False, finding=f"`{name}` is not what this revision is the digest of")
    note = Note.parse(parts["checkpoint.txt"].decode())
    vouched = any(verifier.accepts(each) for verifier in verifiers for each in (manifest, note))
    vouched = vouched or note.checkpoint in [each.checkpoint for each in notes]
    if (verifiers or notes) and not vouched:
        return Checked(holds=False, finding="nobody that was given vouches for its manifest or its checkpoint")
    count, verdicts = 0, Counter[str]()
    for line in parts["records.jsonl"].decode("utf-8", "surrogateescape").splitlines():
        proved = check_receipt(json.dumps(_receipt(json.loads(line), note)))
        if not proved.holds:
            return Checked(holds=False, finding=f"line {count + 1} of records.jsonl: {proved.finding}", records=count)
        verdicts.update([str(proved.content["verdict"])] if proved.content.get("kind") == "decision" else [])
        count += 1
    return Checked(holds=True, records=count, size=note.checkpoint.size, vouched=vouched, verdicts=dict(verdicts))


def _receipt(line: dict[str, Any], note: Note) -> dict[str, Any]:
    return {
        "toolguard_receipt": 1,
        "record": {"seq": line["seq"], "body": line["body"]},
        "proof": {"index": line["seq"] - 1, "size": note.checkpoint.size, "path": line["path"]},
        "checkpoint": str(note),
        "openings": line["openings"],
    }
