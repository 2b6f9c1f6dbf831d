"""Make a new ledger and print, once, the key of its seal.

Keep the key where the agent's machine cannot reach it. `toolguard verify LEDGER --key FILE` then shows whether records were cut
off or written anew, even by somebody who owns the machine today. The key is stored nowhere else.

Exit codes: 0 made, 2 there is a ledger already.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.cli.terminal import OK, UsageError, print_json
from toolguard.stores.seal import key_text
from toolguard.stores.sqlite import SqliteStore, seal_path

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which ledger."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger to make")


def run(args: argparse.Namespace) -> int:
    """Make it; the key goes to standard output and nowhere else."""
    path = Path(args.ledger)
    if path.exists() or seal_path(path).exists():
        raise UsageError(f"`{path}` is there already, and its key was chosen when it was made")
    key = os.urandom(32)
    SqliteStore(path, seal_key=key).close()
    if args.json:
        print_json({"ledger": str(path), "key": key_text(key)})
    else:
        print(key_text(key))
    return OK
