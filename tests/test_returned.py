"""What programs return is no JSON: rows, counters, queues, keys that are numbers. It is judged, and redacted, all the same."""

import math
import sqlite3
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, ToolDenied
from toolguard.errors import MalformedCall
from toolguard.returned import key_text, returned

KEY = "AKIAIOSFODNN7EXAMPLE"
GONE = "[redacted aws-key]"
POLICY = """
policy_id: p
facts: {leak: {sensitive: result}}
rules:
  - {rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}
  - {rule_id: judged, phase: result, conditions: {field: leak.found, operator: eq, value: true}, effect: EFFECT}
"""
DENY = POLICY.replace("EFFECT", "deny")
REDACT = POLICY.replace("EFFECT", "flag, redact: [{facts: leak}]")


class Pair(NamedTuple):
    name: str
    note: object


@dataclass
class Page:
    rows: dict


class Box(dict):
    """A mapping of somebody's own, read as any other."""

    __slots__ = ()


class Attributes(dict):
    """A mapping whose keys are attributes as well."""

    def __init__(self, **given):
        super().__init__(**given)
        self.__dict__ = self


def row(text):
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    return database.execute("SELECT ? AS note, 1 AS number", (text,)).fetchone()


def twice(text):
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    return database.execute("SELECT ? AS note, 1 AS note", (text,)).fetchone()


# what makes it from a text, and what it is when the text was removed
CONTAINERS = {
    "ordered": (lambda text: OrderedDict(note=text), {"note": GONE}),
    "with a default": (lambda text: defaultdict(list, note=[text]), {"note": [GONE]}),
    "counter": (lambda text: Counter({text: 2}), {GONE: 2}),
    "chain": (lambda text: ChainMap({"note": text}, {"more": 1}), {"note": GONE, "more": 1}),
    "of a user": (lambda text: UserDict(note=text), {"note": GONE}),
    "proxy": (lambda text: MappingProxyType({"note": text}), {"note": GONE}),
    "namespace": (lambda text: SimpleNamespace(note=text), {"note": GONE}),
    "queue": (lambda text: deque(["a", text]), ["a", GONE]),
    "keys": (lambda text: {text: 1}.keys(), [GONE]),
    "values": (lambda text: {"a": text}.values(), [GONE]),
    "items": (lambda text: {"a": text}.items(), [("a", GONE)]),
    "named tuple": (lambda text: Pair("a", [text]), Pair("a", [GONE])),
    "named tuples": (lambda text: [Pair("a", text)], [Pair("a", GONE)]),
    "row": (row, {"note": GONE, "number": 1}),
    "row of two columns of one name": (twice, [GONE, 1]),
    "bytes that change": (lambda text: bytearray(text.encode()), GONE.encode()),
    "a view of bytes": (lambda text: memoryview(text.encode()), GONE.encode()),
    "a class of mappings": (lambda text: Box(note=text), {"note": GONE}),
    "a mapping with attributes": (lambda text: Attributes(note=text), {"note": GONE}),
    "keys that are numbers": (lambda text: {1: text, None: 2, 2.5: [text]}, {1: GONE, None: 2, 2.5: [GONE]}),
    "keys that are dates": (lambda text: {date(2026, 1, 2): text}, {date(2026, 1, 2): GONE}),
    "keys that are ids": (lambda text: {UUID(int=7): text}, {UUID(int=7): GONE}),
    "in a page": (lambda text: Page({7: text}), Page({7: GONE})),
    "beside numbers that are none": (lambda text: [math.inf, Decimal("NaN"), text], None),
}


def give(policy, value):
    with Guard(policy, ledger=":memory:") as guard:
        return guard.wrap(lambda: value, name="give")()


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_fine_passes_as_it_is(name):
    value = CONTAINERS[name][0]("fine")
    assert give(DENY, value) is value


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_is_not_is_denied_for_what_is_in_it(name):
    with pytest.raises(ToolDenied) as denied:
        give(DENY, CONTAINERS[name][0](KEY))
    assert denied.value.decision.primary.indeterminate is None


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_has_to_be_removed_is(name):
    make, expected = CONTAINERS[name]
    seen = give(REDACT, make(KEY))
    assert KEY not in repr(seen)
    if expected is not None:
        assert (seen, type(seen)) == (expected, type(expected))


def test_numbers_that_are_none_stay_what_they_are():
    assert math.isnan(give(REDACT, [math.nan, KEY])[0])


def test_a_key_may_be_what_has_to_be_removed():
    card = 4111111111111111
    policy = REDACT.replace("sensitive: result", "sensitive: result, kinds: card-number")
    assert give(policy, {card: 1, 7: "x"}) == {"[redacted card-number]": 1, 7: "x"}


def test_a_field_below_a_key_that_is_a_number():
    redact = POLICY.replace("EFFECT", "flag, redact: [{field: result.rows.7.note, how: drop}]")
    seen = give(redact, {"rows": {7: {"note": KEY, "a": 1}, 8: {"note": "x"}}})
    assert seen == {"rows": {7: {"a": 1}, 8: {"note": "x"}}}


class Constant(Enum):
    TEXT = KEY
    BYTES = KEY.encode()
    CHANGES = bytearray(KEY.encode())


@pytest.mark.parametrize("value", [*Constant, Path(KEY)], ids=str)
def test_what_cannot_be_changed_is_withheld(value):
    with pytest.raises(ToolDenied, match="which cannot be changed"):
        give(REDACT, [value])


class Liar(list):
    """Gives other things than it has."""

    def __iter__(self):
        return iter(["fine"])


class Hidden(dict):
    """Has something beside what it has."""


Mutable = Enum("Mutable", {"ONE": ["a"]})


def hidden():
    made = Hidden(a=1)
    made.more = KEY
    return made


class Broken(UserDict):
    def __iter__(self):
        raise RuntimeError("no")


UNREADABLE = {
    "reads otherwise": Liar([KEY]),
    "has more": hidden(),
    "keys that read the same": {1: "a", "1": KEY},
    "a key of several values": {(1, 2): "a"},
    "a key of bytes": {b"a": 1},
    "an array, which is shown as one text and read as many": array("u", KEY),
    "a stranger": object(),
    "an enumeration of what can change": Mutable.ONE,
    "a class of a class": Broken(),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_not_let_through(name):
    for policy in (DENY, REDACT):
        with pytest.raises(ToolDenied) as denied:
            give(policy, UNREADABLE[name])
        assert KEY not in str(denied.value)
    with pytest.raises(MalformedCall):
        returned(UNREADABLE[name])


KEYS = st.one_of(st.text(max_size=3), st.integers(-3, 3), st.booleans(), st.none(), st.dates(), st.just(Path("a")))


@given(st.dictionaries(KEYS, st.integers(), max_size=6))
def test_no_key_hides_another(value):
    """Every value is in the view, under the text of its key, or nothing is."""
    texts = [key_text(key) for key in value]
    if len(set(texts)) < len(texts):
        with pytest.raises(MalformedCall):
            returned(value)
    else:
        own, view = returned(value)
        assert own == value
        assert view == dict(zip(texts, value.values(), strict=True))
