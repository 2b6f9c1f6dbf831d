"""What is known of a URL, and that a disguise is never taken for the truth."""

from ipaddress import IPv4Address
from urllib.parse import urlsplit

import pytest
from conftest import cases
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Guard, Verdict
from toolguard.classify.url import CLASSIFIER, MAX_LENGTH, UrlFacts, classify

CASES = cases("url")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["url"])
def test_a_url(case):
    facts = classify(case["url"])
    assert {name: getattr(facts, name) for name in case["facts"]} == case["facts"]


def test_every_fact_has_a_case():
    assert {name for case in CASES for name in case["facts"]} | {"method"} == set(CLASSIFIER.fact_names)


def test_a_method_is_in_upper_case_and_only_text():
    assert classify("https://example.com/", method="get").method == "GET"
    assert classify("https://example.com/", method=5).method is None


def test_a_long_one_is_not_looked_at():
    assert classify("https://example.com/" + "a" * MAX_LENGTH).ambiguous


@given(st.one_of(st.text(max_size=200), st.from_regex(r"https?:[/\\]{0,3}[a-z0-9.@:%\[\]\\-]{0,30}/?.{0,20}")))
def test_it_never_raises_and_what_is_unknown_says_why(text):
    facts = classify(text)
    assert isinstance(facts, UrlFacts)
    assert facts.ambiguous == bool(facts.why_unknown)
    if facts.ambiguous:
        known = {name for name in CLASSIFIER.fact_names if getattr(facts, name) is not None}
        assert known <= {"ambiguous", "credentials"}


@given(st.from_regex(r"https?://[a-z0-9.@:%\[\]\\-]{1,30}(/[ -~]{0,20})?", fullmatch=True))
def test_where_it_is_sure_the_standard_library_sees_the_same_host(text):
    facts = classify(text)
    if not facts.ambiguous and facts.host_kind == "name":
        assert (urlsplit(text).hostname or "").removesuffix(".") == facts.host


def spellings(address):
    """Ways to write an IPv4 address that some client understands."""
    number = int(address)
    a, b, c, d = address.packed
    yield from (
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a}.{b}.{number & 0xFFFF}",
    )
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"[::ffff:{a:02x}{b:02x}:{c:02x}{d:02x}]")
    yield from (
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"{address}.",
        f"%3{a % 10}.{b}.{c}.{d}",
        f"x@{address}",
        f"{a}。{b}。{c}。{d}",
    )


PRIVATE = st.one_of(
    st.integers(0x0A000000, 0x0AFFFFFF), st.integers(0x7F000000, 0x7FFFFFFF), st.integers(0xC0A80000, 0xC0A8FFFF)
).map(IPv4Address)
POLICY = """
policy_id: public-only
scope: {tool_names: [fetch]}
facts: {target: {url: parameters.url}}
rules: [{rule_id: private, effect: deny, conditions: {not: {field: target.is_private, operator: eq, value: false}}}]
"""
GUARD = Guard(POLICY, ledger=":memory:")


@given(PRIVATE, st.sampled_from(["http", "https"]), st.sampled_from(["", ":80", ":8080"]))
def test_no_spelling_of_a_private_address_gets_past_a_rule(address, scheme, port):
    for host in spellings(address):
        assert GUARD.evaluate("fetch", {"url": f"{scheme}://{host}{port}/"}).verdict == Verdict.DENY, host
    assert GUARD.evaluate("fetch", {"url": f"{scheme}://example.com{port}/{address}"}).verdict == Verdict.ALLOW
