"""Importing what guards a call in a fresh interpreter, against the import of what it cannot do without."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

from bench.measure import agree, row, take_turns

ROOT = Path(__file__).parent.parent
OURS = "from toolguard import Guard, guarded"
NAMED = "import pydantic, yaml, blake3, sqlite3"
USED = "from pydantic import BaseModel; import yaml, blake3, sqlite3"  # pydantic loads itself only when it is used
PARSERS = ("sqlglot", "bashlex", "re2")


def rows(pace):
    checks = checked()
    figures = take_turns([partial(seconds_to, each) for each in (OURS, NAMED, USED)], pace.rounds, pace.fresh_turns)
    took = median(ours for ours, _, _ in figures)
    note = f"design: at most 120 ms, here {took * 1000:.0f} ms; none of {', '.join(PARSERS)} is loaded"
    yield row(f"{OURS} / {NAMED}", [each[:2] for each in figures], checks, note=note)
    yield row("  the same / with pydantic's BaseModel, which loads all of it", [each[::2] for each in figures], checks)


def checked():
    here = str(ROOT / "toolguard" / "__init__.py")
    return [
        agree("toolguard is this checkout", here, python("import toolguard; print(toolguard.__file__)")),
        agree("a loaded parser is seen", PARSERS[0], loaded(f"{OURS}; import {PARSERS[0]}"), loaded(f"import {PARSERS[0]}")),
        agree(f"loaded of {', '.join(PARSERS)}", "none", loaded(OURS), loaded(USED)),
    ]


def loaded(statement):
    """Which of the parsers are in a fresh interpreter after that."""
    names = python(f"{statement}; import sys; print(*({set(PARSERS)!r} & sys.modules.keys()))")
    return names or "none"


def seconds_to(statement):
    return float(python(f"from time import perf_counter as now; start = now(); {statement}; print(now() - start)"))


def python(code):
    """What a fresh interpreter prints. The time of its own start is in no figure."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
