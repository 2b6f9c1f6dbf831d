"""Make a key: of a new ledger's seal, or one that signs checkpoints.

`toolguard keys LEDGER` makes a new ledger and prints, once, the first key of its seal; it is stored nowhere else. Keep it where
the agent's machine cannot reach it. `toolguard verify LEDGER --key FILE` then shows whether records were cut off or written
anew, even by somebody who owns the machine today.

`toolguard keys --sign FILE` makes a key that signs checkpoints, in a file that only its owner may read, and prints the key that
checks them: `toolguard verify LEDGER --verifier KEY`. Give the file to `Guard(checkpoints=Checkpoints(signing_key=FILE))`.

Exit codes: 0 made, 2 there is such a file already.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.note import is_key_name
from toolguard.audit.sign import SEED, Signer
from toolguard.cli.terminal import OK, UsageError, print_json
from toolguard.stores.file import seal_path
from toolguard.stores.seal import key_text
from toolguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of the two, and where."""
    parser.add_argument("ledger", metavar="LEDGER", nargs="?", help="the ledger to make")
    parser.add_argument("--sign", metavar="FILE", help="make a key that signs checkpoints, in this file")
    parser.add_argument(
        "--name", default="toolguard.local", help="whose key it is, such as `example.org/agents` (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Make it; a seal's key goes to standard output and nowhere else."""
    if (args.ledger is None) == (args.sign is None):
        raise UsageError("say either which ledger to make, or `--sign FILE`")
    return _signing_key(Path(args.sign), args) if args.sign else _ledger(Path(args.ledger), args)


def _ledger(path: Path, args: argparse.Namespace) -> int:
    if path.exists() or seal_path(path).exists():
        raise UsageError(f"`{path}` is there already, and its key was chosen when it was made")
    key = os.urandom(32)
    SqliteStore(path, seal_key=key).close()
    if args.json:
        print_json({"ledger": str(path), "key": key_text(key)})
    else:
        print(key_text(key))
    return OK


def _signing_key(path: Path, args: argparse.Namespace) -> int:
    if not is_key_name(args.name):
        raise UsageError(f"a key cannot be called `{args.name}`: no blanks, no `+`")
    try:
        signer = Signer(args.name, os.urandom(SEED))
        verifier = signer.verifier
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except ValueError as error:
        raise UsageError(str(error)) from None
    except FileExistsError:
        raise UsageError(f"`{path}` is there already") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{signer}\n")
    if args.json:
        print_json({"signing_key": str(path), "verifier": str(verifier)})
    else:
        print(verifier)
    return OK
