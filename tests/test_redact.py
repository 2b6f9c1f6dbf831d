"""Obligations: what is removed, in which way, and that what cannot be removed is not let through."""

import dataclasses
import enum
from decimal import Decimal
from pathlib import Path

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, PolicyError, ToolDenied, guarded
from toolguard.adapters.gate import Gate
from toolguard.adapters.loop import Tools
from toolguard.classify.sensitive.classifier import classify
from toolguard.model import Obligation
from toolguard.redact import CannotRedact, as_redacted, redacted, with_texts

KEY = b"k" * 16
CARD, MAIL = "4111 1111 1111 1111", "jane@example.com"


def result(value, how="mask", target="result", kinds="", key=None):
    return redacted(value, [Obligation("redact", target, how, "call", kinds)], "result", key)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"card {CARD}.", "card [redacted card-number]."),
        ({"a": [CARD, 1]}, {"a": ["[redacted card-number]", 1]}),
        ((CARD, "x"), ("[redacted card-number]", "x")),
        ({"password": "hunter2!x", "n": 5}, {"password": "[redacted password]", "n": 5}),
        ({"card": 4111111111111111}, {"card": "[redacted card-number]"}),
        ({"card": Decimal(4111111111111111)}, {"card": "[redacted card-number]"}),
        ({MAIL: 1, "bob@example.com": 2}, {"[redacted email]": 1, "[redacted email] 2": 2}),
        (f"password={'9f86d0a1c7' * 60} rest", "password=[redacted password] rest"),
        (f"mail {MAIL}".encode(), b"mail [redacted email]"),
        (b"\xff mail " + MAIL.encode(), b"\xff mail [redacted email]"),
        ({MAIL}, {"[redacted email]"}),
        ("nothing", "nothing"),
        (None, None),
        (["x", None, True, 1.5], ["x", None, True, 1.5]),
        ("postgres://app:s3cr3t@db/x", "postgres://app:[redacted url-password]@db/x"),
    ],
)
def test_what_is_found_is_removed_wherever_it_is(value, expected):
    assert result(value) == expected


@pytest.mark.parametrize(
    ("how", "text", "expected"),
    [
        ("mask", f"<{CARD}>", "<[redacted card-number]>"),
        ("last4", f"<{CARD}>", "<****1111>"),
        ("drop", f"<{CARD}>", "<>"),
        ("last4", "password=abc123!", "password=[redacted password]"),  # four of seven characters would be half of it
    ],
)
def test_there_are_several_ways(how, text, expected):
    assert result(text, how) == expected


def test_a_digest_is_the_same_for_the_same_value_and_key():
    one, two = result(CARD, "hash", key=KEY), result(f"again {CARD}", "hash", key=KEY)
    assert one.startswith("[card-number ")
    assert two == f"again {one}"
    assert result(CARD, "hash", key=b"another key" * 2) != one
    assert CARD not in one
    with pytest.raises(CannotRedact, match="redaction_key"):
        result(CARD, "hash")


@pytest.mark.parametrize(
    ("target", "how", "value", "expected"),
    [
        ("result.ssn", "mask", {"ssn": "x", "n": 1}, {"ssn": "[redacted]", "n": 1}),
        ("result.ssn", "drop", {"ssn": "x", "n": 1}, {"n": 1}),
        ("result.ssn", "mask", {"n": 1}, {"n": 1}),
        ("result.people[*].ssn", "drop", {"people": [{"ssn": 1, "a": 2}, {"a": 3}]}, {"people": [{"a": 2}, {"a": 3}]}),
        ("result.people[0]", "drop", {"people": [1, 2]}, {"people": [2]}),
        ("result.account", "last4", {"account": "DE89370400440532013000"}, {"account": "****3000"}),
        ("result.account", "mask", {"account": {"a": [1]}}, {"account": "[redacted]"}),
        ("result.account", "mask", {"account": None}, {"account": None}),
        ("result", "mask", "all of it", "[redacted]"),
        ("result", "drop", "all of it", None),
    ],
)
def test_a_whole_value_can_be_removed(target, how, value, expected):
    assert redacted(value, [Obligation("redact", target, how)], "result") == expected


@pytest.mark.parametrize("value", ["text", [1], 5, {"a": "text"}])
def test_what_cannot_be_followed_cannot_be_removed(value):
    with pytest.raises(CannotRedact, match="cannot be followed"):
        redacted(value, [Obligation("redact", "result.a.b", "mask")], "result")


@dataclasses.dataclass(frozen=True)
class Person:
    name: str
    mail: str


class Account(pydantic.BaseModel):
    owner: Person
    card: str


