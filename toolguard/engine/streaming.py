"""Rules over results made ready for a text that arrives in pieces, where they can be told from what was found in it so far.

That is where a rule asks that something be found, and nothing that only the end of the text can tell. The others have to wait
for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from toolguard.classify.sensitive import CATEGORIES, chosen
from toolguard.engine.conditions import condition, leaf_fields
from toolguard.logic import all_of, any_of
from toolguard.model import Verdict
from toolguard.patterns import literal
from toolguard.policy.condition import All, AnyOf, Leaf, Not, parts
from toolguard.policy.fields import RESULT
from toolguard.spans import Finder, Scanner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolguard.classify.sensitive.kinds import Kind
    from toolguard.engine.compile import CompiledRule
    from toolguard.engine.conditions import Bindings
    from toolguard.logic import Test
    from toolguard.model import Obligation
    from toolguard.policy.condition import Condition


@dataclass(frozen=True, slots=True, eq=False)
class StreamRule:
    """One rule. `test` asks it of a call whose `answers` hold the names of what was found; `removes` is what it removes."""

    rule: CompiledRule
    test: Test
    removes: Mapping[str, Obligation]


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlan:
    """All rules over one stream. `kinds` says of each finder's name what it finds; `certain` are those of rules that deny.

    `waiting` are the rules that only the whole can be asked.
    """

    rules: tuple[StreamRule, ...]
    waiting: tuple[CompiledRule, ...]
    scanner: Scanner
    kinds: Mapping[str, str]
    certain: frozenset[str]


@lru_cache(maxsize=256)
def plan_stream(rules: tuple[CompiledRule, ...]) -> StreamPlan:
    """Part the rules into those that can be asked as the text arrives, and those that cannot."""
    finders = _Finders()
    ready: list[StreamRule] = []
    waiting: list[CompiledRule] = []
    certain: set[str] = set()
    for rule in rules:
        found = _ready(rule, finders)
        if found is None:
            waiting.append(rule)
            continue
        ready.append(found[0])
        if rule.hit.effect == Verdict.DENY and rule.hit.mode == "enforcement":
            certain |= found[1]
    try:
        scanner = Scanner(finders.all)
        scanner.begins("", 0)
    except ValueError:  # together they are too large for one look
        return StreamPlan((), (*waiting, *(each.rule for each in ready)), Scanner(()), {}, frozenset())
    return StreamPlan(tuple(ready), tuple(waiting), scanner, finders.kinds, frozenset(certain))


class _Finders:
    """What is looked for, each thing once."""

    def __init__(self) -> None:
        self.all: list[Finder] = []
        self.kinds: dict[str, str] = {}
        self._names: dict[tuple[str, str], str] = {}

    def name_of(self, kind: Kind) -> str:
        key = kind.name, kind.pattern
        if key not in self._names:
            name = self._names[key] = str(len(self.all))
            self.all.append(replace(kind.finder, name=name))
            self.kinds[name] = kind.name
        return self._names[key]

    def of_pattern(self, pattern: str) -> str | None:
        """The name of a finder of a pattern; None where it is found in every text."""
        finder = Finder(str(len(self.all)), pattern)
        if finder.begun is None or finder.begun.least == 0:
            return None
        key = "", pattern
        if key not in self._names:
            self._names[key] = finder.name
            self.all.append(finder)
            self.kinds[finder.name] = ""
        return self._names[key]


def _ready(rule: CompiledRule, finders: _Finders) -> tuple[StreamRule, set[str]] | None:
    """The rule, and what it may find; None where it has to wait."""
    written, facts = rule.source
    if rule.asks or (rule.hit.effect == Verdict.ESCALATE and rule.hit.mode == "enforcement"):
        return None  # whoever decides has to see all of it
    names: set[str] = set()
    test = _test(written.conditions, facts, finders, names)
    if test is None:
        return None
    removes: dict[str, Obligation] = {}
    for each in rule.hit.redact or ():
        if each.kinds is None or each.target != RESULT:
            return None
        own = {finders.name_of(kind) for kind in chosen(each.kinds, each.own)}
        if own != names or not _fires_on_any(written.conditions, facts):
            return None  # something may have gone by before the rule fires
        removes |= dict.fromkeys(own, each)
    return StreamRule(rule, test, removes), names


def _test(node: Condition, facts: Bindings, finders: _Finders, names: set[str]) -> Test | None:
    if not _asks_of_result(node, facts):
        return condition(node, facts)
    if isinstance(node, All | AnyOf):
        members = [_test(each, facts, finders, names) for each in (node.and_ if isinstance(node, All) else node.or_)]
        known = [each for each in members if each is not None]
        return None if len(known) < len(members) else (all_of if isinstance(node, All) else any_of)(known)
    if not isinstance(node, Leaf):
        return None  # that something is not there is known in the end
    wanted = _wanted(node, facts, finders)
    if wanted is None:
        return None
    names |= wanted
    return lambda call: not wanted.isdisjoint(call.answers)


def _wanted(leaf: Leaf, facts: Bindings, finders: _Finders) -> frozenset[str] | None:
    """The names of the finders of which one has to find something for the leaf to hold; None where there is no such thing."""
    field, *other = leaf_fields(leaf, facts)
    if other:
        return None
    if field.root == RESULT and not field.steps and leaf.operator in ("regex", "contains"):
        name = finders.of_pattern(leaf.value if leaf.operator == "regex" else literal(leaf.value))
        return None if name is None else frozenset((name,))
    binding = facts.get(field.root)
    if binding is None or binding.classifier.name != "sensitive" or binding.subject.root != RESULT or binding.subject.steps:
        return None
    given = binding.settings.get("kinds", "")
    if not isinstance(given, str):
        return None
    kinds = chosen(given, binding.settings.get("own", ()))
    fact = str(field.steps[0])
    if leaf.operator == "contains" and fact == "kinds":
        kinds = tuple(kind for kind in kinds if leaf.value in kind.name)
    elif leaf.operator != "eq" or leaf.value is not True or len(field.steps) > 1:
        return None
    elif fact in CATEGORIES:
        kinds = tuple(kind for kind in kinds if kind.category == CATEGORIES[fact])
    elif fact == "certain":
        kinds = tuple(kind for kind in kinds if kind.certain)
    elif fact != "found":
        return None
    if any(kind.finder.begun is None for kind in kinds):
        return None
    return frozenset(map(finders.name_of, kinds))


def _asks_of_result(node: Condition, facts: Bindings) -> bool:
    fields = [field for _, part in parts(node) if isinstance(part, Leaf) for field in leaf_fields(part, facts)]
    return any(field.root == RESULT or (field.root in facts and facts[field.root].subject.root == RESULT) for field in fields)


def _fires_on_any(node: Condition, facts: Bindings) -> bool:
    """Whether, as far as the result goes, the rule fires as soon as anything is found: below `and` there is one question."""
    if isinstance(node, Leaf):
        return True
    if isinstance(node, All):
        asking = [each for each in node.and_ if _asks_of_result(each, facts)]
        return len(asking) == 1 and _fires_on_any(asking[0], facts)
    return isinstance(node, Not) and not _asks_of_result(node, facts)
