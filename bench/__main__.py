"""`python -m bench`: measures and never judges, so its exit status is always 0."""

import argparse
import json
import platform
import sqlite3
from dataclasses import asdict

from bench import (
    commands,
    conditions,
    decisions,
    durable,
    halting,
    hooks,
    imports,
    ledger,
    limiting,
    processes,
    shared,
    sql,
    streaming,
    waiting,
    wrapper,
)
from bench.measure import FULL, QUICK, Broken

GROUPS = (
    decisions,
    conditions,
    durable,
    shared,
    processes,
    ledger,
    halting,
    limiting,
    waiting,
    sql,
    commands,
    streaming,
    hooks,
    imports,
    wrapper,
)
LINE = "{:<62} {:>8}  {:<17} {:<13} {:<5} {}"
MACHINE = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "machine": platform.machine()}


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ratios against the plain alternative.")
    parser.add_argument("--quick", action="store_true", help="a short run: shows that it works, its figures are rough")
    parser.add_argument("--json", action="store_true", help="rows for programs")
    options = parser.parse_args()
    pace = QUICK if options.quick else FULL
    if options.json:
        print(json.dumps({**MACHINE, "quick": options.quick, "rows": list(map(as_dict, measured(pace)))}, indent=2))
        return
    print(*(f"{name} {value}" for name, value in MACHINE.items()), sep=", ")
    print(LINE.format("what", "ratio", "(min - max)", "target", "", "hint: ours / plain on this machine"))
    for each in measured(pace):
        print(as_line(each), flush=True)


def measured(pace):
    """Rows as they come; in the place of a group with a wrong answer, the answer."""
    for group in GROUPS:
        try:
            yield from group.rows(pace)
        except Broken as wrong:
            yield f"{group.__name__}: not measured: {wrong}"


def as_line(each):
    if isinstance(each, str):
        return each
    spread = f"({each.low:.2f} - {each.high:.2f})"
    return LINE.format(each.what, f"{each.ratio:.2f} x", spread, each.target, each.verdict, each.hint).rstrip()


def as_dict(each):
    return {"broken": each} if isinstance(each, str) else {**asdict(each), "verdict": each.verdict}


main()
