"""What the linter concludes about conditions holds on every call that the engine judges."""

from conftest import answer, leaf, policy, rule
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CALLS, CONDITIONS, LEAVES

from toolguard.model import ToolCall
from toolguard.policy.reasoning import implies, never_true, node_of

NUMBERS = st.sampled_from([-1, 0, 0.5, 5, "5", 6])
TEXTS = st.sampled_from(["g", "go", "gold", "5"])
FIELDS = st.sampled_from(["amount", "parameters.tier", "parameters.items[*].n", "parameters.items[all].n", "tool_name"])


def leaves(field):
    """Leaves over one field and a few values, so that they have something to do with each other."""
    made = st.one_of(
        st.builds(leaf, st.just(field), st.sampled_from(["gt", "gte", "lt", "lte"]), NUMBERS),
        st.builds(leaf, st.just(field), st.sampled_from(["eq", "neq"]), st.one_of(NUMBERS, TEXTS, st.booleans())),
        st.builds(leaf, st.just(field), st.sampled_from(["in", "not_in"]), st.lists(st.one_of(NUMBERS, TEXTS), min_size=1)),
        st.builds(leaf, st.just(field), st.sampled_from(["contains", "not_contains", "starts_with", "ends_with"]), TEXTS),
    )
    return st.one_of(made, st.builds(lambda one: {"not": one}, made))


PAIRS = FIELDS.flatmap(lambda field: st.tuples(leaves(field), leaves(field)))
JOINED = PAIRS.flatmap(lambda pair: st.sampled_from([pair, ({"and": list(pair)}, pair[1]), (pair[0], {"or": list(pair)})]))
VALUES = st.one_of(NUMBERS, TEXTS, st.booleans(), st.none(), st.just([]), st.lists(TEXTS, max_size=2))
ABOUT = st.builds(
    lambda amount, tier, items: ToolCall("gold", {"amount": amount, "tier": tier, "items": [{"n": n} for n in items]}),
    VALUES,
    VALUES,
    st.lists(VALUES, max_size=2),
)
ANY_CALLS = st.lists(st.one_of(ABOUT, CALLS), min_size=5, max_size=20)


def node(conditions):
    (only,) = policy([rule(conditions)]).rules
    return node_of(only.conditions, policy([rule(conditions)]))


@given(st.one_of(PAIRS, JOINED, st.tuples(CONDITIONS, CONDITIONS)), ANY_CALLS)
@settings(max_examples=500)
def test_what_is_implied_fires_wherever_the_other_does(pair, calls):
    narrow, wide = pair
    if not implies(node(narrow), node(wide)):
        return
    for call in calls:
        asked = answer(narrow, call)
        if asked is not False:
            assert answer(wide, call) in ({True} if asked is True else {True, "unknown"})


@given(st.one_of(PAIRS.map(lambda pair: {"and": list(pair)}), CONDITIONS), ANY_CALLS)
@settings(max_examples=500)
def test_what_is_never_true_is_never_true(conditions, calls):
    if never_true(node(conditions)):
        assert True not in [answer(conditions, call) for call in calls]


@given(st.one_of(LEAVES, CONDITIONS))
def test_every_condition_implies_itself_and_its_double_negation(conditions):
    assert implies(node(conditions), node({"not": {"not": conditions}}))
    assert implies(node({"and": [conditions, leaf("b", "exists")]}), node(conditions))
    assert implies(node(conditions), node({"or": [leaf("b", "exists"), conditions]}))
    assert never_true(node({"and": [leaf("b", "exists"), {"not": leaf("parameters.b", "exists", True)}]}))


NARROW_TO_WIDE = [
    (leaf("a", "gt", 5), leaf("a", "gte", "5.0")),
    (leaf("a", "eq", 5), leaf("a", "lte", 5)),
    ({"not": leaf("a", "gt", 5)}, leaf("a", "lt", 6)),
    (leaf("a", "starts_with", "/etc/x"), leaf("a", "starts_with", "/etc/")),
    ({"not": leaf("a", "ends_with", ".md")}, {"not": leaf("a", "ends_with", "x.md")}),
    (leaf("a", "not_in", ["x", "y"]), leaf("a", "not_in", ["x"])),
    (leaf("a", "not_contains", "x"), leaf("a", "not_contains", "xy")),
    (leaf("parameters.a[*]", "gt", 5), leaf("parameters.a[*]", "gt", 4)),
    (leaf("tool_name", "eq", "Send"), leaf("tool_name", "in", ["send", "post"])),
]


def test_narrower_and_wider():
    for narrow, wide in NARROW_TO_WIDE:
        assert implies(node(narrow), node(wide)), (narrow, wide)
        assert not implies(node(wide), node(narrow)), (wide, narrow)
