"""Begin to count a limit anew, for all that it counts or for one of them. It is a record, with who and why.

`toolguard status --policy` shows how limits stand. A guard that runs sees it in its next call.

Exit codes: 0 done, 1 nothing is counted there, or it could not be recorded, 2 usage.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.log import Log
from toolguard.cli.terminal import OK, UsageError, print_json
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which limit, for whom, by whom and why."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("--limit", required=True, metavar="ID", help="the limit's `limit_id`")
    parser.add_argument(
        "--key", metavar="JSON", help='for one key only: a list such as `["support-bot"]`, as `status` shows it'
    )
    parser.add_argument("--by", required=True, metavar="WHO", help="who does it")
    parser.add_argument("--reason", required=True, help="why")


def run(args: argparse.Namespace) -> int:
    """Do it."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    try:
        key = json.loads(args.key) if args.key is not None else None
    except ValueError:
        raise UsageError(f"`{args.key}` is no JSON") from None
    if key is not None and not isinstance(key, list):
        raise UsageError("a key is a list, one value for each of the limit's `per`")
    store = SqliteStore(args.ledger)
    try:
        record = Log(store, time.time_ns, {}).reset(args.limit, key, args.by, args.reason)
    finally:
        store.close()
    if args.json:
        print_json({"record": record.seq})
    else:
        print(f"counted anew from now on; that is record {record.seq}")
    return OK