class Colour(enum.Enum):
    MAIL = MAIL
    RED = "red"


def test_objects_stay_what_they_are():
    made = result([Person("Jane", MAIL), Account(owner=Person("Jane", MAIL), card=CARD), Colour.RED])
    assert made[0] == Person("Jane", "[redacted email]")
    assert made[1] == Account(owner=Person("Jane", "[redacted email]"), card="[redacted card-number]")
    assert made[2] is Colour.RED


@pytest.mark.parametrize("value", [Colour.MAIL, Path(f"/home/{MAIL}/x")])
def test_what_cannot_be_changed_cannot_be_redacted(value):
    with pytest.raises(CannotRedact, match="cannot be changed"):
        result([value])


def test_what_overlaps_is_removed_as_one():
    text = "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # two kinds for one value
    assert result(text) == "aws_secret_access_key = [redacted aws-secret-key]"


CODENAMES = """
policy_id: p
patterns: {heron: heron}
facts: {named: {sensitive: result, kinds: heron}}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
  - rule_id: masked
    phase: result
    conditions: {field: named.found, operator: eq, value: true}
    effect: flag
    redact: [{facts: named}]
"""


def test_a_pattern_may_find_its_own_name():
    with Guard(CODENAMES, ledger=":memory:") as guard:
        assert guard.wrap(lambda: "about heron and heron", name="give")() == "about [redacted heron] and [redacted heron]"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([CARD, MAIL, f"x {MAIL} {CARD}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just(MAIL), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_nothing_is_found_in_what_is_left(value):
    left = result(value)
    assert not classify(left).found
    assert classify(value).found or left == value


@given(VALUES)
def test_a_private_copy_is_changed_as_its_plain_view(value):
    view = result(value)
    assert as_redacted(value, value, view) == view


def test_texts_can_be_changed_by_their_places():
    seen = {}
    value = {"a": ["x", {"b": "y"}], "p": Person("n", "m"), "n": 1}
    assert with_texts(value, seen.setdefault) == value
    assert seen == {"['a'][0]": "x", "['a'][1]['b']": "y", "['p']['name']": "n", "['p']['mail']": "m"}


# -- through a guard ---------------------------------------------------------------------------------------------------

POLICY = """
policy_id: p
facts:
  note: {sensitive: parameters.note, kinds: personal}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
  - rule_id: no-people
    conditions: {field: note.found, operator: eq, value: true}
    on_indeterminate: skip
    effect: flag
    redact: [REDACTION]
"""


def guard_with(redaction, **options):
    return Guard(POLICY.replace("REDACTION", redaction), ledger=":memory:", capture="full", **options)


def kept(guard):
    return [record.payload or b"" for record in guard.store.scan() if record.content["kind"] == "decision"]


def test_the_tool_and_the_record_get_what_is_left():
    with guard_with("{facts: note}") as guard:
        send = guard.wrap(lambda note, to="x": (note, to), name="send")
        assert send(f"mail {MAIL}") == ("mail [redacted email]", "x")
        assert MAIL.encode() not in kept(guard)[0]
        assert b"[redacted email]" in kept(guard)[0]


def test_only_the_record_may_be_spared_the_sight():
    with guard_with("{facts: note, in: record}") as guard:
        send = guard.wrap(lambda note: note, name="send")
        assert send(f"mail {MAIL}") == f"mail {MAIL}"
        assert MAIL.encode() not in kept(guard)[0]


def test_the_record_of_a_denied_call_is_spared_the_sight_too():
    denies = "  - {rule_id: never, conditions: {field: parameters.never, operator: exists}, effect: deny}\n"
    with Guard(POLICY.replace("REDACTION", "{facts: note}") + denies, ledger=":memory:", capture="full") as guard:
        decision = guard.evaluate("send", {"note": f"mail {MAIL}", "never": 1})
        assert (decision.verdict.word, decision.redacted) == ("deny", None)
        assert MAIL.encode() not in kept(guard)[0]
        assert b"[redacted email]" in kept(guard)[0]


def test_a_rule_that_only_the_counters_decide_redacts_as_well():
    """Attack: its obligation is not known when the call is judged first, and must be carried out all the same."""
    policy = """
policy_id: p
limits: [{limit_id: day, max: 100, window: 1d, effect: deny}]
rules:
  - rule_id: later
    conditions: {field: limits.day.used, operator: gte, value: 1}
    effect: flag
    redact: [{field: parameters.note}]
"""
    with Guard(policy, ledger=":memory:", capture="full") as guard:
        send = guard.wrap(lambda note: note, name="send")
        assert [send(MAIL), send(MAIL)] == [MAIL, "[redacted]"]
        assert [MAIL.encode() in each for each in kept(guard)] == [True, False]


def test_a_loop_of_its_own_runs_with_what_the_decision_says():
    with guard_with("{field: parameters.note, how: last4}") as guard:
        decision = guard.evaluate("send", {"note": f"mail {MAIL}", "n": 1})
        assert (decision.params, decision.call.params["note"]) == ({"note": "****.com", "n": 1}, f"mail {MAIL}")
        (duty,) = decision.to_dict()["obligations"]
        assert (duty["kind"], duty["target"], duty["how"]) == ("redact", "parameters.note", "last4")


def test_types_that_are_not_touched_stay_as_they_are():
    with guard_with("{facts: note}") as guard:

        @guarded(guard)
        def send(note, where, person):
            return note, where, person

        given = Person("Jane", "m")
        assert send(MAIL, Path("/x"), given) == ("[redacted email]", Path("/x"), given)
        assert isinstance(send(MAIL, Path("/x"), given)[1], Path)


def test_an_adapter_and_a_guarded_function_inside_make_one_decision_of_it():
    with guard_with("{facts: note}") as guard:
        seen = []
        inside = guarded(guard, tool="send")(lambda note: seen.append(note) or note)
        tools = Tools(Gate(guard, changes=True), {"send": inside})
        assert tools.call("send", {"note": MAIL}).text == "[redacted email]"
        assert seen == ["[redacted email]"]
        assert len(kept(guard)) == 1


def test_an_adapter_that_cannot_change_arguments_denies():
    with guard_with("{facts: note}") as guard:
        ruling = Gate(guard).ruling("send", {"note": MAIL})
        assert ruling.kind == "no"
        assert "arguments cannot be changed here" in ruling.text
        assert Gate(guard).ruling("send", {"note": "fine"}).kind == "go"


def test_a_parameter_that_is_dropped_leaves_its_default():
    with guard_with("{field: parameters.note, how: drop}") as guard:
        assert guard.wrap(lambda note="none": note, name="send")(MAIL) == "none"
        needs = guard.wrap(lambda note: note, name="send")
        with pytest.raises(ToolDenied, match="an obligation cannot be carried out: the tool needs `note`"):
            needs(MAIL)


def test_an_obligation_that_cannot_be_carried_out_is_a_denial():
    with guard_with("{field: parameters.note.inner}") as guard:
        decision = guard.evaluate("send", {"note": MAIL})
        assert decision.verdict.word == "deny"
        assert decision.reason.startswith("an obligation cannot be carried out: `parameters.note.inner` cannot be followed")
        assert b"jane" not in kept(guard)[0]


def test_digests_need_a_key_before_anything_runs():
    with pytest.raises(ValueError, match="give the guard a `redaction_key` of 16 bytes"):
        guard_with("{facts: note, how: hash}")
    with pytest.raises(ValueError, match="redaction_key"):
        guard_with("{facts: note, how: hash}", redaction_key=b"short")
    with guard_with("{facts: note, how: hash}", redaction_key=KEY) as guard:
        assert guard.evaluate("send", {"note": MAIL}).params["note"].startswith("[email ")


@pytest.mark.parametrize(
    ("redaction", "why"),
    [
        ("{facts: nothing}", "there are none of that name"),
        ("{facts: note, field: parameters.note}", "one of `facts` and `field`"),
        ("{}", "one of `facts` and `field`"),
        ("{field: context.x}", "name a parameter, `result`, or something in them"),
        ("{field: result.x}", "cannot be removed by a rule of `phase: call`"),
        ("{facts: note, how: encrypt}", "how"),
    ],
)
def test_what_makes_no_sense_is_refused_at_load(redaction, why):
    with pytest.raises(PolicyError, match=why):
        guard_with(redaction)


@pytest.mark.parametrize("effect", ["allow", "deny"])
def test_redaction_goes_with_what_goes_on_for_certain(effect):
    with pytest.raises(PolicyError, match="`redact` goes with `flag` or `escalate`"):
        Guard(
            POLICY.replace("REDACTION", "{facts: note}")
            .replace("effect: flag", f"effect: {effect}")
            .replace("    on_indeterminate: skip\n", ""),
            ledger=":memory:",
        )


def test_a_person_is_asked_about_the_call_as_it_will_be():
    seen = []

    def approver(decision):
        seen.append(decision.params)
        return True

    policy = POLICY.replace("REDACTION", "{facts: note}").replace("effect: flag", "effect: escalate")
    with Guard(policy, ledger=":memory:", approver=approver) as guard:
        assert guard.wrap(lambda note: note, name="send")(MAIL) == "[redacted email]"
        assert seen == [{"note": "[redacted email]"}]
