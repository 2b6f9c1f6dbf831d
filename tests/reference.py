"""The reference's own cases, run on our engine: for each, what it expected and what we said."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from conftest import agrees

from toolguard import Guard, PolicyError
from toolguard.classify.semantic import SAFE, Answer
from toolguard.engine.compile import compile_rule
from toolguard.engine.conditions import bindings_of
from toolguard.envelope import call_of
from toolguard.errors import Indeterminate
from toolguard.model import ToolCall, Verdict
from toolguard.policy.load import load_policies

HOME = Path(os.environ.get("TOOLGUARD_REFERENCE_CASES", Path(__file__).parents[2] / "shared" / "corpora" / "reference"))
WORDS = {"allowed": Verdict.ALLOW, "flagged": Verdict.FLAG, "escalated": Verdict.ESCALATE, "denied": Verdict.DENY}


@dataclass
class Case:
    """One case: what the reference said, what we said and why. `strictest` is the answer that stops most."""

    id: str
    expected: Any
    found: Any
    why: str
    strictest: Any = Verdict.DENY

    def strictness(self, answer):
        """Verdicts have an order of their own; of the others only one answer is the strict one."""
        return answer if isinstance(answer, Verdict) else answer == self.strictest


def rows(name):
    return [json.loads(line) for line in (HOME / f"{name}.jsonl").read_text().splitlines() if line.strip()]


def case(row):
    """Run one case."""
    return RUNNERS[row["kind"]](row)


def written(value):
    """A policy as its author wrote it: the recorder printed every empty field of the reference's structures as well."""
    if isinstance(value, dict):
        kept = {key: written(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ("", {}, None, "0001-01-01T00:00:00Z") or key == "value"}
    return [written(item) for item in value] if isinstance(value, list) else value


def policies_of(row):
    if "policy_yaml" in row:
        return row["policy_yaml"]
    if "policy_dir" in row:
        folder = row["policy_dir"].removeprefix("examples/")
        return [each["yaml"] for each in json.loads((HOME / "policies_examples.json").read_text())[folder]]
    return [written(policy) for policy in row["policies"]]


class Model:
    """Stands for the language model that the reference's cases were made with: it knows what those are about."""

    KNOWN = (
        "rifle",
        "deepfake",
        "Ghibli",
        "CSAM",
        "clone the voice",
        "John Lennon",
        "hurt",
        "firearm",
        "end their own life",
        "keylogger",
    )

    def classify(self, question):
        forbidden = any(word in question.text for word in self.KNOWN)
        return Answer(question.labels[0] if forbidden else SAFE, 0.9)


def verdict(row):
    """The reference's verdict on the call and ours, with unmatched tools and shadow policies as the reference has them."""
    expected = expected_verdict(row)
    unknown = row.get("flags", {}).get("unknown_tools_deny")
    try:
        guard = Guard(
            policies_of(row),
            ledger=":memory:",
            unmatched="deny" if unknown else "allow",
            enforce_shadow=row["mode"] == "enforcement",
            semantic=Model(),
        )
    except PolicyError as refused:
        return Case(row["id"], expected, Verdict.DENY, f"refused: {refused}")
    with guard:
        decision = guard.evaluate(**call_of(row["input"]))
        agrees(decision)
    return Case(row["id"], expected, decision.verdict, decision.reason)


def expected_verdict(row):
    return WORDS.get(row["expected"]["action_taken"], Verdict.ALLOW)  # allowed_shadow runs the tool


def condition(row):
    """Whether the condition fires a restricting rule on a flat map of the reference's fields."""
    conditions = row["args"]
    if "registry_yaml" in row:  # the classes of functions that the reference keeps in a file of its own
        registry = yaml.safe_load(row["registry_yaml"])
        conditions = {"sql_classify": conditions["sql_classify"] | {"functions": registry["functions"]}}
    text = {"policy_id": "p", "rules": [{"rule_id": "r", "effect": "deny", "conditions": conditions}]}
    try:
        (policy,) = load_policies(text)
    except PolicyError as refused:
        return Case(row["id"], row["expected"], True, f"refused: {refused}", strictest=True)
    rule = compile_rule(policy, policy.rules[0], bindings_of(policy))
    try:
        found, why = rule.test(call_from_flat(row["input"])), ""
    except Indeterminate as unknown:
        found, why = True, f"indeterminate: {unknown}"
    return Case(row["id"], row["expected"], found, why, strictest=True)


def call_from_flat(flat):
    identity = {"tool_name": "tool", "tool_group": "tool_group", "agent_id": "agent_id", "org_id": "org_id"}
    call = ToolCall("?", {}, context={})
    for key, value in flat.items():
        root, _, rest = key.partition(".")
        if key in identity:
            setattr(call, identity[key], value)
        elif root == "context":
            *steps, last = rest.split(".")
            place = call.context
            for step in steps:
                place = place.setdefault(step, {})
            place[last] = value
        else:
            call.params[rest if root == "parameters" else key] = value
    return call


def scope(row):
    """Whether a policy with this scope takes in the call: a deny that always fires shows it."""
    given = {"policy_id": "p", "scope": row["args"], "rules": [ALWAYS]}
    with Guard(given, ledger=":memory:", unmatched="allow") as guard:
        covered = guard.evaluate(**call_of(row["input"])).verdict == Verdict.DENY
    return Case(row["id"], row["expected"], covered, "", strictest=True)


def match_policies(row):
    """How many of these policies take in the call."""
    given = [written(policy) | {"rules": [ALWAYS]} for policy in row["policies"]]
    with Guard(given, ledger=":memory:", unmatched="allow", enforce_shadow=True) as guard:
        hits = guard.evaluate(**call_of(row["input"])).hits
    return Case(row["id"], row["expected"], len({hit.policy_id for hit in hits}), "", strictest=None)


def tool_known(row):
    """Whether an approved and enforced policy covers the tool."""
    given = [written(policy) | {"rules": [NEVER]} for policy in row["policies"]]
    with Guard(given, ledger=":memory:") as guard:
        decision = guard.evaluate(row["input"] or "?", {})
    return Case(row["id"], row["expected"], decision.verdict == Verdict.ALLOW, decision.reason, strictest=False)


def validate(row):
    """Whether the policy is valid."""
    try:
        load_policies(written(row["policy"]))
    except PolicyError as refused:
        return Case(row["id"], row["expected"]["valid"], False, str(refused), strictest=False)
    return Case(row["id"], row["expected"]["valid"], True, "", strictest=False)


def amount(row):
    """Whether a limit that the amount passes in the reference is passed here, and one it does not is not."""
    expected = row["expected"]
    limit = 10**18 if expected["error"] else float(expected["amount"])
    rule = {"rule_id": "r", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": limit}}
    with Guard({"policy_id": "p", "rules": [rule]}, ledger=":memory:") as guard:
        decision = guard.evaluate("t", {k: v for k, v in (row["input"] or {}).items() if k != "tool_name"})
    return Case(row["id"], Verdict.DENY if expected["error"] else Verdict.ALLOW, decision.verdict, decision.reason)


def hook(row):
    """Allow, ask or deny, as a coding agent's hook puts it."""
    words = {"allow": Verdict.ALLOW, "": Verdict.ALLOW, "ask": Verdict.ESCALATE, "deny": Verdict.DENY}
    unmatched = "deny" if row["args"].get("unknown_tools_deny") else "allow"
    with Guard([written(p) for p in row["policies"]], ledger=":memory:", unmatched=unmatched) as guard:
        decision = guard.evaluate(**call_of(row["input"]))
    return Case(row["id"], words[row["expected"]], decision.verdict, decision.reason)


ALWAYS = {"rule_id": "always", "effect": "deny", "conditions": {"field": "tool_name", "operator": "exists"}}
NEVER = {"rule_id": "never", "effect": "deny", "conditions": {"field": "tool_name", "operator": "exists", "value": False}}
RUNNERS = {
    "evaluate": verdict,
    "evaluate_suite": verdict,
    "condition": condition,
    "scope": scope,
    "match_policies": match_policies,
    "tool_known": tool_known,
    "validate": validate,
    "amount": amount,
    "hook_eval": hook,
}
