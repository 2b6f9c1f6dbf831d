"""Make a receipt that a record is in a ledger, or that a ledger only grew: `toolguard verify RECEIPT.json` checks it alone.

`toolguard prove LEDGER RECORD` shows one record, and of its parameters only what is disclosed. `toolguard prove LEDGER --since
FILE` shows that the ledger still begins with everything that a checkpoint kept in FILE covers.

Exit codes: 0 made, 1 it cannot be made, 5 the ledger does not hold what its checkpoints say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.anchor import notes_in
from toolguard.audit.prove import prove_growth, prove_record
from toolguard.cli.terminal import OK, UsageError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is shown, and where it goes."""
    parser.add_argument("ledger", metavar="LEDGER", help="the ledger's SQLite file")
    parser.add_argument("record", metavar="RECORD", nargs="?", type=int, help="the number of a record")
    parser.add_argument("--disclose", action="append", default=[], metavar="NAME", help="a parameter to show; may be repeated")
    parser.add_argument("--disclose-all", action="store_true", help="show every parameter that is kept")
    parser.add_argument("--since", metavar="FILE", help="a checkpoint that was kept elsewhere (of several, the last)")
    parser.add_argument("--output", metavar="FILE.json", help="where to write it (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Make the receipt."""
    if (args.record is None) == (args.since is None):
        raise UsageError("say either which record, or `--since FILE`")
    if args.since is not None:
        try:
            notes = notes_in(args.since)
        except ValueError as error:
            raise UsageError(str(error)) from None
        receipt = prove_growth(Path(args.ledger), notes[-1])
    else:
        receipt = prove_record(Path(args.ledger), args.record, None if args.disclose_all else args.disclose)
    text = json.dumps(receipt)
    if args.output is None:
        print(text)
    else:
        Path(args.output).write_text(f"{text}\n", encoding="utf-8")
    return OK
