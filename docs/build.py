"""Writes what the documentation repeats from the code. `--check` only compares."""

import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from toolguard.operators import OPERATORS
from toolguard.policy.advice import Check, Severity
from toolguard.policy.lint import CHECKS

HERE = Path(__file__).parent
CASES = HERE.parent / "tests" / "cases" / "lint.yaml"
BEGIN, END = "| operator | value | true when the field is |\n|---|---|---|\n", "\nWhat is not of the right kind"
OPERANDS = {
    "scalar": "text, number or boolean",
    "number_operand": "number",
    "scalars": "list",
    "text_operand": "text",
    "pattern": "RE2 pattern",
    "field_operand": "a field",
    "flag": "true or false",
}
LINT = """\
# What `toolguard lint` finds

`toolguard lint P...` reports everything that stops a policy from loading, and advice on what loads, as
`file:line:column: severity code: message`. An **error** keeps the policy from loading. A **warning** is most likely a mistake;
with `--strict` it counts as an error. A **note** is worth knowing. `--fix` corrects what is certain, `--format sarif` is for
code hosts, and `--tools module:registry` compares the policy with the tools of a program.

This page is written by `make docs` from the checks themselves; each example is one of their test cases.
"""


def operators_table(text: str) -> str:
    """The page on the policy language, with the operators there are."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = (f"| `{o.name}` | {OPERANDS[o.operand.__name__]} | {o.doc} |" for o in OPERATORS.values())
    return head + BEGIN + "\n".join(rows) + "\n" + END + tail


def lint_page(_: str) -> str:
    """The page on the linter, with the first case of each check as its example."""
    examples: dict[str, dict] = {}
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        if case["finds"]:
            examples.setdefault(case["code"], case)
    parts = [LINT]
    for severity in Severity:
        parts.append(f"## {severity.capitalize()}s\n")
        parts += [section(check, examples[code]) for code, check in CHECKS.items() if check.severity == severity]
    return "\n".join(parts)


def section(check: Check, case: dict) -> str:
    """What one check means, what to do, and an example. What does not load is shown as plain text."""
    language = "text" if check.severity == Severity.ERROR else "yaml"
    blocks = "\nand\n\n".join(f"```{language}\n{text}```\n" for text in texts(case))
    lines = f"### {check.code}\n\n{check.doc}\n\nInstead: {check.remedy}.\n\n{blocks}"
    if case.get("tools"):
        tools = ", ".join(f"`{name}({', '.join(parameters)})`" for name, parameters in case["tools"].items())
        lines += f"\nwith the tools {tools}.\n"
    return lines


def texts(case: dict) -> list[str]:
    """The policies of a case."""
    return case["policies"] if "policies" in case else [case["policy"]]


PAGES: dict[str, Callable[[str], str]] = {"policies.md": operators_table, "lint.md": lint_page}


def main(argv: list[str]) -> int:
    outdated = []
    for name, make in PAGES.items():
        page = HERE / name
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        made = make(text)
        if made != text:
            outdated.append(name)
            if "--check" not in argv:
                page.write_text(made, encoding="utf-8")
                print(f"wrote {name}")
    return 1 if outdated and "--check" in argv else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
