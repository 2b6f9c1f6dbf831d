"""What a limit costs: a decision that counts against the same decision without one, both durable; and how long others wait."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import ALLOWED, TOOL, threshold
from bench.durable import NONE, synced
from bench.measure import QUICK, agree, row
from toolguard import Guard, verify

PLENTY = 10**9
MANY = 200  # uses in the window


def rows(pace):
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")))
        guards = (
            stack.enter_context(Guard(policy, ledger=folder / f"{number}.db", checkpoints=NONE))
            for number, policy in enumerate((threshold(), *(limited(*limits) for _, limits, _ in KINDS)))
        )
        plain = next(guards)
        for guard, (what, _, at_most) in zip(guards, KINDS, strict=True):
            yield deciding(pace, guard, plain, what, at_most)
        yield waiting(folder / "waiting.db", 20 if pace == QUICK else 400)


def limited(*limits):
    return {**threshold(), "limits": list(limits)}


def lifetime(limit_id="budget"):
    return {"limit_id": limit_id, "sum": "parameters.amount", "max": PLENTY, "window": "lifetime"}


def window():
    return {"limit_id": "budget", "sum": "parameters.amount", "max": PLENTY, "window": "366d", "per": ["agent_id"]}


def four():
    return [lifetime(f"budget-{number}") for number in range(4)]


KINDS = (
    ("a decision that counts in a budget / one that does not", (lifetime(),), 1.5),
    (f"  the same, {MANY} uses in a sliding window", (window(),), None),
    ("  the same, five limits", (lifetime(), *four()), None),
    ("  the same, leased", ({**lifetime(), "lease": 10**5},), None),
)


def deciding(pace, guard, plain, what, at_most):
    for _ in range(MANY):
        guard.evaluate(TOOL, {"amount": 1})
    figures = synced(pace, *(lambda each=each: each.evaluate(TOOL, {"amount": ALLOWED}) for each in (guard, plain)))
    checks = [
        agree(f"amount {amount}", said, *(each.evaluate(TOOL, {"amount": amount}).verdict.word for each in (guard, plain)))
        for amount, said in ((ALLOWED, "allow"), (PLENTY, "deny"))
    ]
    return row(what, figures, checks, at_most=at_most)


def waiting(path, most):
    """Sixteen threads use one budget up together: the longest wait of a call, against the mean one."""
    waits = []
    policy = {**threshold(), "limits": [{**lifetime(), "max": most}]}
    with Guard(policy, ledger=path, checkpoints=NONE) as guard:

        def work():
            while True:
                begun = time.perf_counter()
                allowed = guard.evaluate(TOOL, {"amount": 1}).allowed
                waits.append((time.perf_counter() - begun, allowed))
                if not allowed:
                    return

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    checks = [agree("let through", most, sum(allowed for _, allowed in waits)), agree("chain", None, verify(path).finding)]
    longest, mean = max(waits)[0], sum(wait for wait, _ in waits) / len(waits)
    note = f"longest wait {longest * 1e3:.1f} ms, overspent 0"
    return row("16 threads use up one budget: longest wait / mean", [(longest, mean)], checks, note=note)
