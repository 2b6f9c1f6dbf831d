"""Writes what the documentation repeats from the code: the operators' table in policies.md. `--check` only compares."""

import sys
from pathlib import Path

from toolguard.operators import OPERATORS

PAGE = Path(__file__).parent / "policies.md"
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


def main(argv: list[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = (f"| `{o.name}` | {OPERANDS[o.operand.__name__]} | {o.doc} |" for o in OPERATORS.values())
    made = head + BEGIN + "\n".join(rows) + "\n" + END + tail
    if "--check" in argv:
        return 0 if made == text else 1
    PAGE.write_text(made, encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(OPERATORS)} operators")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
