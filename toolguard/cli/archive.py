"""Move all records of a ledger to a file, and let the ledger go on behind them. Guards that use it need not stop.

The archive verifies alone, and together with the ledger: `toolguard verify LEDGER --archive FILE`. The ledger verifies without
it, and keeps a summary of what is in it.

Exit codes: 0 moved, 1 nothing was moved, 5 the ledger does not verify and nothing was moved.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.archive import archive
from toolguard.cli.terminal import OK, UsageError, counted, print_json
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is moved where, and who says so."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("archive", metavar="FILE.jsonl", help="the file to make")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided it; recorded")
    parser.add_argument("--reason", required=True, help="why; recorded")


def run(args: argparse.Namespace) -> int:
    """Move them."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    if Path(args.archive).suffix != ".jsonl":
        raise UsageError("an archive's name ends in `.jsonl`, so that it is verified as one")
    store = SqliteStore(args.ledger)
    try:
        record = archive(store, Path(args.archive), time.time_ns, args.by, args.reason)
    finally:
        store.close()
    summary = record.content["summary"]
    if args.json:
        print_json({"record": record.seq, "archive": args.archive, "summary": summary})
    else:
        print(f"moved {counted(summary['records'], 'record', 'records')} to `{args.archive}`; that is record {record.seq}")
    return OK
