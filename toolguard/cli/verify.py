"""Check that a ledger, or a receipt from `toolguard prove`, was not altered; name the first record where it was.

A chain alone cannot show that records were cut off its end, or that all of it was written anew. The seal beside the ledger
shows it, for certain with the key that `toolguard keys` printed (--key). So do checkpoints that were copied elsewhere
(--anchor) or signed (--verifier), and a head that this command printed earlier (--head).

Exit codes: 0 intact, 5 not intact, 1 the file cannot be read.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.anchor import notes_in
from toolguard.audit.check import verify
from toolguard.audit.pack import Checked, check_pack
from toolguard.audit.prove import check_receipt
from toolguard.audit.sign import Verifier
from toolguard.cli.terminal import OK, VERIFICATION_FAILED, UsageError, counted, paint, print_json, progress_of
from toolguard.text import printable, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from toolguard.audit.prove import Proved
    from toolguard.audit.report import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger, and what is known about it."""
    parser.add_argument(
        "ledger", metavar="FILE", help="the ledger's file, an export (`*.jsonl`), a receipt (`*.json`) or a pack (`*.zip`)"
    )
    parser.add_argument("--head", metavar="SEQ:HASH", help="a head printed earlier: the ledger has to contain it")
    parser.add_argument(
        "--key", metavar="FILE", help="a file with the key that `toolguard keys` printed; `-` for standard input"
    )
    parser.add_argument(
        "--anchor", action="append", default=[], metavar="FILE", help="checkpoints that were copied elsewhere; may be repeated"
    )
    parser.add_argument(
        "--archive", action="append", default=[], metavar="FILE", help="the records before, oldest first; may be repeated"
    )
    parser.add_argument(
        "--verifier",
        action="append",
        default=[],
        metavar="KEY",
        help="a key that signs checkpoints (`NAME+ID+KEY`), or a file with it; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Follow the chain and report."""
    if Path(args.ledger).suffix in (".json", ".zip"):
        return _shown_alone(args)
    try:
        with progress_of("verified", "records") as progress:
            report = verify(
                args.ledger,
                args.head,
                _key(args.key),
                anchors=args.anchor,
                archives=args.archive,
                verifiers=[_verifier(text) for text in args.verifier],
                progress=progress,
            )
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.json:
        print_json(report.to_dict())
        return OK if report.intact else VERIFICATION_FAILED
    if report.intact:
        print(f"{paint('intact', 'good')}: {counted(report.trusted, 'record', 'records')}; head {report.head}")
        print("\n".join(_coverage(report)))
    else:
        print(f"{paint('NOT INTACT', 'bad')}: {printable(str(report.finding))}")
        print(f"before it {counted(report.trusted, 'record holds', 'records hold')}")
    for remark in report.remarks:
        print(f"{paint('note', 'unknown')}: {printable(str(remark))}")
    return OK if report.intact else VERIFICATION_FAILED


def _shown_alone(args: argparse.Namespace) -> int:
    """A receipt or an evidence pack: something that shows what it shows without a ledger."""
    try:
        verifiers = [Verifier.parse(_verifier(text)) for text in args.verifier]
        notes = [note for path in args.anchor for note in notes_in(path)]
    except ValueError as error:
        raise UsageError(str(error)) from None
    pack = Path(args.ledger).suffix == ".zip"
    proved: Checked | Proved = (
        check_pack(Path(args.ledger), verifiers, notes)
        if pack
        else check_receipt(Path(args.ledger).read_text(encoding="utf-8"), verifiers, notes)
    )
    if args.json:
        print_json(asdict(proved))
    elif not proved.holds:
        print(f"{paint('NOT PROVED', 'bad')}: {printable(str(proved.finding))}")
    elif isinstance(proved, Checked):
        verdicts = ", ".join(f"{count} {word}" for word, count in sorted(proved.verdicts.items()))
        print(f"{paint('proved', 'good')}: {counted(proved.records, 'record', 'records')} of {proved.size} ({verdicts})")
        print(_vouched(proved), end="")
    else:
        what = f"record {proved.seq} is among" if proved.content else f"the first {proved.seq} records are still the first of"
        print(f"{paint('proved', 'good')}: {what} the {counted(proved.size, 'record', 'records')} of the checkpoint")
        print("\n".join(_shown(proved)), end="")
    return OK if proved.holds else VERIFICATION_FAILED


def _shown(proved: Proved) -> Iterator[str]:
    """What a receipt says, and on whose word."""
    call = proved.content.get("call")
    if isinstance(call, dict):
        yield printable(f"{proved.content.get('verdict')}: {call.get('tool')}: {proved.content.get('reason')}")
    for name, value in proved.values.items():
        yield f"  {printable(name)} = {shown(value)}"
    yield _vouched(proved)


def _vouched(proved: Proved | Checked) -> str:
    return "" if proved.vouched else "nobody vouches for it: give --verifier, or --anchor with a checkpoint kept elsewhere\n"


def _key(source: str | None) -> str | None:
    if source is None:
        return None
    return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="ascii")


def _verifier(given: str) -> str:
    return given if "+" in given else Path(given).read_text(encoding="utf-8")


def _coverage(report: Report) -> Iterator[str]:
    """How far each kind of evidence reaches."""
    if report.archived:
        yield f"it begins behind {report.archived} records that are in an archive: check them too with --archive"
    records = counted(report.trusted, "record", "records")
    if report.sealed is None:
        yield "not sealed: nothing beside the ledger says how far it went"
    else:
        with_key = "checked with the key" if report.keyed else "without its key, the seal may have been made anew as well"
        yield f"sealed: {report.sealed} of {records}; {with_key}"
    if report.signed is not None:
        yield f"signed: {report.signed} of {records}, by a checkpoint with a key that was given"
    if report.anchored is not None:
        yield f"anchored: {report.anchored} of {records}, by a checkpoint that was kept elsewhere"
