"""A support agent's refunds, judged: three runs, the database they would have changed, and the record of it all.

Run it with `toolguard demo`, or `python demo.py`.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import agent
import ledger
import orders
import show
from script import RUNS

from toolguard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def main(keep: str | None = None, as_json: bool = False) -> int:  # noqa: FBT001, FBT002 - the command's two options
    """Show it all; 0 if everything went as it should, or else 1."""
    screen = show.JsonLines() if as_json else show.Prose(keep)
    steps: list[agent.Step] = []
    with _folder(keep) as folder:
        database, book = folder / "orders.db", folder / "ledger.db"
        count = orders.create(database, HERE / "orders.csv")
        with Guard(HERE / "policies", ledger=book, approver=agent.support_lead) as guard:
            screen.intro(guard, count)
            for run in RUNS:
                screen.run(run, (HERE / "tickets" / f"{run.ticket}.txt").read_text(encoding="utf-8"))
                done = []
                for step in agent.work(guard, database, run):
                    screen.step(step)
                    done.append(step)
                screen.database(done)
                steps += done
        audit = _audit(book, steps)
        wrong = [*_wrong_steps(steps), *_wrong_audit(audit, steps)]
        screen.audit(audit)
        screen.end(audit, steps, wrong)
    return 1 if wrong else 0


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    """Where the database and the ledger go: a new or empty folder that stays, or one that goes away."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="toolguard-demo-") as name:
            yield Path(name)
        return
    folder = Path(keep)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"`{keep}` is not empty: name a new folder to keep the demo's files in")
    yield folder


def _audit(book: Path, steps: list[agent.Step]) -> ledger.Audit:
    """Check the ledger, then forge copies in which the first refund that was refused reads as allowed."""
    target = next(step for step in steps if step.proposal.tool == "issue_refund" and step.decision["verdict"] == "deny")
    seq = target.decision["seq"]
    return ledger.Audit(
        report=ledger.check(book),
        counts=ledger.counts(book),
        protest=ledger.plain_change(book, seq),
        copies=(
            ledger.forge(book, book.with_name("ledger-altered.db"), seq, reseal=False),
            ledger.forge(book, book.with_name("ledger-resealed.db"), seq, reseal=True),
        ),
    )


def _wrong_steps(steps: list[agent.Step]) -> Iterator[str]:
    """What did not go as it should."""
    for step in steps:
        name = f"{step.run} run: {show.call(step.proposal)}"
        expected, found = step.proposal.verdict, step.decision["verdict"]
        if (expected, step.proposal.rule) != (found, step.hit.get("rule_id")):
            yield f"{name}: expected {expected} by {step.proposal.rule}, got {found} by {step.hit.get('rule_id')}"
        if step.refused and step.changed:
            yield f"{name}: was refused, and the database is another one than before"
        if step.refused == bool(step.outcome):
            yield f"{name}: was {'refused, and it ran' if step.refused else 'not refused, and did not run'}"
        paid = step.after.refunded - step.before.refunded
        due = orders.cents(step.proposal.params["amount"]) if step.proposal.tool == "issue_refund" and not step.refused else 0
        if paid != due:
            yield f"{name}: {orders.money(paid)} were refunded instead of {orders.money(due)}"
    if missing := {"allow", "flag", "escalate", "deny"} - {step.decision["verdict"] for step in steps}:
        yield f"never seen: {', '.join(sorted(missing))}"


def _wrong_audit(audit: ledger.Audit, steps: list[agent.Step]) -> Iterator[str]:
    if not audit.report.intact:
        yield f"the ledger does not verify: {audit.report.finding}"
    if audit.counts["decision"] != len(steps):
        yield f"{len(steps)} calls were proposed, and the ledger has {audit.counts['decision']} decisions"
    if not audit.protest:
        yield "the ledger let a record be changed without a protest"
    yield from (f"the alteration of `{copy.path.name}` was not found" for copy in audit.copies if not copy.named)


if __name__ == "__main__":
    sys.exit(main())
