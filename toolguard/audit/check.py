"""Verification of files: a ledger with the seal beside it, or an export, with what is known from elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit import segments
from toolguard.audit.anchor import notes_in
from toolguard.audit.coverage import Evidence
from toolguard.audit.kept import is_revision, revision_of
from toolguard.audit.report import Finding, Head
from toolguard.audit.sign import Verifier
from toolguard.audit.source import Source
from toolguard.audit.state import differs
from toolguard.audit.verify import verify as verify_records
from toolguard.stores.file import read_documents, read_halts, read_records, read_state
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
    archives: Iterable[str | Path] = (),
    verifiers: Iterable[str] = (),
    processes: int | None = None,
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
        processes: how many check a long ledger side by side; None for one on each processor there is.
        progress: told now and then how many records were seen, and of how many where that is known.

    Raises:
        StoreError: there is no such ledger, or it cannot be read.
        ValueError: `head` is not a head, `key` or a verifier not a key, or there is no checkpoint in an anchor's file.
        OSError: an anchor's file cannot be read.
    """
    evidence = Evidence(
        noted=Head.parse(head) if head else None,
        key=parse_key(key) if key else None,
        notes=[note for anchor in anchors for note in notes_in(anchor)],
        verifiers=[Verifier.parse(text) for text in verifiers],
    )
    report = _followed(Path(ledger), evidence, archives, processes, progress)
    return _against_what_is_kept(Path(ledger), report) if report.intact and Path(ledger).suffix != ".jsonl" else report


def _followed(
    ledger: Path,
    evidence: Evidence,
    archives: Iterable[str | Path],
    processes: int | None,
    progress: Callable[[int, int | None], object],
) -> Report:
    last, several = Source.open(ledger), processes or segments.cores()
    if not archives and last.export is None and last.total is not None and last.total >= segments.LONG and several > 1:
        found = replace(evidence, seal=last.seal, seal_expected=True)
        report = segments.verify_long(
            last.path, found, last.total, processes=several, progress=lambda seen: progress(seen, last.total)
        )
        if report is not None:
            return report
    sources = [*(Source.open(Path(archive)) for archive in archives), last]
    return verify_records(
        (record for source in sources for record in source.records()),
        replace(evidence, seal=last.seal, seal_expected=True),
        payloads=all(source.payloads for source in sources),
        progress=lambda seen: progress(seen, last.total),
    )


def _against_what_is_kept(ledger: Path, report: Report) -> Report:
    """Policies, halts and counters are kept beside the records, and have to be what the records say."""
    wrong = _wrong_policies(ledger, report) or _wrong_halts(ledger, report) or _wrong_state(ledger, report)
    return replace(report, intact=False, finding=Finding("altered", report.trusted + 1, wrong)) if wrong else report


def _wrong_policies(ledger: Path, report: Report) -> str | None:
    missing = dict(report.revisions)
    for name, body in read_documents(ledger):
        revision = revision_of(name)
        if revision is None or not is_revision(revision, body):
            return f"what is kept as `{name[:80]}` is something else"
        missing.pop(revision, None)
    for revision, seq in missing.items():
        return f"the policies of revision {revision[:12]}, which record {seq} says were in force, are gone"
    return None


def _wrong_state(ledger: Path, report: Report) -> str | None:
    wrong = differs(report.state, dict(read_state(ledger)), all_seen=not report.archived)
    return None if wrong is None or _has_gone_on(ledger, report) else wrong


def _has_gone_on(ledger: Path, report: Report) -> bool:
    """Whether records were written since it was verified: then what is kept is newer, too."""
    last = next(read_records(ledger, newest_first=True), None)
    return last is not None and last.seq > report.trusted


def _wrong_halts(ledger: Path, report: Report) -> str | None:
    kept = set(read_halts(ledger))
    if kept == set(report.halted) or _has_gone_on(ledger, report):
        return None
    scopes = ", ".join(f"`{scope}`" for scope in sorted(kept ^ set(report.halted)))
    return f"what is halted in the ledger is not what its records say: {scopes}"
