"""Writes what the documentation repeats from the code and from the test cases. `--check` only compares.

A page is made whole by a function, or keeps its own words around parts between `<!-- made: NAME -->` and `<!-- end -->`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

import yaml

from toolguard.classify.registry import CLASSIFIERS
from toolguard.classify.sensitive.classifier import KINDS
from toolguard.operators import OPERATORS
from toolguard.policy.advice import Check, Severity
from toolguard.policy.lint import CHECKS
from toolguard.policy.schema import descriptions, facts_described, schema

HERE = Path(__file__).parent
CASES = HERE.parent / "tests" / "cases"
WIDTH = 100  # characters of a condition on one line
OPERANDS = {
    "scalar": "text, number or boolean",
    "number_operand": "a number",
    "scalars": "a list of texts, numbers, booleans",
    "text_operand": "text",
    "pattern": "an RE2 pattern",
    "field_operand": "another field",
    "flag": "true (the default) or false",
}
MODELS = {
    "Policy": "A policy",
    "Scope": "`scope`",
    "Rule": "A rule",
    "EffectConfig": "`effect_config`",
    "Standing": "`standing`",
    "Citation": "`citation`",
    "Leaf": "A leaf",
    "All": "`and`",
    "AnyOf": "`or`",
    "Not": "`not`",
    "Limit": "An item of `limits`",
    "Threshold": "An item of `thresholds`",
    "Trip": "`halt` of a limit",
    "Earlier": "An item of `requires` or `forbids_after`",
    "Redaction": "An item of `redact`",
    "SourceDocument": "An item of `source_documents`",
    "HttpClassify": "The reference's node for URLs",
    "HttpNode": "`http_classify`",
    "HttpRequirements": "`require` of `http_classify`",
    "SqlClassify": "The reference's node for SQL",
    "SqlNode": "`sql_classify`",
    "SqlRequirements": "`require` of `sql_classify`",
    "PathClassify": "The reference's node for paths",
    "PathNode": "`path_classify`",
    "PathRequirements": "`require` of `path_classify`",
    "ShellClassify": "The reference's node for commands",
    "ShellNode": "`shell_classify`",
    "ShellRequirements": "`require` of `shell_classify`",
    "WriteClassify": "The reference's node for writes",
    "WriteNode": "`write_classify`",
    "WriteRequirements": "`require` of `write_classify`",
    "LlmClassify": "The reference's node for language models",
    "LlmNode": "`llm_classify`",
    "DeepEvaluation": "`deep_evaluation`",
}
LINT = """\
# What `toolguard lint` finds

`toolguard lint P...` reports everything that stops a policy from loading, and advice on what loads, as
`file:line:column: severity code: message`. An **error** keeps the policy from loading. A **warning** is most likely a mistake;
with `--strict` it counts as an error. A **note** is worth knowing. `--fix` corrects what is certain, `--format sarif` is for
code hosts, and `--tools module:registry` compares the policy with the tools of a program.

This page is written by `make docs` from the checks themselves; each example is one of their test cases.
"""


RECIPES = """\
# Recipes

