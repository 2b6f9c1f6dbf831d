"""Show the escalated calls that wait, and answer them with a signature.

`list` shows all that wait, and approvals that still stand; `show ID` one call with everything there is to decide by;
`approve ID` and `refuse ID` answer it; `withdraw ID` ends the wait, or takes an approval back as far as it was not used.
`watch` prints what comes and goes until it is interrupted, and with `--key` asks for an answer to each.

The key is one that `toolguard keys --sign` made; the guard has to know it (`Guard(approvers=...)`). An answer holds for exactly
that call, once, until it expires. Where the rule lets a person say so, `--calls N --minutes M` approve it for more calls of the
same session.

Exit codes: 0 done, 1 it does not wait any more, or it could not be recorded, 2 usage.
"""

from __future__ import annotations

import getpass
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.approvals.answer import Reply, answer, withdraw
from toolguard.approvals.escalation import PREFIX, Escalation, standing, waiting
from toolguard.audit.log import Log
from toolguard.audit.select import shown_time
from toolguard.audit.sign import Signer
from toolguard.cli.terminal import OK, UsageError, counted, print_json
from toolguard.errors import StoreError
from toolguard.stores.file import read_state
from toolguard.stores.sqlite import SqliteStore
from toolguard.text import printable, shown

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

SECOND, MINUTE = 10**9, 60
WORDS = {"approve": True, "refuse": False}
STEP = 0.5  # seconds between two looks of `watch`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, in which ledger."""
    parser.add_argument("action", choices=("list", "show", *WORDS, "withdraw", "watch"), help="what to do")
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("id", nargs="?", metavar="ID", help="which call, or the beginning of its id")
    parser.add_argument("--key", metavar="FILE", help="the key to sign the answer with")
    parser.add_argument("--note", default="", help="a word to go with the answer; the agent is told it with a refusal")
    parser.add_argument("--calls", type=int, default=1, metavar="N", help="approve so many calls, if the rule lets you")
    parser.add_argument("--minutes", type=int, default=0, metavar="M", help="for so long, with `--calls`")


def run(args: argparse.Namespace) -> int:
    """Show or answer."""
    if not Path(args.ledger).is_file():
        raise UsageError(f"there is no ledger `{args.ledger}`")
    signer = _signer(args.key) if args.key else None
    if args.action == "watch":
        return _watch(args, signer)
    calls, stand = _kept(args.ledger)
    if args.action == "list":
        return _list(args, calls, stand)
    call = _named(args.id, calls if args.action != "withdraw" else [*calls, *stand])
    if args.action == "show":
        return _show(args, call)
    if args.action == "withdraw":
        return _done(args, call, f"withdrawn by {_here()}", lambda log: withdraw(log, call.key, _here(), args.note).seq)
    if signer is None:
        raise UsageError("say with which key to sign the answer: `--key FILE`")
    return _answer(args, call, signer, granted=WORDS[args.action])


def _kept(ledger: str) -> tuple[list[Escalation], list[Escalation]]:
    state = dict(read_state(Path(ledger), PREFIX))
    return waiting(state, time.time_ns()), standing(state)


def _named(given: str | None, calls: list[Escalation]) -> Escalation:
    found = [call for call in calls if given and call.id.startswith(given)]
    if len(found) == 1:
        return found[0]
    many = f"{counted(len(found), 'call waits', 'calls wait')} under `{given}`"
    raise UsageError(many if given else "say which call: its ID")


def _list(args: argparse.Namespace, calls: list[Escalation], stand: list[Escalation]) -> int:
    if args.json:
        print_json([asdict(call) for call in (*calls, *stand)])
        return OK
    if not calls:
        print("nothing waits")
    for call in calls:
        print(_line(call))
    for call in stand:
        used = f", {call.used} used" if call.used else ""
        print(printable(f"{call.id[:8]}  approved{used}  {call.call.get('tool')}: {call.reason}"))
    return OK


def _line(call: Escalation) -> str:
    left = max(0, call.expires - time.time_ns()) // (MINUTE * SECOND)
    whom = f" for {call.role}" if call.role else ""
    return printable(f"{call.id[:8]}  {left:4} min left{whom}  {call.call.get('tool')}: {call.reason}")


def _show(args: argparse.Namespace, call: Escalation) -> int:
    if args.json:
        print_json(asdict(call))
        return OK
    print(printable(f"{call.id}  asked {shown_time(call.asked)}, until {shown_time(call.expires)}"))
    print(printable(f"why      {call.reason}"))
    print(printable(f"for      {call.role or 'anybody who may answer'}"))
    if call.quorum > 1:
        print(f"quorum   {len(call.answers)} of {call.quorum} have approved")
    if call.standing:
        print(f"at most  {call.standing[0]} calls within {call.standing[1]} minutes (`--calls N --minutes M`)")
    for name, value in call.call.items():
        if name != "params" and value:
            print(printable(f"{name:12} {shown(value)}"))
    for name, value in dict(call.call.get("params") or {}).items():
        print(printable(f"  {name} = {shown(value, 2000)}"))
    return OK


def _answer(args: argparse.Namespace, call: Escalation, signer: Signer, *, granted: bool) -> int:
    reply = Reply(granted, signer.name, args.note, _here(), args.calls, args.minutes)
    what = f"{'approved' if granted else 'refused'} by {signer.name}"
    return _done(args, call, what, lambda log: answer(log, call.key, signer, reply).seq)


def _done(args: argparse.Namespace, call: Escalation, what: str, act: Callable[[Log], int]) -> int:
    store = SqliteStore(args.ledger)
    try:
        number = act(Log(store, time.time_ns, {}))
    finally:
        store.close()
    if args.json:
        print_json({"record": number, "id": call.id})
    else:
        print(f"{what}; that is record {number}")
    return OK


def _watch(args: argparse.Namespace, signer: Signer | None) -> int:
    """What comes and goes, one line each; answers are asked for where there is a key."""
    known: dict[str, Escalation] = {}
    try:
        while True:
            calls = {f"{call.id} {call.round}": call for call in _kept(args.ledger)[0]}
            for name in known.keys() - calls.keys():
                print(printable(f"{known[name].id[:8]}  is answered, or over"), flush=True)
            for name in [name for name in calls if name not in known]:
                print(_line(calls[name]), flush=True)
                if signer is not None:
                    _asked(args, calls[name], signer)
            known = calls
            time.sleep(STEP)
    except (KeyboardInterrupt, EOFError):
        return OK


def _asked(args: argparse.Namespace, call: Escalation, signer: Signer) -> None:
    _show(args, call)
    word = input("approve, refuse, or later? [a/r/L] ").strip().lower()[:1]
    if word in ("a", "r"):
        args.note = input("a note: ").strip()
        try:
            _answer(args, call, signer, granted=word == "a")
        except StoreError as error:
            print(printable(str(error)))


def _signer(path: str) -> Signer:
    try:
        return Signer.load(Path(path))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _here() -> str:
    """Who is at which machine."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError):  # nobody by that number is known here
        who = "somebody"
    host = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return f"{who}@{host}"
