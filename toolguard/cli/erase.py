"""Destroy what a ledger keeps of the parameters of some records, and put that on record.

The records stay, and the ledger verifies as before; the erased values cannot be read or proved any more.

Exit codes: 0 erased, 1 nothing was erased, or a copy is left for a while (it says which).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.log import Log
from toolguard.cli.terminal import OK, UsageError, counted, print_json
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is erased, and who says so."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger's SQLite file")
    parser.add_argument("records", metavar="RECORD", type=int, nargs="+", help="numbers of records")
    parser.add_argument("--param", action="append", default=[], metavar="NAME", help="only this parameter; may be repeated")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided it; recorded")
    parser.add_argument("--reason", required=True, help="why; recorded")


def run(args: argparse.Namespace) -> int:
    """Erase and record."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    store = SqliteStore(args.ledger)
    try:
        record = Log(store, time.time_ns, {}).erasure(args.records, args.param, args.by, args.reason)
    finally:
        store.close()
    if args.json:
        print_json({"record": record.seq, "erased": args.records})
    else:
        print(f"erased from {counted(len(args.records), 'record', 'records')}; that is record {record.seq}")
    return OK