Whole policies for common wishes, to copy and change. The tables say what each decides, call after call; this page is written by
`make docs` from test cases that run. [The policy language](policies.md) says what each key means, `toolguard lint` looks for
mistakes, `toolguard evaluate --policy P --call C.json` tries one out. Add a `citation:` to rules whose document you have: the
agent and the reviewer are told.
"""


def cases(name: str) -> list[dict]:
    """The rows of one case file of the tests."""
    return yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))


# -- the policy language -----------------------------------------------------------------------------------------------


def policies_page(text: str) -> str:
    """The page on the policy language with its tables and examples."""
    made = {
        "operators": "\n".join(_operators()),
        "keys": "\n".join(_keys()),
        **{kind: "\n".join(_examples_about(kind)) for kind in EXAMPLES_OF},
    }
    return _filled(text, made)


def _operators() -> Iterable[str]:
    for operator in OPERATORS.values():
        yield f"### `{operator.name}`\n\n{operator.doc} Its value: {OPERANDS[operator.operand.__name__]}.\n"
        yield from _examples(f"operator {operator.name}")


def _keys() -> Iterable[str]:
    definitions = {"Policy": schema(), **schema()["$defs"]}
    for model, title in MODELS.items():
        definition = definitions[model]
        yield f"### {title}\n\n| key | value | default | |\n|---|---|---|---|"
        for key, value in definition["properties"].items():
            default = "required" if key in definition.get("required", ()) else _default(value)
            yield f"| `{key}` | {_kind(value)} | {default} | {descriptions()[model][key]} |"
        yield ""
        shown = {about for abouts in EXAMPLES_OF.values() for about in abouts}
        keys = {f"key {model}.{key}" for key in definition["properties"]} - shown
        for example in cases("language"):
            if example["about"][0] in keys:
                yield from _example(example)


def _default(value: dict) -> str:
    default = value.get("default")
    return "" if default in (None, [], {}) or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _kind(value: dict) -> str:
    """What a key takes, in words."""
    if "enum" in value:
        return ", ".join(f"`{word}`" for word in value["enum"])
    if "anyOf" in value:
        return " or ".join(_kind(each) for each in value["anyOf"] if each.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {_kind(value['items'])}s"
    if "$ref" in value:
        return "mapping"
    if "oneOf" in value:
        return "an operator" if "const" in value["oneOf"][0] else "condition"
    kinds = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "mapping"}
    return kinds.get(value.get("type", ""), "see there")


EXAMPLES_OF = {
    "joins": ("key All.and", "key AnyOf.or", "key Not.not"),
    "fields": ("root parameters", "root context", "identity", "alias"),
    "facts": ("key Policy.facts",),
    "allow": ("allow rules",),
    "scope": ("key Policy.scope",),
    "limits": ("key Policy.limits",),
    "earlier": ("key Rule.requires", "key Policy.happened"),
    "results": ("key Rule.phase", "key Policy.patterns"),
    "shadow": ("key Policy.mode",),
    "skip": ("key Rule.on_indeterminate",),
}


def _examples_about(kind: str) -> Iterable[str]:
    for about in EXAMPLES_OF[kind]:
        yield from _examples(about)


def _examples(about: str) -> Iterable[str]:
    for example in cases("language"):
        first = example["about"][0]
        if first == about or (about == "identity" and first.startswith("identity ")):
            yield from _example(example)


def _example(example: dict) -> Iterable[str]:
    if "condition" in example:
        yield f"```text\n{_flow(example['condition'])}\n```\n"
        yield "| asked of | answer | |\n|---|---|---|"
        yield from (f"| {_call(call)} | {str(call['truth']).lower()} | {call.get('note', '')} |" for call in example["calls"])
    else:
        options = ", ".join(f"{key}={value!r}" for key, value in example.get("options", {}).items())
        policy = example["policy"]
        written = policy if isinstance(policy, str) else yaml.safe_dump(policy, sort_keys=False, width=110, allow_unicode=True)
        yield f"```yaml\n{written.rstrip()}\n```\n"
        if options:
            yield f"With `Guard(..., {options})`:\n"
        yield "| call | verdict | |\n|---|---|---|"
        yield from (f"| {_call(call)} | {call['verdict']} | {_note(call)} |" for call in example["calls"])
    yield ""


def _note(call: dict) -> str:
    returned = f"it returns `{_plain(call['returns'])}`" if "returns" in call else ""
    seen = (
        f"the caller gets `{_plain(call['seen'])}`" if "seen" in call else "which is withheld" if call.get("withheld") else ""
    )
    gets = f"the tool gets `{_plain(call['gets'])}`" if "gets" in call else ""
    return "; ".join(filter(None, (call.get("note", ""), gets, returned, seen)))


def _flow(condition: dict) -> str:
    text = yaml.safe_dump(condition, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True).strip()
    return text if len(text) < WIDTH else yaml.safe_dump(condition, sort_keys=False, width=110, allow_unicode=True).strip()


def _call(call: dict) -> str:
    """A call on one line: the tool if it is named, then whatever was given."""
    parts = [f"`{call['tool']}`"] if "tool" in call else []
    if "params" in call or not set(call) - {"truth", "verdict", "note", "tool"}:
        parts.append(f"`{json.dumps(call.get('params', {}), ensure_ascii=False)}`")
    given = ("group", "agent_id", "session_id", "org_id", "call_id", "context")
    parts += [f"{key} `{_plain(call[key])}`" for key in given if key in call]
    return " ".join(parts).replace("|", "\\|")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -- facts -------------------------------------------------------------------------------------------------------------


def url_page(text: str) -> str:
    """The page on the facts of a URL."""
    shown = ["| URL | known of it |", "|---|---|"]
    shown += [f"| `{_visible(case['url'])}` | {_known(case['facts'])} |" for case in cases("url")]
    return _filled(text, {"facts": _facts("url"), "examples": "\n".join(shown)})


def argv_page(text: str) -> str:
    """The page on the facts of a list of words."""
    return _filled(text, {"facts": _facts("argv"), "examples": _shown_of("argv")})


def write_page(text: str) -> str:
    """The page on the facts of a write."""
    return _filled(text, {"facts": _facts("write"), "examples": _shown_of("write")})


def _shown_of(name: str) -> str:
    shown = [f"| {name} | known of it |", "|---|---|"]
    for case in cases(name):
        note = f" ({case['note']})" if "note" in case else ""
        shown.append(f"| {_code(json.dumps(case['given']))} | {_known(case['facts'])}{note} |")
    return "\n".join(shown)


def adapters_page(text: str) -> str:
    """The page on adapters, with what the tests of each framework have proven."""
    proven = [json.loads(path.read_text()) for path in sorted((HERE / "proven").glob("*.json"))]
    shown = [f"| | {' | '.join(each['name'] for each in proven)} |", "|---" * (len(proven) + 1) + "|"]
    shown.append(f"| version | {' | '.join(each['version'] for each in proven)} |")
    common = [name for name in proven[0]["tests"] if all(name in each["tests"] for each in proven)]
    for name in common:
        marks = ["yes" if each["tests"][name] == "passed" else "-" for each in proven]
        shown.append(f"| {name.removeprefix('test_').replace('_', ' ')} | {' | '.join(marks)} |")
    return _filled(text, {"proven": "\n".join(shown)})


def path_page(text: str) -> str:
    """The page on the facts of a path."""
    shown = ["| path | known of it |", "|---|---|"]
    for case in cases("path"):
        note = f" ({case['note']})" if "note" in case else ""
        shown.append(f"| {_code(case['path'])} | {_known(case['facts'])}{note} |")
    return _filled(text, {"facts": _facts("path"), "examples": "\n".join(shown)})


def reversibility_page(text: str) -> str:
    """The page on what can be undone."""
    shown = ["| tool | given | |", "|---|---|---|"]
    for case in cases("reversibility"):
        params = f"`{json.dumps(case['params'])}`" if "params" in case else ""
        group = f", in the group `{case['group']}`" if "group" in case else ""
        group += f", annotated `{json.dumps(case['annotations'])}`" if "annotations" in case else ""
        note = f" ({case['note']})" if "note" in case else ""
        shown.append(f"| `{case['tool']}`{group} | {params.replace('|', chr(92) + '|')} | {case['grade']}{note} |")
    return _filled(text, {"examples": "\n".join(shown)})


def shell_page(text: str) -> str:
    """The page on the facts of a shell command."""
    shown = ["| command | known of it |", "|---|---|"]
    for case in cases("shell"):
        note = f" ({case['note']})" if "note" in case else ""
        shown.append(f"| {_code(case['command'])} | {_known(case['facts'])}{note} |")
    return _filled(text, {"facts": _facts("shell"), "examples": "\n".join(shown)})


def sensitive_page(text: str) -> str:
    """The page on secrets and personal data: every kind, with a value of it."""
    found = cases("sensitive")["found"]
    shown = ["| kind | | sure | for instance |", "|---|---|---|---|"]
    for kind in KINDS.values():
        sure = "yes" if kind.certain else "no"
        shown.append(f"| `{kind.name}` | {kind.doc} | {sure} | {_code(_cut(found[kind.name][0]))} |")
    alike = ", ".join(_code(_cut(text)) for text in cases("sensitive")["none"][:24])
    return _filled(text, {"facts": _facts("sensitive"), "kinds": "\n".join(shown), "none": alike})


def _cut(text: str) -> str:
    """Short enough that nobody's scanner takes it for a real one."""
    bare = text.replace("¦", "")
    return bare if len(bare) <= WIDTH // 4 and bare == text else f"{bare[: WIDTH // 4]}..."


