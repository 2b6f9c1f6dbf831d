"""What the demo prints: prose for a person, or one JSON object a line for a program. The same five events feed both."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import orders

from toolguard.cli.terminal import paint
from toolguard.model import Citation

if TYPE_CHECKING:
    from agent import Step
    from ledger import Audit
    from script import Proposal, Run

    from toolguard import Guard
    from toolguard.audit.verify import Report

WIDTH = 98
INDENT = 14  # of what stands behind a label
COLUMN = WIDTH - INDENT


def call(proposal: Proposal) -> str:
    """A proposal as the model would write it."""
    return f"{proposal.tool}({', '.join(f'{name}={value!r}' for name, value in proposal.params.items())})"


def citation(step: Step) -> str:
    """Where the deciding rule is written down, or nothing."""
    return str(Citation(**step.hit["citation"])) if "citation" in step.hit else ""


class JsonLines:
    """One object for each proposal, one at the end."""

    def intro(self, guard: Guard, count: int) -> None:
        """Nothing: programs read the end."""

    def run(self, run: Run, ticket: str) -> None:
        """Nothing: each step names its run."""

    def step(self, step: Step) -> None:
        print(
            json.dumps(
                {
                    "run": step.run,
                    "tool": step.proposal.tool,
                    "params": step.proposal.params,
                    "verdict": step.decision["verdict"],
                    "rule": step.hit.get("rule_id"),
                    "reason": step.decision["reason"],
                    "citation": citation(step) or None,
                    "approved": step.approval.get("granted"),
                    "told": step.told,
                    "ran": bool(step.outcome),
                    "record": step.decision["seq"],
                    "database_changed": step.changed,
                }
            )
        )

    def database(self, steps: list[Step]) -> None:
        """Nothing: each step says whether it changed the database."""

    def audit(self, audit: Audit) -> None:
        """Nothing: it is part of the end."""

    def end(self, audit: Audit, steps: list[Step], wrong: list[str]) -> None:
        print(json.dumps({"summary": _summary(audit, steps, wrong)}))


def _summary(audit: Audit, steps: list[Step], wrong: list[str]) -> dict[str, Any]:
    return {
        "ok": not wrong,
        "wrong": wrong,
        "proposals": len(steps),
        "refused": sum(step.refused for step in steps),
        "refused_that_changed_the_database": sum(step.refused and step.changed for step in steps),
        "refunded_cents_before": steps[0].before.refunded,
        "refunded_cents_after": steps[-1].after.refunded,
        "ledger": {"records": audit.report.trusted, "intact": audit.report.intact, "head": audit.report.head},
        "forgeries": [
            {"file": copy.path.name, "altered": copy.altered, "named": copy.named, "finding": str(copy.report.finding)}
            for copy in audit.copies
        ],
    }


class Prose:
    """Headings, steps and small tables, at most 100 columns wide."""

    def __init__(self, keep: str | None) -> None:
        self.keep = keep
        self.lectured = False  # whether a whole message to the model was shown

    def intro(self, guard: Guard, count: int) -> None:
        names = ", ".join(sorted(policy.name or policy.policy_id for policy in guard.policies.policies))
        _print(
            f"A support agent with four tools works on a real SQLite database of {count} orders. Each call that its model "
            f"proposes is judged by {len(guard.policies.policies)} policies ({names}) before anything runs."
        )

    def run(self, run: Run, ticket: str) -> None:
        print()
        _heading(f"The {run.name} run: {run.title}")
        body = ticket.partition("\n\n")[2].strip()
        _print(f"{run.ticket}: {' '.join(body.split())}", colour="dim")

    def step(self, step: Step) -> None:
        verdict = step.decision["verdict"]
        print()
        _print(call(step.proposal), colour="bold")
        _labelled(verdict.upper(), step.decision["reason"], verdict)
        if source := citation(step):
            _labelled("source", _short(source))
        if step.approval:
            answer = "yes" if step.approval["granted"] else "no"
            _labelled("asked", f"{step.approval['by']}: {answer}, {step.approval['note']}")
        if step.told is not None:
            _labelled("model told", self._told(step))
        else:
            _labelled("result", _short(str(step.result)))

    def _told(self, step: Step) -> str:
        """What the model is told: whole the first time, then only what comes behind the reason and its source."""
        whole = step.told or ""
        if not self.lectured:
            self.lectured = True
            return whole
        known = citation(step) or step.decision["reason"]
        return _short(f"... {whole.partition(known)[2].lstrip('. ')}")

    def database(self, steps: list[Step]) -> None:
        before, after = steps[0].before, steps[-1].after
        print()
        print(f"  {'what the database says':30}{'before':>12}{'after':>12}")
        print(f"  {'refunded in all':30}{orders.money(before.refunded):>12}{orders.money(after.refunded):>12}")
        print(f"  {'sha256 of everything in it':30}{before.digest[:8]:>12}{after.digest[:8]:>12}")
        if refused := [step for step in steps if step.refused]:
            guilty = sum(step.changed for step in refused)
            print(f"  {'refused calls':30}{len(refused):>12}")
            print(f"  {'  that changed anything':30}{paint(f'{guilty:>12}', 'bad' if guilty else 'good')}")

    def audit(self, audit: Audit) -> None:
        first, second = audit.copies
        kinds = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in audit.counts.items())
        print()
        _heading("The record: written before anything ran, each record sealed behind the one before")
        _print(f"ledger.db holds {audit.counts.total()} records: {kinds}.")
        _verified("ledger.db", audit.report)
        print()
        _print(f"Somebody who owns the file wants record {first.altered}, the first refused refund, to say `allow`.")
        _labelled("try", f"UPDATE record ...: SQLite refuses, {audit.protest}")
        print()
        _print("So in a copy the trigger is dropped, and the one word changed.")
        _verified(first.path.name, first.report)
        print()
        _print("And in another copy the record is given the right hash of its new words, too.")
        _verified(second.path.name, second.report)

    def end(self, audit: Audit, steps: list[Step], wrong: list[str]) -> None:
        print()
        for problem in wrong:
            _print(f"WRONG: {problem}", colour="bad")
        if not wrong:
            refused = sum(step.refused for step in steps)
            found = sum(copy.named for copy in audit.copies)
            _print(f"All as it should be: {refused} of {len(steps)} calls refused, {found} forgeries found.", colour="good")
        if self.keep:
            _print(f"Everything is in `{self.keep}`: alter ledger.db yourself, and ask toolguard verify.")
        else:
            _print("toolguard demo --keep FOLDER leaves the database and the ledgers for you to alter and verify.")


def _print(text: str, *, colour: str = "") -> None:
    for line in textwrap.wrap(text, WIDTH, subsequent_indent="  " if colour == "bold" else "", break_on_hyphens=False):
        print(paint(line, colour) if colour else line)


def _heading(text: str) -> None:
    print(paint(f"-- {text} ".ljust(WIDTH, "-"), "bold"))


def _labelled(label: str, text: str, colour: str = "dim") -> None:
    """A label, and beside it the text in as many lines as it takes."""
    lines = textwrap.wrap(text, COLUMN, break_on_hyphens=False) or [""]
    print(f"  {paint(label.ljust(INDENT - 2), colour)}{lines[0]}")
    for line in lines[1:]:
        print(" " * INDENT + line)


def _short(text: str) -> str:
    """The text in one line."""
    return textwrap.shorten(text, COLUMN, placeholder=" ...")


def _verified(name: str, report: Report) -> None:
    """What `toolguard verify` says about a file, in its words."""
    _labelled("$", f"toolguard verify {name}")
    if report.intact:
        _labelled("intact", f"{report.trusted} records; head {_short(report.head)}", "good")
    else:
        _labelled("NOT INTACT", str(report.finding), "bad")
