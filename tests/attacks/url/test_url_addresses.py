"""The machine itself, its neighbours and the cloud's metadata, in every spelling of an address."""

import pytest

from toolguard import Guard, Verdict

URLS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[0:0:0:0:0:ffff:7f00:1]/",
    "http://169.254.169.254/latest/",
    "http://0xa9fea9fe/",
    "http://[fd00:ec2::254]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://100.64.0.1/",
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://metadata.google.internal/",
    "http://127.0.0.1.:80/",
    "http://①②⑦.0.0.1/",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("tool", ["fetch", "http_request"])
def test_it_does_not_run(url, tool):
    with Guard(pack="egress", ledger=":memory:") as guard:
        decision = guard.evaluate(tool, {"url": url, "method": "GET"}, context={"allowed_hosts": ["api.example.com"]})
    assert decision.verdict >= Verdict.ESCALATE, decision.reason