def semantic_page(text: str) -> str:
    """The page on what a language model says of a text."""
    settings = [f"| `{each.name}` | {each.doc} |" for each in CLASSIFIERS["semantic"].settings]
    return _filled(
        text,
        {
            "facts": _facts("semantic"),
            "settings": "\n".join(["| setting | |", "|---|---|", *settings]),
            "example": "\n".join(_examples("classifier semantic")),
        },
    )


def sql_page(text: str) -> str:
    """The page on the facts of a SQL text."""
    shown = ["| dialect | SQL | known of it |", "|---|---|---|"]
    for case in cases("sql"):
        note = f" ({case['note']})" if "note" in case else ""
        shown.append(f"| {case['dialect'] or 'none'} | {_code(case['sql'])} | {_known(case['facts'])}{note} |")
    return _filled(text, {"facts": _facts("sql"), "examples": "\n".join(shown)})


def _facts(name: str) -> str:
    classifier = CLASSIFIERS[name]
    described = facts_described(classifier.facts)
    kinds = {"bool": "true or false", "str": "text", "int": "number", "float": "number", "tuple[str, ...]": "list of texts"}
    known = (each for each in fields(classifier.facts) if each.name in classifier.fact_names)
    table = (
        (each.name, kinds[str(each.type).removesuffix(" | None")], " ".join(described[each.name].split())) for each in known
    )
    return "\n".join(
        ["| fact | value | |", "|---|---|---|", *(f"| `{name}` | {kind} | {text} |" for name, kind, text in table)]
    )


