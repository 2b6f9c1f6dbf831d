"""Print the JSON Schema of a policy, for editors that complete and check YAML.

Save it and begin each policy with `# yaml-language-server: $schema=PATH`.

Exit codes: 0 always.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from toolguard.cli.terminal import OK
from toolguard.policy.schema import schema

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing to ask for."""


def run(args: argparse.Namespace) -> int:
    """Print it; with --json on one line."""
    print(json.dumps(schema(), indent=None if args.json else 2))
    return OK
