"""Verification of files: a ledger with the seal beside it, or an export, with what is known from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolguard.audit.report import Report


def verify(
    ledger: str | Path,
    head: str | None = None,
    key: str | None = None,
    *,
    anchors: Iterable[str | Path] = (),
    archives: Iterable[str | Path] = (),
    verifiers: Iterable[str] = (),
    progress: Callable[[int, int | None], object] = lambda _seen, _total: None,
) -> Report:
    """Check a ledger file and the seal beside it, or an export (`*.jsonl`). Nothing is created or changed.

    Args:
        ledger: the file.
        head: a `SEQ:HASH` that was noted elsewhere; the ledger has to contain it.
        key: the key that `toolguard keys` printed when the ledger was made.
        anchors: files with checkpoints that were copied elsewhere; the ledger has to contain what they cover.
        archives: exports with the records before, oldest first, if the ledger was archived.
        verifiers: keys (`NAME+ID+KEY`) that sign the ledger's checkpoints.
        progress: told now and then how many records were seen, and of how many where that is known.

    Raises:
        StoreError: there is no such ledger, or it cannot be read.
        ValueError: `head` is not a head, `key` or a verifier not a key, or there is no checkpoint in an anchor's file.
        OSError: an anchor's file cannot be read.
    """
    # A program that guards calls and never verifies does not pay for this.
    from toolguard.audit.anchor import read_notes  # noqa: PLC0415
    from toolguard.audit.report import Head  # noqa: PLC0415
    from toolguard.audit.sign import Verifier  # noqa: PLC0415
    from toolguard.audit.source import Source  # noqa: PLC0415
    from toolguard.audit.verify import Evidence  # noqa: PLC0415
    from toolguard.audit.verify import verify as verify_records  # noqa: PLC0415
    from toolguard.stores.seal import parse_key  # noqa: PLC0415

    evidence = Evidence(
        noted=Head.parse(head) if head else None,
        key=parse_key(key) if key else None,
        notes=[note for anchor in anchors for note in read_notes(Path(anchor).read_text(encoding="utf-8"))],
        verifiers=[Verifier.parse(text) for text in verifiers],
    )
    last = Source.open(Path(ledger))
    sources = [*(Source.open(Path(archive)) for archive in archives), last]
    return verify_records(
        (record for source in sources for record in source.records()),
        replace(evidence, seal=last.seal),
        payloads=all(source.payloads for source in sources),
        progress=lambda seen: progress(seen, last.total),
    )
