"""See a support agent's refunds judged: three runs, the database they would have changed, and the record of it all.

Exit codes: 0, or 1 if anything in it did not go as it should.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.cli.terminal import UsageError

if TYPE_CHECKING:
    import argparse

_PACKAGE = Path(__file__).parent.parent
_PLACES = (_PACKAGE / "_demo" / "refunds", _PACKAGE.parent / "examples" / "refunds")  # installed, or in a checkout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to say."""
    parser.add_argument("--keep", metavar="FOLDER", help="leave the database and the ledger there afterwards")


def run(args: argparse.Namespace) -> int:
    """Run `examples/refunds/demo.py`."""
    for place in _PLACES:
        if (place / "demo.py").is_file():
            main = runpy.run_path(str(place / "demo.py"), run_name="toolguard_demo")["main"]
            return int(main(keep=args.keep, as_json=args.json))
    raise UsageError("the example `refunds` is not installed; it lies in the source distribution")
