"""What is known of writes and of lists of words, and the reference's nodes over them."""

import pytest
from conftest import answer, cases
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, Verdict
from toolguard.classify import argv, write
from toolguard.model import ToolCall
from toolguard.policy.rewrite_paths import beginning

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("path", "file_path", "content", "x")), inner),
    max_leaves=8,
)


def agreed(facts, case):
    for name, expected in case["facts"].items():
        found = getattr(facts, name)
        assert (list(found) if type(found) is tuple else found) == expected, name


@pytest.mark.parametrize("case", cases("argv"), ids=lambda case: str(case["given"]))
def test_a_list_of_words(case):
    agreed(argv.classify(case["given"], case.get("cwd")), case)


@pytest.mark.parametrize("case", cases("write"), ids=lambda case: str(case["given"]))
def test_a_write(case):
    agreed(write.classify(case["given"], workspace="/work/repo"), case)


@given(st.dictionaries(st.sampled_from((*write.TARGETS, *write.CONTENTS, *write.PARTS)), VALUES))
def test_no_target_is_overlooked(params):
    facts = write.classify(params, workspace="/work/repo")
    named = {params[name] for name in write.TARGETS if type(params.get(name)) is str}
    assert facts.count is None or facts.count >= len(named)


@given(st.dictionaries(st.sampled_from((*write.TARGETS, *write.PARTS)), VALUES))
def test_one_target_outside_is_never_called_inside(params):
    assert write.classify({**params, "target_file": "/etc/hosts"}, workspace="/work/repo").inside is not True


@pytest.mark.parametrize(
    ("prefix", "below", "beside"),
    [
        ("/etc/cron.d/", ("/etc/cron.d", "/etc/cron.d/x"), ("/etc/cron.daily", "/etc/cronxd")),
        ("/home/*/.ssh", ("/home/a/.ssh", "/home/a/.ssh/id"), ("/home/.ssh", "/home/a/b/.ssh", "/home/a/.sshx")),
        (
            "/proc/**/environ",
            ("/proc/environ", "/proc/1/environ", "/proc/1/task/2/environ"),
            ("/proc/1/environs", "/x/environ"),
        ),
        ("/srv/*.key", ("/srv/a.key",), ("/srv/a/b.key", "/srv/a.keys")),
        ("/", ("/", "/a"), ()),
        ("policies/", ("/policies", "/a/b/policies/c"), ("/a/policies.yaml", "/xpolicies")),
        (r"\\server\share", ("/server/share/x",), ("/server/other",)),
    ],
)
def test_a_prefix_is_compared_part_by_part(prefix, below, beside):
    field = {"field": "parameters.p", "operator": "regex", "value": beginning((prefix,))}
    for path in below:
        assert answer(field, ToolCall("t", {"p": path})) is True
    for path in beside:
        assert answer(field, ToolCall("t", {"p": path})) is False


def test_a_link_out_of_what_is_allowed(tmp_path):
    (tmp_path / "ws").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "ws" / "evil").symlink_to(tmp_path / "out")
    here = str((tmp_path / "ws").resolve())
    policy = {"policy_id": "p", "scope": {"tool_names": ["write"]}, "rules": [
        {"rule_id": "r", "effect": "deny", "conditions": {"write_classify": {"require": {"allowed_path_prefixes": [here]}}}},
        {"rule_id": "s", "effect": "deny", "conditions": {"path_classify": {
            "field": "parameters.file_path", "require": {"allowed_canonical_prefixes": [here], "resolve_symlinks": True}}}},
    ]}  # fmt: skip
    with Guard(policy, ledger=":memory:") as guard:
        for name, verdict in (("notes.txt", Verdict.ALLOW), ("evil/exfil.txt", Verdict.DENY), ("../x", Verdict.DENY)):
            decision = guard.evaluate("write", {"file_path": f"{here}/{name}", "content": "x"})
            assert decision.verdict == verdict, decision.reason
