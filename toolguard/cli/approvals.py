"""Show the escalated calls that wait, and answer them with a signature.

`list` shows all that wait, `show ID` one of them with everything there is to decide by, `approve ID` and `refuse ID` answer it.
The key is one that `toolguard keys --sign` made; the guard has to know it (`Guard(approvers=...)`). An answer holds for exactly
that call, once, until it expires.

Exit codes: 0 done, 1 it does not wait any more, or it could not be recorded, 2 usage.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.log import Log
from toolguard.audit.select import shown_time
from toolguard.audit.sign import Signer
from toolguard.cli.terminal import OK, UsageError, counted, print_json
from toolguard.escalations import PREFIX, Escalation, answer, key_of, waiting
from toolguard.stores.file import read_state
from toolguard.stores.sqlite import SqliteStore
from toolguard.text import printable, shown

if TYPE_CHECKING:
    import argparse

SECOND, MINUTE = 10**9, 60
WORDS = {"approve": True, "refuse": False}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, in which ledger."""
    parser.add_argument("action", choices=("list", "show", *WORDS), help="what to do")
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("id", nargs="?", metavar="ID", help="which call, or the beginning of its id")
    parser.add_argument("--key", metavar="FILE", help="the key to sign the answer with")
    parser.add_argument("--note", default="", help="a word to go with the answer; the agent is told it with a refusal")


def run(args: argparse.Namespace) -> int:
    """Show or answer."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    calls = waiting(dict(read_state(Path(args.ledger), PREFIX)), time.time_ns())
    if args.action == "list":
        return _list(args, calls)
    found = [call for call in calls if args.id and call.id.startswith(args.id)]
    if len(found) != 1:
        what = (
            "say which call: its ID" if not args.id else f"{counted(len(found), 'call waits', 'calls wait')} under `{args.id}`"
        )
        raise UsageError(what)
    return _show(args, found[0]) if args.action == "show" else _answer(args, found[0])


def _list(args: argparse.Namespace, calls: list[Escalation]) -> int:
    if args.json:
        print_json([asdict(call) for call in calls])
    elif not calls:
        print("nothing waits")
    for call in calls if not args.json else ():
        left = max(0, call.expires - time.time_ns()) // (MINUTE * SECOND)
        whom = f" for {call.role}" if call.role else ""
        print(printable(f"{call.id[:8]}  {left:4} min left{whom}  {call.call.get('tool')}: {call.reason}"))
    return OK


def _show(args: argparse.Namespace, call: Escalation) -> int:
    if args.json:
        print_json(asdict(call))
        return OK
    print(printable(f"{call.id}  asked {shown_time(call.asked)}, until {shown_time(call.expires)}"))
    print(printable(f"why      {call.reason}"))
    print(printable(f"for      {call.role or 'anybody who may answer'}"))
    if call.quorum > 1:
        print(f"quorum   {len(call.answers)} of {call.quorum} have approved")
    for name, value in call.call.items():
        if name != "params" and value:
            print(printable(f"{name:12} {shown(value)}"))
    for name, value in dict(call.call.get("params") or {}).items():
        print(printable(f"  {name} = {shown(value, 2000)}"))
    return OK


def _answer(args: argparse.Namespace, call: Escalation) -> int:
    if args.key is None:
        raise UsageError("say with which key to sign the answer: `--key FILE`")
    try:
        signer = Signer.load(Path(args.key))
    except ValueError as error:
        raise UsageError(str(error)) from None
    store = SqliteStore(args.ledger)
    try:
        record = answer(Log(store, time.time_ns, {}), key_of(call.id), signer, args.note, granted=WORDS[args.action])
    finally:
        store.close()
    if args.json:
        print_json({"record": record.seq, "id": call.id})
    else:
        print(f"{'approved' if WORDS[args.action] else 'refused'} by {signer.name}; that is record {record.seq}")
    return OK
