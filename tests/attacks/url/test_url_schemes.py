"""Schemes that are no web."""

import pytest

from toolguard import Guard, Verdict

URLS = [
    "file:///etc/passwd",
    "gopher://x/",
    "ftp://x/",
    "dict://x:11211/",
    "data:text/html,x",
    "javascript:alert(1)",
    "jar:http://x!/",
    "ldap://x/",
    "blob:https://x/1",
    "view-source:https://x/",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("tool", ["fetch", "http_request"])
def test_it_does_not_run(url, tool):
    with Guard(pack="egress", ledger=":memory:") as guard:
        decision = guard.evaluate(tool, {"url": url, "method": "GET"}, context={"allowed_hosts": ["api.example.com"]})
    assert decision.verdict >= Verdict.ESCALATE, decision.reason
