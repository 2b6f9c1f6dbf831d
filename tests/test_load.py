import pytest
from conftest import cases, leaf, policy, rule
from hypothesis import example, given
from hypothesis import strategies as st
from strategies import RULES, numbered

from toolguard import Guard, PolicyError
from toolguard.engine.compile import PolicySet
from toolguard.model import ToolCall
from toolguard.policy.document import Policy
from toolguard.policy.load import MAX_BYTES, dump_policy, load_policies, pack_path

GOOD = """\
policy_id: pol-refund-cap
name: refund-cap
description: Caps refunds.
version: 1
status: approved
mode: enforcement
scope: {tool_names: [issue_refund], tool_groups: [monetary_outflow]}
rules:
  - rule_id: rule-amount-cap
    name: Single refund amount limit
    rule_type: threshold
    conditions: {field: amount, operator: gt, value: 500}
    effect: deny
    effect_config: {severity: high, suggested_response: "Ask a supervisor."}
    citation: {document_id: doc-refund-sop, section: "2.3", excerpt: "Refunds over $500 ..."}
"""


@pytest.mark.parametrize("case", cases("bad_policies"), ids=lambda c: c["name"])
def test_a_bad_policy_is_refused_with_its_place(case):
    with pytest.raises(PolicyError) as refused:
        load_policies(case["text"] if "\n" in case["text"] else case["text"] + "\n")
    found = {(f"{p.line or 0}:{p.column or 0}", p.message) for p in refused.value.problems}
    assert any(at == case["at"] and case["says"] in message for at, message in found), found


def test_every_problem_is_told_at_once():
    with pytest.raises(PolicyError) as refused:
        load_policies("policy_id: 5\nbogus: 1\nrules:\n - {rule_id: r, effect: dny, conditions: {field: a, operator: gtt}}\n")
    assert len(refused.value.problems) == 4


def test_a_good_policy_from_text_file_folder_and_object(tmp_path):
    (from_text,) = load_policies(GOOD)
    file = tmp_path / "deep" / "refund.yaml"
    file.parent.mkdir()
    file.write_text(GOOD)
    (tmp_path / ".hidden.yaml").write_text("not a policy")
    (tmp_path / "notes.txt").write_text("not a policy")
    as_object = from_text.canonical()
    assert (from_text,) == load_policies(file) == load_policies(str(file)) == load_policies(tmp_path)
    assert (from_text,) == load_policies(from_text) == load_policies([as_object])


def test_scalars_follow_yaml_1_2(tmp_path):
    values = ["NO", "on", "yes", "12:30:00", "2026-01-01", "1e3", "0x1F", "0o17", "1_000", "true", "-7", ".5"]
    text = "policy_id: p\nrules:\n" + "".join(
        f"- {{rule_id: r{i}, effect: deny, conditions: {{field: a, operator: eq, value: {value}}}}}\n"
        for i, value in enumerate(values)
    )
    (loaded,) = load_policies(text)
    read = [rule.conditions.value for rule in loaded.rules]
    assert read == ["NO", "on", "yes", "12:30:00", "2026-01-01", 1000.0, 31, 15, "1_000", True, -7, 0.5]
    assert [type(value) for value in read[5:]] == [float, int, int, str, bool, int, float]


