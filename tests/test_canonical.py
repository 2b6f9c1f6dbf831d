import dataclasses
import enum
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr

from toolguard.canonical import MAX_DEPTH, MAX_ITEMS, MAX_TEXT, digest, encode, snapshot
from toolguard.errors import MalformedCall

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(),
    st.decimals(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def typed(value):
    """A value in which 1, 1.0, True and Decimal(1) differ, and so do 0.0 and -0.0."""
    if isinstance(value, dict):
        return {"map": sorted((k, typed(v)) for k, v in value.items())}.__repr__()
    if isinstance(value, (list, tuple)):
        return ("list", [typed(v) for v in value]).__repr__()
    return (type(value).__name__, repr(value)).__repr__()


@given(VALUES, VALUES)
def test_two_values_share_their_bytes_only_when_they_are_the_same(a, b):
    assert (encode(a) == encode(b)) == (typed(a) == typed(b))


@given(VALUES)
def test_a_snapshot_of_plain_data_is_that_data_and_nobody_elses(value):
    own, view = snapshot(value)
    assert encode(view) == encode(own) == encode(value)
    if isinstance(value, (list, dict)):
        assert own is not value
        assert view is not own


@given(VALUES)
def test_a_snapshot_does_not_change_with_its_source(value):
    source = {"x": value, "list": [1, [2]], "map": {"k": [3]}}
    own, view = snapshot(source)
    before = encode(view)
    source["list"][1].append(99)
    source["map"]["k"][0] = 99
    source["new"] = 1
    assert encode(own) == encode(view) == before


def test_known_bytes():
    """Pinned: digests in ledgers and approvals depend on them."""
    value = {"b": [1, -255, 1.5, None, True, False], "a": "é", "c": b"x", "d": Decimal("1.50")}
    assert encode(value) == b"o4:s1:as2:\xc3\xa9s1:bl6:i1;i-ff;d?\xf8\x00\x00\x00\x00\x00\x00ntfs1:cb1:xs1:dm4:1.50"
    assert digest(b"").hex() == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"  # BLAKE3's own vector


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Order:
    total: float
    lines: list


class Refund(BaseModel, extra="allow"):
    amount: int
    order: Order


class Markup(str):
    __slots__ = ()

    def __str__(self):
        return "***"


class Large(float):
    __slots__ = ()

    def __float__(self):
        return 1.0


@dataclasses.dataclass(eq=False)
class Frozen:
    amount: int


@dataclasses.dataclass
class AlsoAMapping(dict):
    amount: int = 1


class Secretive(BaseModel):
    amount: int
    _hidden: int = PrivateAttr(default=5)


class Listed(enum.Enum):
    ALL = [1]  # noqa: RUF012 - that is the point


def with_more_state():
    order = Order(5.0, [])
    order.discount = 4
    return order


READABLE = [
    (Colour.RED, "red"),
    (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02T03:04:00+00:00"),
    (date(2026, 1, 2), "2026-01-02"),
    (timedelta(hours=1), "1:00:00"),
    (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (PurePosixPath("/a/b"), "/a/b"),
    ((1, (2,)), [1, [2]]),
    ({3, 1, 2}, [1, 2, 3]),
    (Order(5.0, [1]), {"total": 5.0, "lines": [1]}),
    (Refund(amount=1, order=Order(2.0, []), note="n"), {"amount": 1, "order": {"total": 2.0, "lines": []}, "note": "n"}),
]


@pytest.mark.parametrize(("value", "view"), READABLE, ids=lambda v: type(v).__name__)
def test_objects_are_judged_in_a_plain_form_and_passed_on_as_they_are(value, view):
    own, seen = snapshot(value)
    assert seen == view
    assert encode(seen) == encode(view)
    assert own == value
    assert type(own) is type(value)


def test_a_subclass_of_a_plain_type_is_judged_and_passed_on_as_the_plain_value():
    for value in (Markup("x"), Large(1000)):
        own, view = snapshot(value)
        assert type(own) is type(view) in (str, float)
        assert own == view
    assert snapshot(Large(1000)) == (1000.0, 1000.0)


def test_elements_of_a_set_are_copied():
    order = Frozen(5)
    own, _ = snapshot({order})
    order.amount = 9999
    assert [item.amount for item in own] == [5]


def test_a_model_passed_on_is_a_private_copy():
    order = Order(5.0, [1])
    own, _ = snapshot(order)
    order.lines.append(2)
    assert own.lines == [1]


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def endless():
    value = []
    value.append(value)
    return value


class Stubborn:
    __dataclass_fields__: ClassVar = {}  # looks like a dataclass, and cannot be copied

    def __deepcopy__(self, _):
        raise RuntimeError("no")


REFUSED = {
    "NaN": (float("nan"), "not a finite number"),
    "infinity": (float("-inf"), "not a finite number"),
    "decimal NaN": (Decimal("sNaN"), "not a finite number"),
    "lone surrogate": ("a\ud800", "lone surrogate"),
    "lone surrogate in a key": ({"\udfff": 1}, "lone surrogate"),
    "key that is a number": ({1: 1}, "a key that is a number"),
    "10,000 digits": (10**10_000, "more than"),
    "deep": (nested(1_000), f"deeper than {MAX_DEPTH}"),
    "endless": (endless(), "deeper than"),
    "many": ([0] * (MAX_ITEMS + 1), f"more than {MAX_ITEMS} values"),
    "10 MB": ("x" * 10_000_000, f"more than {MAX_TEXT} characters"),
    "object": (object(), "of type `object`"),
    "function": (print, "not plain data"),
    "class": (Order, "not plain data"),
    "complex": (1j, "not plain data"),
    "dataclass that is a mapping": (AlsoAMapping(), "not plain data"),
    "private attributes": (Secretive(amount=1), "not plain data"),
    "state beside the fields": (with_more_state(), "not plain data"),
    "member with a mutable value": (Listed.ALL, "can change"),
    "field that is not set": (Refund.model_construct(amount=1), "cannot be read"),
    "cannot be copied": (Stubborn(), "cannot be copied: no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_judged_is_refused_with_its_place(name):
    value, why = REFUSED[name]
    with pytest.raises(MalformedCall, match=why):
        snapshot({"x": [value]})


def test_the_place_is_named():
    with pytest.raises(MalformedCall, match=r"`parameters\.order\.lines\[1\]` is not a finite number"):
        snapshot({"order": {"lines": [1, float("nan")]}})


def test_long_text_in_many_places_counts_together():
    with pytest.raises(MalformedCall, match="characters of text"):
        snapshot(["x" * (MAX_TEXT // 4)] * 5)
