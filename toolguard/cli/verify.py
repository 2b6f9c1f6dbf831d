"""Check that a ledger was not altered, and name the first record where it was.

A chain alone cannot show that records were cut off its end, or that all of it was written anew. The seal beside the ledger
shows it, for certain with the key that `toolguard keys` printed (--key). Or note the head that this command prints somewhere
else, and give it back with --head.

Exit codes: 0 intact, 5 not intact, 1 the file cannot be read.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.cli.terminal import OK, VERIFICATION_FAILED, UsageError, counted, paint, print_json
from toolguard.guard import verify

if TYPE_CHECKING:
    import argparse

    from toolguard.audit.verify import Report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger, and what is known about it."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger's SQLite file, or an export of it (`*.jsonl`)")
    parser.add_argument("--head", metavar="SEQ:HASH", help="a head printed earlier: the ledger has to contain it")
    parser.add_argument(
        "--key", metavar="FILE", help="a file with the key that `toolguard keys` printed; `-` for standard input"
    )


def run(args: argparse.Namespace) -> int:
    """Follow the chain and report."""
    try:
        report = verify(args.ledger, args.head, _key(args.key))
    except ValueError as error:
        raise UsageError(str(error)) from None
    if args.json:
        print_json(asdict(report))
    elif report.intact:
        print(f"{paint('intact', 'good')}: {counted(report.trusted, 'record', 'records')}; head {report.head}")
        print(_about_the_seal(report))
    else:
        print(f"{paint('NOT INTACT', 'bad')}: {report.finding}")
        print(f"before it {counted(report.trusted, 'record holds', 'records hold')}")
    return OK if report.intact else VERIFICATION_FAILED


def _key(source: str | None) -> str | None:
    if source is None:
        return None
    return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="ascii")


def _about_the_seal(report: Report) -> str:
    if report.sealed is None:
        return "not sealed: nothing beside the ledger says how far it went"
    with_key = "checked with the key" if report.keyed else "without its key, the seal may have been made anew as well"
    return f"sealed: {report.sealed} of {counted(report.trusted, 'record', 'records')}; {with_key}"
