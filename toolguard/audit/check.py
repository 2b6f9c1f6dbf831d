"""Verification of files: a ledger with the seal beside it, or an export, with what is known from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit import export
from toolguard.audit.anchor import read_notes
from toolguard.audit.report import Head
from toolguard.audit.sign import Verifier
from toolguard.audit.verify import Evidence
from toolguard.audit.verify import verify as verify_records
from toolguard.errors import LedgerCorrupt, StoreError
from toolguard.stores.file import read_records, seal_of
from toolguard.stores.seal import parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolguard.audit.report import Report


def verify(
    ledger: str | Path,
    head: str | None = None,
    key: str | None = None,
    *,
    anchors: Iterable[str | Path] = (),
    verifiers: Iterable[str] = (),
    progress: Callable[[int, int | None], object] = lambda _seen, _total: None,
) -> Report:
    """Check a ledger file and the seal beside it, or an export (`*.jsonl`). Nothing is created or changed.

    Args:
        ledger: the file.
        head: a `SEQ:HASH` that was noted elsewhere; the ledger has to contain it.
        key: the key that `toolguard keys` printed when the ledger was made.
        anchors: files with checkpoints that were copied elsewhere; the ledger has to contain what they cover.
        verifiers: keys (`NAME+ID+KEY`) that sign the ledger's checkpoints.
        progress: told now and then how many records were seen, and of how many where that is known.

    Raises:
        StoreError: there is no such ledger, or it cannot be read.
        ValueError: `head` is not a head, `key` or a verifier not a key, or there is no checkpoint in an anchor's file.
        OSError: an anchor's file cannot be read.
    """
    path = Path(ledger)
    evidence = Evidence(
        noted=Head.parse(head) if head else None,
        key=parse_key(key) if key else None,
        notes=[note for anchor in anchors for note in read_notes(Path(anchor).read_text(encoding="utf-8"))],
        verifiers=[Verifier.parse(text) for text in verifiers],
    )
    if path.suffix == ".jsonl":
        return _verify_export(path, evidence, lambda seen: progress(seen, None))
    seal = seal_of(path)  # before the records: what is written meanwhile is not sealed yet
    last = next(read_records(path, newest_first=True), None)
    total = last.seq if last else 0
    return verify_records(
        read_records(path), replace(evidence, seal=seal), payloads=True, progress=lambda seen: progress(seen, total)
    )


def _verify_export(path: Path, evidence: Evidence, progress: Callable[[int], object]) -> Report:
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            sealed = replace(evidence, seal=export.read_seal(lines.readline()))
            return verify_records(export.read_records(lines), sealed, progress=progress)
    except OSError as error:
        raise StoreError(f"the export `{path}` cannot be read: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise LedgerCorrupt(f"the export `{path}` is not UTF-8 text: {error.reason}") from error
