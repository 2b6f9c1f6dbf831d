"""Stop everything that goes through a ledger's guards, or one organisation, agent, session or tool, until it is resumed.

Every process that shares the ledger sees it in its next call, and it survives restarts. `warn` flags the calls it covers,
`quarantine` puts them before a person, `block` denies them, `halt` also stops what runs as far as it can be stopped.

Exit codes: 0 halted (it is on record), 1 it could not be recorded, and nothing is halted.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.log import Log
from toolguard.cli.terminal import OK, UsageError, print_json
from toolguard.halt import GLOBAL, LEVELS, Halt, check_scope
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, how much, and on whose word."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("--scope", default=GLOBAL, help="`global`, `org:NAME`, `agent:NAME`, `session:NAME`, `tool:NAME`")
    parser.add_argument("--level", choices=tuple(LEVELS), default="halt", help="default: %(default)s")
    parser.add_argument("--by", required=True, metavar="WHO", help="who decided it; recorded")
    parser.add_argument("--reason", required=True, help="why; recorded, and told to the agent")


def run(args: argparse.Namespace) -> int:
    """Put the halt in force."""
    try:
        halt = Halt(check_scope(args.scope), args.reason, args.by, time.time_ns(), args.level)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return switched(args, "halt", {"level": args.level, "reason": args.reason, "by": args.by}, halt.to_bytes())


def switched(args: argparse.Namespace, kind: str, content: dict[str, str], body: bytes | None) -> int:
    """Put a halt in force or lift it, and say so."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    store = SqliteStore(args.ledger)
    try:
        record = Log(store, time.time_ns, {}).halt(kind, content, args.scope, body)
    finally:
        store.close()
    if args.json:
        print_json({"kind": kind, "scope": args.scope, "record": record.seq, **content})
    else:
        print(f"{kind}: {args.scope}; that is record {record.seq}")
    return OK
