"""Write a ledger as JSON Lines that `toolguard verify` checks alone, without the ledger.

Exit codes: 0 written, 1 the ledger cannot be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.export import export_lines
from toolguard.cli.terminal import OK
from toolguard.stores.file import read_records, seal_of

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger, and where to."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger's SQLite file")
    parser.add_argument("--output", metavar="FILE.jsonl", help="where to write it (default: standard output)")

    parser.add_argument("--payloads", action="store_true", help="with what is kept of parameters, and what proves them")


def run(args: argparse.Namespace) -> int:
    """Write every record, as it is."""
    seal = seal_of(Path(args.ledger))  # before the records: what is written meanwhile is not sealed yet
    lines = export_lines(read_records(Path(args.ledger)), seal, payloads=args.payloads)
    if args.output is None:
        for line in lines:
            print(line)
        return OK
    with Path(args.output).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return OK
