"""The policies of docs/recipes.md decide as the page says, and the linter has nothing against them but what it notes."""

import pytest
from conftest import cases

from toolguard import Guard
from toolguard.model import Outcome
from toolguard.policy.advice import Severity
from toolguard.policy.lint import lint

RECIPES = cases("recipes")
NOT_THE_POINT = {
    "rule-missing-citation",
    "scope-no-tool-group",
    "shadow-only",
}  # what a real policy has and a recipe may leave out


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe["title"] for recipe in RECIPES])
def test_a_recipe(recipe):
    with Guard(recipe["policy"], ledger=":memory:", **recipe.get("options", {})) as guard:
        for call in recipe["calls"]:
            given = {key: value for key, value in call.items() if key not in ("verdict", "note", "returns")}
            decision = guard.evaluate(**given)
            assert decision.verdict.word == call["verdict"], decision.reason
            if decision.allowed:
                guard.settle(decision, Outcome("returned", 5, call.get("returns")))


@pytest.mark.parametrize("recipe", RECIPES, ids=[recipe["title"] for recipe in RECIPES])
def test_a_recipe_is_clean(recipe):
    found = [each for each in lint(recipe["policy"]).findings if each.severity != Severity.NOTE]
    assert {each.code for each in found} <= NOT_THE_POINT, found
