"""Secrets in URLs."""

import pytest

from toolguard import Guard, Verdict

URLS = [
    "https://user:password@api.example.com/",
    "https://token@api.example.com/",
    "https://api.example.com/?q=1&Client_Secret=x",
    "https://api.example.com/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
    "https://api.example.com/?t=ghp_0123456789abcdefghijABCDEFGHIJ012345",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("tool", ["fetch", "http_request"])
def test_it_does_not_run(url, tool):
    with Guard(pack="egress", ledger=":memory:") as guard:
        decision = guard.evaluate(tool, {"url": url, "method": "GET"}, context={"allowed_hosts": ["api.example.com"]})
    assert decision.verdict >= Verdict.ESCALATE, decision.reason
