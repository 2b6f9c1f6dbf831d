"""Requests through the guarded transports, to a real server on this machine."""

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from toolguard import Guard, ToolDenied
from toolguard.egress import AddressRefused, AsyncGuardedTransport, GuardedTransport

ELSEWHERE = {"field": "target.host", "operator": "not_in", "value": ["a.test", "b.test"]}
POLICY = {
    "policy_id": "p",
    "scope": {"tool_names": ["http_request"]},
    "facts": {"target": {"url": "parameters.url", "method": "parameters.method"}},
    "rules": [
        {"rule_id": "hosts", "effect": "deny", "conditions": ELSEWHERE},
        {"rule_id": "posts", "effect": "escalate", "conditions": {"field": "target.method", "operator": "neq", "value": "GET"}},
    ],
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.headers["Host"], self.path))
        to = {"/away": "http://evil.test/", "/on": f"http://b.test:{self.server.server_port}/end", "/near": "/end"}.get(
            self.path
        )
        self.send_response(302 if to else 200)
        if to:
            self.send_header("Location", to)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen = []
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def names(monkeypatch):
    """What names resolve to, one answer after another."""
    answers, asked = {}, []

    def look_up(host, port, *_, **__):
        asked.append(host)
        found = answers.get(host, [[host]])
        addresses = found.pop(0) if len(found) > 1 else found[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr("toolguard.egress.socket.getaddrinfo", look_up)
    answers["a.test"] = answers["b.test"] = [["127.0.0.1"]]
    return answers


@pytest.fixture(params=["sync", "async"])
def get(request):
    def ask(url, method="GET", **given):
        with Guard(POLICY, ledger=":memory:") as guard:
            if request.param == "sync":
                with httpx2.Client(transport=GuardedTransport(guard, **given), follow_redirects=True) as client:
                    return client.request(method, url)

            async def run():
                async with httpx2.AsyncClient(transport=AsyncGuardedTransport(guard, **given), follow_redirects=True) as client:
                    return await client.request(method, url)

            return asyncio.run(run())

    return ask


INTERNAL = {"internal": ["a.test", "B.test"]}


@pytest.mark.parametrize(("path", "last"), [("/", "a.test"), ("/near", "a.test"), ("/on", "b.test")])
def test_it_goes_where_it_may_under_the_name_that_was_asked_for(server, names, get, path, last):
    answer = get(f"http://a.test:{server.server_port}{path}", **INTERNAL)
    assert (answer.status_code, answer.text, answer.url.host) == (200, "ok", last)
    assert server.seen[-1][0] == f"{last}:{server.server_port}"


def test_every_redirect_is_a_new_decision(server, names, get):
    with pytest.raises(ToolDenied) as denied:
        get(f"http://a.test:{server.server_port}/away", **INTERNAL)
    assert denied.value.decision.call.params["url"] == "http://evil.test/"


def test_what_waits_for_a_person_is_not_sent(server, names, get):
    with pytest.raises(ToolDenied):
        get(f"http://a.test:{server.server_port}/", method="POST", **INTERNAL)
    assert server.seen == []


INSIDE = [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], ["::1"], ["fe80::1%eth0"], ["0.0.0.0"], []]


@pytest.mark.parametrize("addresses", INSIDE)
def test_a_name_that_leads_inside_is_refused(server, names, get, addresses):
    names["a.test"] = [addresses]
    with pytest.raises(AddressRefused):
        get(f"http://a.test:{server.server_port}/")
    assert server.seen == []


def test_the_address_that_was_judged_is_the_one_connected_to(server, names, monkeypatch):
    """A name that leads elsewhere when it is asked a second time is never asked a second time."""
    names["a.test"] = [["93.184.216.34"], ["127.0.0.1"]]
    sent = []
    monkeypatch.setattr(httpx2.HTTPTransport, "handle_request", lambda _, request: sent.append(request) or httpx2.Response(200))
    with Guard(POLICY, ledger=":memory:") as guard, httpx2.Client(transport=GuardedTransport(guard)) as client:
        client.get("https://a.test/x")
    (request,) = sent
    assert (request.url.host, request.headers["Host"], request.extensions["sni_hostname"]) == (
        "93.184.216.34",
        "a.test",
        "a.test",
    )


def test_a_name_that_cannot_be_looked_up(names, get, monkeypatch):
    def fails(*_, **__):
        raise socket.gaierror("no such name")

    monkeypatch.setattr("toolguard.egress.socket.getaddrinfo", fails)
    with pytest.raises(AddressRefused, match="no such name"):
        get("http://a.test/")
