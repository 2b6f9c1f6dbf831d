"""Random policies and calls over a small vocabulary, so that rules really meet calls."""

from conftest import leaf
from hypothesis import strategies as st

from toolguard.model import ToolCall

FIELDS = st.sampled_from(
    [
        "amount",
        "parameters.tier",
        "parameters.order.total",
        "parameters.items[*].n",
        "parameters.items[all].n",
        "context.env",
        "agent_id",
    ]
)
SCALARS = st.one_of(
    st.integers(-10, 10),
    st.sampled_from([0.5, "gold", "silver", "5", "x y", "", True, False, None]),
    st.floats(-10, 10, allow_nan=False),
)
LEAVES = st.one_of(
    st.builds(leaf, FIELDS, st.sampled_from(["gt", "gte", "lt", "lte"]), st.integers(-10, 10)),
    st.builds(leaf, FIELDS, st.sampled_from(["eq", "neq"]), st.sampled_from([5, "gold", True, 0.5])),
    st.builds(leaf, FIELDS, st.sampled_from(["in", "not_in"]), st.just(["gold", 5, "env"])),
    st.builds(
        leaf,
        FIELDS,
        st.sampled_from(["contains", "not_contains", "starts_with", "regex"]),
        st.just("g"),
    ),
    st.builds(lambda f, g: leaf(f, "gt_field", g), FIELDS, st.sampled_from(["amount", "parameters.order.total"])),
    st.builds(lambda f, v: leaf(f, "exists", v), FIELDS, st.booleans()),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda c: {"and": c}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda c: {"or": c}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda c: {"not": c}, inner),
    ),
    max_leaves=6,
)
EFFECTS = st.sampled_from(["allow", "flag", "escalate", "deny"])
RESTRICTING = st.sampled_from(["flag", "escalate", "deny"])
RULES = st.builds(lambda c, e: {"conditions": c, "effect": e}, CONDITIONS, EFFECTS)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "amount": SCALARS,
        "tier": SCALARS,
        "order": st.one_of(SCALARS, st.fixed_dictionaries({}, optional={"total": SCALARS})),
        "items": st.lists(st.one_of(SCALARS, st.fixed_dictionaries({}, optional={"n": SCALARS})), max_size=3),
    },
)
CALLS = st.builds(
    lambda params, env, agent: ToolCall("t", params, agent_id=agent, context={} if env is None else {"env": env}),
    PARAMS,
    st.sampled_from([None, "gold", 5]),
    st.sampled_from([None, "gold"]),
)


def numbered(rules):
    """Rules with ids of their own."""
    return [{**rule, "rule_id": f"r{i}"} for i, rule in enumerate(rules)]
