"""Judge proposed calls against policies, without running anything.

A call is JSON: {"tool": ..., "params": {...}} and, as you like, tool_group, agent_id, session_id, org_id, context, call_id;
or an envelope of Tool Guard: {"tool_name": ..., "parameters": {...}, ...}.
With --result the tool is taken to have returned what is in that file (JSON), and what the agent would see of it is shown, too.
With --calls each line is one call and is answered by one line of JSON, in order, with its number as `line`; a line that cannot
be read is answered by {"line": ..., "error": ...}, and a blank one not at all.

Exit codes: 0 allowed or flagged, 3 denied (or the result is withheld), 4 escalated, 6 a policy was refused.
With --calls 0, or 2 if a line could not be read.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolguard.cli.terminal import EXIT_CODES, OK, USAGE, UsageError, describe, print_json
from toolguard.envelope import call_of, no_key_twice
from toolguard.errors import nearest
from toolguard.guard import Guard
from toolguard.model import Outcome
from toolguard.policy.load import pack_files
from toolguard.stores.given import MEMORY
from toolguard.text import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from toolguard.model import Decision

KEYS = ("tool", "params", "tool_group", "agent_id", "session_id", "org_id", "context", "call_id")
STDIN = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Policies, calls, and where to record."""
    add_policies(parser)
    calls = parser.add_mutually_exclusive_group(required=True)
    calls.add_argument("--call", metavar="C.json", help="a file with one call, `-` for standard input")
    calls.add_argument("--calls", metavar="CALLS.jsonl", help="a file with one call a line, `-` for standard input")
    parser.add_argument("--result", metavar="R.json", help="a file with what the tool returned, for rules of `phase: result`")
    parser.add_argument("--ledger", default=MEMORY, metavar="FILE", help="record the decisions there (default: nowhere)")


def add_policies(parser: argparse.ArgumentParser) -> None:
    """Which policies, and how they are taken."""
    parser.add_argument("--policy", action="append", default=[], metavar="P", help="a policy file or folder; repeatable")
    parser.add_argument("--pack", action="append", default=[], metavar="NAME", help="a starter policy; repeatable")
    parser.add_argument("--enforce-shadow", action="store_true", help="take shadow policies for enforced ones")
    parser.add_argument(
        "--unmatched",
        default="deny",
        choices=["deny", "escalate", "flag", "allow"],
        help="the verdict on a tool that no policy covers (default: deny)",
    )


def run(args: argparse.Namespace) -> int:
    """Judge one call, or one a line."""
    if args.result is not None and args.call is None:
        raise UsageError("`--result` goes with one call: --call C.json")
    result = _result_in(args.result) if args.result is not None else None
    heard: list[Decision] = []
    with guard_for(args, ledger=args.ledger, on_decision=heard.append) as guard:
        if args.calls is not None:
            return _batch(guard, args.calls)
        decision = call_in(args.call, guard)
        seen = guard.release(decision, result) if result is not None and decision.allowed else None
    last = heard[-1] if seen is not None and heard[-1].call.came is not None else decision
    if args.json:
        print_json(_both(decision, last, seen))
    else:
        print("\n".join([*describe(decision), *_gets(decision), *([] if seen is None else _sees(last, seen))]))
    return EXIT_CODES[last.verdict]


def _result_in(source: str) -> Outcome:
    try:
        return Outcome("returned", 0, json.loads(Path(source).read_text(encoding="utf-8"), object_pairs_hook=no_key_twice))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"`{source}` is no JSON: {error}") from None


def _both(decision: Decision, last: Decision, seen: Outcome | None) -> dict[str, Any]:
    """The decision on the call and, beside it, what is made of the result."""
    said = decision.to_dict() | ({"params": decision.params} if decision.redacted is not None else {})
    if seen is None:
        return said
    came = {"verdict": last.verdict.word, "reason": last.reason} if last is not decision else {"verdict": "allow"}
    return {**said, "result": came | ({"seen": seen.value} if seen.error is None else {})}


def _gets(decision: Decision) -> list[str]:
    """What the tool would get, where that is not what was proposed."""
    return [] if decision.redacted is None else [printable(f"  {'gets':8} {json.dumps(decision.params, default=str)}")]


def _sees(last: Decision, seen: Outcome) -> list[str]:
    """What is made of the result."""
    judged = describe(last) if last.call.came is not None else ["no rule over results fired"]
    shown = [] if seen.error is not None else [printable(f"  {'seen':8} {json.dumps(seen.value, default=str)}")]
    return ["", f"What comes back: {judged[0]}", *judged[1:], *shown]


def guard_for(args: argparse.Namespace, ledger: str, on_decision: Callable[[Decision], object] | None = None) -> Guard:
    """The guard that the arguments of `add_policies` ask for.

    Raises:
        UsageError: they name no policies.
    """
    if not args.policy and not args.pack:
        raise UsageError("say which policies: --policy FILE or --pack NAME")
    policies = [*map(Path, args.policy), *pack_files(*args.pack)]
    return Guard(
        policies,
        ledger=ledger,
        unmatched=args.unmatched,
        enforce_shadow=args.enforce_shadow,
        redaction_key=os.urandom(32),  # no decision depends on it
        on_decision=on_decision,
    )


def call_in(source: str, guard: Guard) -> Decision:
    """The decision on the call in a file, or in standard input.

    Raises:
        UsageError: what is in it is not a call.
    """
    try:
        return judge(guard, sys.stdin.read() if source == STDIN else Path(source).read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"`{source}` is not a call: {error}") from None


def _batch(guard: Guard, source: str) -> int:
    code = OK
    for number, line in enumerate(_lines(source), 1):
        if not line.strip():
            continue
        try:
            print_json({"line": number, **judge(guard, line).to_dict()})
        except ValueError as error:
            print_json({"line": number, "error": str(error)})
            code = USAGE
    return code


def judge(guard: Guard, text: str) -> Decision:
    """The decision on one call given as JSON.

    Raises:
        ValueError: the text is not a call.
    """
    try:
        call = json.loads(text, object_pairs_hook=no_key_twice)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(call, dict):
        raise ValueError("a call has to be a mapping")  # noqa: TRY004 - a value of the file
    if "tool_name" in call:
        return guard.evaluate(**call_of(call))
    if unknown := call.keys() - set(KEYS):
        raise ValueError(f"unknown key `{min(unknown)}` (known: {', '.join(KEYS)}){nearest(min(unknown), KEYS)}")
    for key, what in (("tool", "the tool's name"), ("params", "its arguments, `{}` if it takes none")):
        if key not in call:
            raise ValueError(f"the key `{key}` ({what}) is missing")
    tool, params, group = call.pop("tool"), call.pop("params"), call.pop("tool_group", None)
    return guard.evaluate(tool, params, group=group, **call)


def _lines(source: str) -> Iterator[str]:
    """The lines, one at a time: a file of calls can be larger than memory."""
    if source == STDIN:
        yield from sys.stdin
        return
    with Path(source).open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        yield from file
