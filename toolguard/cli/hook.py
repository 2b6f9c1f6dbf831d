"""Judge the tool calls of a coding agent: Claude Code, Codex, Gemini, Copilot, Cursor.

  toolguard hook install claude            show what would change in its settings; --write changes them
  toolguard hook uninstall claude          take it out again, likewise
  toolguard hook status                    where it is installed
  toolguard hook doctor claude             try what can go wrong against what is installed
  toolguard hook claude                    what the client runs: the call on standard input

A denied call is told to the client in its own form, with the reason on standard error and exit code 2; an allowed one prints
nothing. What needs a person is put before the client's user where the client can do that, before the --approvers where they are
given, and is denied otherwise. Whatever goes wrong is a denial.

Exit codes: 0 allowed, asked, or done; 1 the doctor found something, or settings cannot be read; 2 denied, or usage.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import sys
from typing import TYPE_CHECKING

from toolguard.cli.terminal import INTERNAL, OK, UsageError
from toolguard.errors import nearest
from toolguard.hooks import thin
from toolguard.hooks.clients import CLIENTS, Client

if TYPE_CHECKING:
    import argparse

    from toolguard.hooks.options import Options

VERBS = ("install", "uninstall", "status", "doctor", "serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("what", metavar="WHAT", help=f"a client ({', '.join(CLIENTS)}), or {', '.join(VERBS)}")
    parser.add_argument("client", nargs="?", choices=[*CLIENTS], metavar="CLIENT", help="for install, uninstall, doctor")
    parser.add_argument("--policy", action="append", default=[], metavar="P", help="a policy file or folder; may be repeated")
    parser.add_argument("--pack", action="append", default=[], metavar="NAME", help="(default: coding-agent, client-tools)")
    parser.add_argument("--ledger", default="", metavar="FILE", help="(default: ~/.toolguard/hook.db)")
    parser.add_argument("--workspace", default="", metavar="DIR", help="(default: the project of the client)")
    parser.add_argument("--approvers", default="", metavar="FILE", help="people who may answer: `toolguard approvers`")
    parser.add_argument("--project", default="", metavar="DIR", help="the settings of this project, not the user's")
    parser.add_argument("--write", action="store_true", help="change the settings; without it they are only shown")
    parser.add_argument("--here", action="store_true", help="judge in this process, and start the daemon for the next calls")


def run(args: argparse.Namespace) -> int:
    """Answer a client, or do what is asked about its settings."""
    if args.what not in VERBS:
        if sys.stdin is not None and sys.stdin.isatty():  # a person, not a client
            known = args.what in CLIENTS
            hint = f": toolguard hook install {args.what}" if known else nearest(args.what, (*VERBS, *CLIENTS))
            raise UsageError(f"`{args.what}` takes a call from a client on standard input{hint}")
        return _answer(args)
    from toolguard.hooks.options import Options  # noqa: PLC0415 - a client's call goes without

    if args.what == "serve":
        from toolguard.hooks.daemon import serve  # noqa: PLC0415

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        return serve(Options.of(args))
    if args.what == "status":
        return _status(args)
    if args.client is None:
        raise UsageError(f"say of which client: toolguard hook {args.what} {'|'.join(CLIENTS)}")
    return _doctor(args) if args.what == "doctor" else _settings(args, Options.of(args))


def _answer(args: argparse.Namespace) -> int:
    """Judge the call on standard input. Nothing is raised: every error is a denial."""
    client = CLIENTS.get(args.what) or Client(args.what, args.what, asks=False)
    try:
        from toolguard.guard import Guard  # noqa: PLC0415 - what fails while it is loaded is a denial, too
        from toolguard.hooks.answers import Answers  # noqa: PLC0415
        from toolguard.hooks.daemon import start  # noqa: PLC0415
        from toolguard.hooks.options import Options  # noqa: PLC0415

        logging.getLogger("toolguard").addHandler(logging.NullHandler())
        options = Options.of(args)
        text = sys.stdin.buffer.read(thin.MOST + 1)
        if len(text) > thin.MOST:
            return thin.say(*client.deny("the call is too long"))
        with Guard(**options.for_a_guard()) as guard:
            reply = Answers(guard, options).to(args.what, text, os.fsdecode(thin.project()))
        if args.here:
            start(options)
        return thin.say(*reply)
    except BaseException as error:  # noqa: BLE001 - as above
        return thin.say(*client.deny(f"the guard failed ({type(error).__name__}: {error})"))


def _settings(args: argparse.Namespace, options: Options) -> int:
    from toolguard.hooks.install import STAYS_OPEN, command_of, settings_of, shown  # noqa: PLC0415

    settings = settings_of(args.client, args.project)
    installing = args.what == "install"
    if not installing and settings.installed is None:
        print(f"nothing to change in {settings.path}")
        return OK
    after = settings.with_hook(command_of(args.client, options)) if installing else settings.without_hook()
    lines = (shown(settings.now) if settings.exists else "").splitlines(), shown(after).splitlines()
    changes = [*difflib.unified_diff(*lines, str(settings.path), f"{settings.path} (new)", lineterm="")]
    if not changes:
        print(f"nothing to change in {settings.path}")
        return OK
    print("\n".join(changes))
    if not args.write:
        print(f"\nnothing was written; to do it: toolguard hook {args.what} {args.client} --write")
        return OK
    kept = settings.write(after)
    print(f"\nwrote {settings.path}" + (f"; as it was: {kept}" if kept else ""))
    if installing:
        print(f"what stays open: {STAYS_OPEN[args.client]}\ntry it: toolguard hook doctor {args.client}")
    return OK


def _status(args: argparse.Namespace) -> int:
    from toolguard.hooks.install import SettingsError, settings_of  # noqa: PLC0415

    said = {}
    for name in [args.client] if args.client else CLIENTS:
        try:
            settings = settings_of(name, args.project)
            said[name] = {"settings": str(settings.path), "command": settings.installed}
        except SettingsError as error:
            said[name] = {"settings": str(error), "command": None}
    if args.json:
        print(json.dumps(said, indent=2))
        return OK
    for name, each in said.items():
        print(f"{name:<8} {'installed' if each['command'] else 'not installed':<14} {each['settings']}")
    return OK


def _doctor(args: argparse.Namespace) -> int:
    from toolguard.hooks.doctor import examine  # noqa: PLC0415
    from toolguard.hooks.install import settings_of  # noqa: PLC0415

    command = settings_of(args.client, args.project).installed
    if command is None:
        raise UsageError(f"the hook is not installed for {args.client}: toolguard hook install {args.client} --write")
    findings = []
    for each in examine(args.client, command):
        findings.append(each)
        if not args.json:
            print(
                f"{'ok' if each.holds else 'NOT':<4} {each.tried}: {each.came}"
                + ("" if each.holds else f", not {each.expected}")
            )
    if args.json:
        print(json.dumps([{"tried": one.tried, "expected": one.expected, "came": one.came} for one in findings], indent=2))
    return OK if all(each.holds for each in findings) else INTERNAL
