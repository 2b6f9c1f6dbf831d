"""Write a ledger out: as JSON Lines that `toolguard verify` checks alone, as events for a SIEM, or as an evidence pack.

`jsonl` (the default) is the whole ledger, so that its chain can be followed. `ocsf` and `otel` are one event a record. `pack`
is an archive (`.zip`) for somebody who has nothing of ours: the chosen records, each proved against a checkpoint, the policies
they were decided by, a page to read, and how to verify all of it. All but `jsonl` take a selection.

Exit codes: 0 written, 1 the ledger cannot be read, 5 it does not hold what its checkpoints say.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolguard.audit.export import export_lines
from toolguard.audit.pack import write_pack
from toolguard.audit.select import KINDS, Selection, moment
from toolguard.audit.siem import FORMATS
from toolguard.audit.sign import Signer
from toolguard.audit.source import Source
from toolguard.cli.terminal import OK, UsageError, counted, one_of, print_json
from toolguard.model import Verdict

if TYPE_CHECKING:
    import argparse

VERDICTS = tuple(verdict.word for verdict in Verdict)
SELECTING = ("since", "until", "kind", "tool", "agent", "session", "verdict")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which records, in which form, and where to."""
    parser.add_argument("ledger", metavar="FILE", help="the ledger's SQLite file, or an export of it (`*.jsonl`)")
    parser.add_argument("--format", choices=("jsonl", *FORMATS, "pack"), default="jsonl", help="default: %(default)s")
    parser.add_argument("--output", metavar="FILE", help="where to write it (default: standard output)")
    parser.add_argument("--force", action="store_true", help="write over a file that is there already")
    parser.add_argument("--payloads", action="store_true", help="jsonl: with what is kept of parameters, and what proves them")
    parser.add_argument("--disclose", action="append", default=[], metavar="NAME", help="pack: show this parameter's values")
    parser.add_argument("--disclose-all", action="store_true", help="pack: show every value that is kept")
    parser.add_argument("--sign-with", metavar="FILE", help="pack: sign it with a key that `toolguard keys --sign` made")
    which = parser.add_argument_group("selection (each may be repeated, but for the times)")
    which.add_argument("--since", metavar="TIME", help="from this date or time on (ISO 8601, UTC unless it says otherwise)")
    which.add_argument("--until", metavar="TIME", help="up to this date or time")
    for name in SELECTING[2:]:
        words = {"kind": KINDS, "verdict": VERDICTS}.get(name)
        kind = one_of(name, words) if words else str
        which.add_argument(f"--{name}", action="append", default=[], type=kind, metavar=name.upper())


def run(args: argparse.Namespace) -> int:
    """Write it."""
    if args.format == "jsonl" and any(getattr(args, name) for name in SELECTING):
        raise UsageError("a chain can only be followed whole: choose records with --format pack, ocsf or otel")
    if args.output is not None and Path(args.output).exists() and not args.force:
        raise UsageError(f"`{args.output}` is there already: say --force to write over it")
    selection = selection_of(args)
    source = Source.open(Path(args.ledger))
    if args.format == "pack":
        return _pack(args, source, selection)
    if args.format == "jsonl":
        lines, besides = export_lines(source.records(), source.seal, payloads=args.payloads), 2  # the first and the last line
    else:
        form, ledger, besides = FORMATS[args.format], source.ledger_id(), 0
        lines = (json.dumps(form(record.seq, content, ledger)) for record, content in selection.of(source.records()))
    if args.output is None:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return OK
    with Path(args.output).open("w", encoding="utf-8", newline="\n") as file:
        written = sum(1 for line in lines if file.write(f"{line}\n")) - besides
    if args.json:
        print_json({"file": args.output, "records": written})
    else:
        print(f"wrote {counted(written, 'record', 'records')} to `{args.output}`")
    return OK


def selection_of(args: argparse.Namespace) -> Selection:
    """The selection that was asked for."""
    try:
        since, until = (moment(text) if text else None for text in (args.since, args.until))
    except ValueError as error:
        raise UsageError(f"this is no time: {error}") from None
    chosen = (frozenset(getattr(args, name)) for name in SELECTING[2:])
    return Selection(since, until, *chosen)


def _pack(args: argparse.Namespace, source: Source, selection: Selection) -> int:
    if args.output is None:
        raise UsageError("a pack is not for standard output: say `--output FILE.zip`")
    try:
        signer = Signer.load(Path(args.sign_with)) if args.sign_with else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    written = write_pack(source, Path(args.output), selection, None if args.disclose_all else args.disclose, signer)
    if args.json:
        print_json({"pack": args.output, "records": written.records, "policies": written.policies, "size": written.size})
    else:
        policies = counted(written.policies, "revision", "revisions")
        print(f"wrote {counted(written.records, 'record', 'records')} and {policies} of policies to `{args.output}`")
    return OK
