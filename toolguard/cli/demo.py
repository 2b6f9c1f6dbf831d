"""See a support agent's refunds judged: three runs, the database they would have changed, and the record of it all.

Exit codes: 0, or 1 if anything in it did not go as it should.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.cli.terminal import UsageError

if TYPE_CHECKING:
    import argparse

_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "_demo" / "refunds", _PACKAGE.parent / "examples" / "refunds")  # installed, or in a checkout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to leave the files."""
    parser.add_argument("--keep", metavar="FOLDER", help="leave the database and the ledgers there; it has to be new or empty")


def run(args: argparse.Namespace) -> int:
    """Run `examples/refunds/demo.py`, which is a script of its own: its siblings are imported by their plain names."""
    for place in _PLACES:
        if (place / "demo.py").is_file():
            sys.path.insert(0, str(place))
            try:
                demo = importlib.import_module("demo")
            finally:
                sys.path.remove(str(place))
            return int(demo.main(keep=args.keep, as_json=args.json))
    raise UsageError("the example `refunds` is not installed; it lies in the source distribution")
