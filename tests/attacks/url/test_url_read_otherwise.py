"""Texts whose host two programs read differently."""

import pytest

from toolguard import Guard, Verdict

URLS = [
    "http://api.example.com@127.0.0.1/",
    "http://127.0.0.1#@api.example.com/",
    "http://api.example.com\\@evil.com/",
    "http:\\\\evil.com/",
    "http:/evil.com",
    "http:evil.com",
    "//evil.com/",
    " http://evil.com/",
    "http://evil.com\t.example.com/",
    "http://ev\nil.com/",
    "http://api.example.com:80@evil.com/",
    "http://api.example.com%2f@evil.com/",
    "http://%65vil.com/",
    "http://evil。com/",
    "http://api.example.com:99999/",
    "http://[api.example.com]/",
    "",
    ":",
    "https://",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("tool", ["fetch", "http_request"])
def test_it_does_not_run(url, tool):
    with Guard(pack="egress", ledger=":memory:") as guard:
        decision = guard.evaluate(tool, {"url": url, "method": "GET"}, context={"allowed_hosts": ["api.example.com"]})
    assert decision.verdict >= Verdict.ESCALATE, decision.reason