FILES = {
    "missing": (None, "no such file"),
    "empty": (b"", "the document is empty"),
    "not UTF-8": (b"policy_id: \xff\n", "is not UTF-8"),
    "10 MB": (b"# " + b"x" * 10_000_000, f"larger than {MAX_BYTES}"),
    "not text at all": (bytes(range(256)) * 10, "is not UTF-8"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_policy(tmp_path, name):
    content, says = FILES[name]
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PolicyError, match=says) as refused:
        load_policies(path)
    assert len(refused.value.problems) == 1
    assert str(path) in str(refused.value)


def test_an_empty_folder_and_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(PolicyError, match=r"holds no `\.yaml`"):
        load_policies(tmp_path)
    (tmp_path / "trap.yaml").mkdir()
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policies(tmp_path)


BOMBS = {
    "billion laughs": "a: &a [x, x]\n"
    + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "deep flow": "[" * 100_000 + "\n",
    "deep block": "".join("  " * i + "a:\n" for i in range(400)),
    "many keys": "".join(f"k{i}: 1\n" for i in range(200_000))[: MAX_BYTES - 1] + "\n",
    "long number": "policy_id: " + "9" * 100_000 + "\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name):
    with pytest.raises(PolicyError):
        load_policies(BOMBS[name])


def test_objects_that_are_no_policies():
    endless = {"policy_id": "p"}
    endless["rules"] = [endless]
    for bad in (5, "", "\0", "x" * 300, b"policy_id: p\n", [5], {"policy_id": "p", "rules": [object()]}, endless, {5: 6}):
        with pytest.raises(PolicyError):
            load_policies(bad)


def test_conditions_are_bounded():
    def nested(depth):
        conditions = leaf("a", "exists")
        for _ in range(depth):
            conditions = {"not": conditions}
        return {"policy_id": "p", "rules": [rule(conditions)]}

    assert load_policies(nested(64))
    with pytest.raises(PolicyError, match="deeper than 64"):
        load_policies(nested(65))
    with pytest.raises(PolicyError, match="deeper than 64"):
        load_policies(nested(5_000))


def test_all_or_nothing_and_both_places_of_a_duplicate(tmp_path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD)
    with pytest.raises(PolicyError, match="used twice") as refused:
        load_policies(tmp_path)
    assert "a.yaml" in str(refused.value)
    assert "b.yaml" in str(refused.value)
    (tmp_path / "b.yaml").write_text("policy_id: q\nbogus: 1\n")
    with pytest.raises(PolicyError):
        Guard(tmp_path, ledger=tmp_path / "l.db")
    assert not (tmp_path / "l.db").exists()


def test_packs_load_by_name():
    for path in pack_path("payments").parent.glob("*.yaml"):
        (pack,) = load_policies(pack_path(path.stem))
        assert pack.status == "approved"
        assert all(rule.citation and rule.citation.excerpt for rule in pack.rules), path.name
    with pytest.raises(PolicyError, match=r"unknown pack `payment`; did you mean `payments`"):
        pack_path("payment")


def test_loading_its_own_dump_gives_the_same_policy():
    (loaded,) = load_policies(GOOD)
    assert Policy.model_validate(loaded.canonical()) == loaded
    assert PolicySet([loaded]).revision == PolicySet(load_policies(loaded.canonical())).revision


def test_the_revision_covers_what_decides():
    base = policy([rule(leaf("amount", "gt", 500))])
    other = policy([rule(leaf("amount", "gt", 501))])
    draft = policy([rule(leaf("amount", "gt", 1))], "draft", status="draft")
    assert PolicySet([base]).revision == PolicySet([base, draft]).revision
    assert PolicySet([base]).revision != PolicySet([other]).revision


def test_ten_thousand_policies_do_not_make_one_tool_slower_to_find():
    policies = [policy([rule(leaf("amount", "gt", 5))], f"p{i}", scope={"tool_names": [f"tool_{i}"]}) for i in range(10_000)]
    plan = PolicySet(policies).plan_for(ToolCall("TOOL_77", {}))
    assert [r.hit.policy_id for r in plan.rules] == ["p77"]


WORDS = ["1e3", "0o17", "NO", "~", "null", "Null", "true", "1.", ".5", "0x1F"]
AWKWARD = st.one_of(
    st.sampled_from([*WORDS, "- a", "# x", "a: b", "a\nb\n", " a ", "\xe9\u2028x"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
NAMES = AWKWARD.filter(lambda text: text.isprintable() and text == text.strip() and not set(text) & set("*?"))


@given(
    st.lists(RULES, min_size=1, max_size=4),
    st.fixed_dictionaries(
        {},
        optional={
            "name": AWKWARD,
            "description": AWKWARD,
            "priority": st.integers(0, 1000),
            "mode": st.sampled_from(["shadow", "enforcement"]),
            "scope": st.fixed_dictionaries({}, optional={"tool_names": st.lists(NAMES), "intentionally_global": st.booleans()}),
            "facts": st.just({"target": {"url": "parameters.url", "method": "parameters.method"}}),
            "compliance": st.dictionaries(NAMES, st.lists(NAMES)),
            "created_at": AWKWARD,
        },
    ),
    AWKWARD,
)
@example([{"conditions": {"field": "a", "operator": "exists"}, "effect": "deny"}], {"name": "a\u2028b"}, "\x85")
def test_what_is_written_loads_as_the_same_policy(rules, keys, excerpt):
    citation = {"excerpt": excerpt, "page": 3}
    made = policy([each | {"citation": citation} for each in numbered(rules)], **keys)
    assert load_policies(dump_policy(made)) == (made,)
    assert PolicySet([made]).revision == PolicySet(load_policies(dump_policy(made))).revision
