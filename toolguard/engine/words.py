"""What classifiers say of a call, in plain words, for a person who has to decide about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolguard.engine.facts import facts_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolguard.engine.compile import PolicySet
    from toolguard.model import ToolCall


def in_words(policies: PolicySet, call: ToolCall) -> Iterator[str]:
    """One line for everything that the classifiers of the policies which cover the call find worth saying."""
    said: set[str] = set()
    for rule in policies.plan_for(call).rules:
        for binding in rule.source[1].values():
            for facts in facts_at(binding, call):
                for words in binding.classifier.in_words(facts):
                    line = f"{binding.subject.text}: {words}"
                    if line not in said:
                        said.add(line)
                        yield line