def _known(facts: dict) -> str:
    return ", ".join(f"`{name}` {_plain(value)}" for name, value in facts.items())


def _code(text: str) -> str:
    """As code in a table, whatever backquotes are in it."""
    shown = _visible(text)
    if not shown:
        return "(nothing)"
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text).replace("|", "\\|")


# -- the linter --------------------------------------------------------------------------------------------------------


def lint_page(_: str) -> str:
    """The page on the linter, with the first case of each check as its example."""
    examples: dict[str, dict] = {}
    for case in cases("lint"):
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
    policies = case["policies"] if "policies" in case else [case["policy"]]
    blocks = "\nand\n\n".join(f"```{language}\n{text}```\n" for text in policies)
    lines = f"### {check.code}\n\n{check.doc}\n\nInstead: {check.remedy}.\n\n{blocks}"
    if case.get("tools"):
        tools = ", ".join(f"`{name}({', '.join(parameters)})`" for name, parameters in case["tools"].items())
        lines += f"\nwith the tools {tools}.\n"
    return lines


# -- pages -------------------------------------------------------------------------------------------------------------


def schema_page(_: str) -> str:
    """The JSON Schema, for editors."""
    return json.dumps(schema(), indent=2) + "\n"


def _filled(text: str, made: dict[str, str]) -> str:
    """The page with each marked part made anew."""
    for name, part in made.items():
        mark = re.compile(rf"(<!-- made: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, found = mark.subn(lambda match, part=part: f"{match[1]}\n{part.strip()}\n\n{match[2]}", text)
        if found != 1:
            raise SystemExit(f"the page has {found} parts called {name}")
    return text


def recipes_page(_: str) -> str:
    """Whole policies for common wishes, each with what it decides."""
    parts = [RECIPES]
    for recipe in cases("recipes"):
        parts += [f"## {recipe['title']}\n", recipe["text"], *_example(recipe)]
    return "\n".join(parts).rstrip() + "\n"


PAGES: dict[str, Callable[[str], str]] = {
    "policies.md": policies_page,
    "adapters.md": adapters_page,
    "facts/argv.md": argv_page,
    "facts/path.md": path_page,
    "facts/write.md": write_page,
    "facts/reversibility.md": reversibility_page,
    "facts/shell.md": shell_page,
    "facts/semantic.md": semantic_page,
    "facts/sensitive.md": sensitive_page,
    "facts/sql.md": sql_page,
    "facts/url.md": url_page,
    "lint.md": lint_page,
    "recipes.md": recipes_page,
    "policy.schema.json": schema_page,
}


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
