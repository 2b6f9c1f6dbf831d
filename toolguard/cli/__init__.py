"""The `toolguard` command. One file a command; each turns its arguments into an exit code.

Exit codes: 0 allowed or fine, 1 internal error, 2 usage, 3 denied, 4 escalated, 5 verification failed, 6 policy refused.
"""

from __future__ import annotations

import argparse
import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from toolguard.cli.terminal import INTERNAL, POLICY_REFUSED, USAGE, VERIFICATION_FAILED, UsageError
from toolguard.errors import LedgerCorrupt, PolicyError, ToolGuardError, nearest
from toolguard.release import version
from toolguard.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    *("evaluate", "explain", "lint", "schema"),
    *("verify", "prove", "export", "archive", "erase", "keys", "approvals", "approvers"),
    *("halt", "resume", "reset", "status", "serve", "hook", "demo"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        print(f"toolguard: there is no command `{printable(given[0])}`{nearest(given[0], COMMANDS)}", file=sys.stderr)
        return USAGE
    args = parser(given[:1]).parse_args(given)
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character must not turn a denial into a crash
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(args.run(args))
    except PolicyError as error:
        print("\n".join(printable(str(problem)) for problem in error.problems), file=sys.stderr)
        return POLICY_REFUSED
    except LedgerCorrupt as error:
        print(f"toolguard: {error}", file=sys.stderr)
        return VERIFICATION_FAILED
    except (ToolGuardError, OSError, UsageError) as error:
        if isinstance(error, BrokenPipeError):  # the reader has seen enough, as with `| head`
            sys.stderr.close()
            return INTERNAL
        print(f"toolguard: {error}", file=sys.stderr)
        return USAGE if isinstance(error, (OSError, UsageError)) else INTERNAL


def parser(asked: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The command line; `--help` of each command is its module's docstring.

    If a command is asked for it has that one only, so that nothing is loaded which another one needs.
    """
    top = argparse.ArgumentParser(prog="toolguard", description="Decide tool calls against policies, and check the record.")
    top.add_argument("--version", action=_Version, nargs=0, help="print which version this is")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name in [name for name in asked if name in COMMANDS] or COMMANDS:
        module = import_module(f"toolguard.cli.{name}")
        description = (module.__doc__ or "").strip()
        command = commands.add_parser(
            name,
            help=description.split("\n", 1)[0],
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.add_argument("--json", action="store_true", help="print JSON for programs")
        command.set_defaults(run=module.run)
    return top


class _Version(argparse.Action):
    """Looks the version up when it is asked for, and not on every command's way."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"toolguard {version()}")
        parser.exit()
