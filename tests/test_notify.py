"""Telling people that a call waits: once, signed, again when it fails, and never in the way of the call itself."""

import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from toolguard import Guard
from toolguard.gateway import notify
from toolguard.gateway.notify import ATTEMPTS, Command, Notifier, Webhook, signature

ASK = {
    "policy_id": "p",
    "scope": {"tool_names": ["pay"]},
    "rules": [{"rule_id": "ask", "effect": "escalate", "conditions": {"field": "amount", "operator": "gt", "value": 200}}],
}


class Way:
    """Remembers what it was told, and fails as often as it is told to."""

    def __init__(self, failures=0):
        self.failures, self.told, self.tried = failures, [], 0

    def send(self, name, body):
        self.tried += 1
        if self.tried <= self.failures:
            raise ConnectionError
        self.told.append((name, json.loads(body)))


@pytest.fixture
def noticed():
    """A guard over memory whose notifier tells the given ways; what waits is told when this returns."""
    made = []

    def start(*ways, pause=0.001):
        notifier = Notifier(ways, "https://approvals.example", pause)
        guard = Guard(ASK, ledger=":memory:", approvers={}, on_decision=notifier.decided)
        made.append((guard, notifier))
        return guard, notifier

    yield start
    for guard, notifier in made:
        notifier.close()
        guard.close()


def test_each_question_is_told_once_and_without_its_parameters(noticed):
    way = Way()
    guard, notifier = noticed(way)
    first = guard.evaluate("pay", {"amount": 300, "iban": "hush"}, agent_id="bot")
    guard.evaluate("pay", {"amount": 300, "iban": "hush"}, agent_id="bot")
    guard.evaluate("pay", {"amount": 100}, agent_id="bot")
    notifier.begin(guard.pending())
    notifier.close()
    ((name, told),) = way.told
    assert name == f"{first.escalation.id}-1"
    assert told["data"]["url"] == f"https://approvals.example/calls/{first.escalation.id}"
    assert "hush" not in json.dumps(told)


def test_a_question_that_is_asked_anew_is_told_anew(noticed):
    way = Way()
    guard, notifier = noticed(way)
    for _ in range(2):
        asked = guard.evaluate("pay", {"amount": 300})
        guard.withdraw(asked.escalation.id, by="ops", reason="x")
    notifier.close()
    assert [told["data"]["round"] for _, told in way.told] == [1, 2]


@pytest.mark.parametrize(("failures", "arrives"), [(0, True), (ATTEMPTS - 1, True), (ATTEMPTS, False)])
def test_it_is_tried_again(noticed, caplog, failures, arrives):
    way, other = Way(failures), Way()
    guard, _ = noticed(way, other)
    guard.evaluate("pay", {"amount": 300})
    end = time.monotonic() + 20
    while not other.told and time.monotonic() < end:
        time.sleep(0.005)
    assert (len(way.told), len(other.told)) == (int(arrives), 1)
    assert ("nobody was told" in caplog.text) is not arrives


def test_nobody_waits_for_it(noticed, monkeypatch):
    monkeypatch.setattr(notify, "MAX_WAITING", 2)
    blocked = threading.Event()

    class Slow:
        def send(self, name, body):
            blocked.wait(20)

    guard, _ = noticed(Slow())
    verdicts = {guard.evaluate("pay", {"amount": 300 + number}).verdict.word for number in range(10)}
    assert verdicts == {"escalate"}
    blocked.set()


class Receiver(BaseHTTPRequestHandler):
    """Answers as the server says, and keeps what it got."""

    def do_POST(self):
        self.server.got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("location", "http://localhost:1/")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("secret", ["a plain secret of ours", f"whsec_{b64encode(b'x' * 24).decode()}"])
def test_a_webhook_is_signed_as_the_standard_says(receiver, secret):
    Webhook(f"http://127.0.0.1:{receiver.server_port}/", secret, lambda: 1_700_000_000.9).send("id-1", b'{"a": 1}')
    ((headers, body),) = receiver.got
    key = b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    mac = hmac.new(key, b'id-1.1700000000.{"a": 1}', hashlib.sha256).digest()
    said = {name.lower(): value for name, value in headers.items()}
    assert (said["webhook-id"], said["webhook-timestamp"], body) == ("id-1", "1700000000", b'{"a": 1}')
    assert said["webhook-signature"] == f"v1,{b64encode(mac).decode()}"


def test_the_published_example_of_the_standard():
    """https://docs.svix.com/receiving/verifying-payloads/how-manual: the example's own values."""
    secret = "whsec_plJ3nmyCDGBKInavdOK15jsl"
    body = b'{"event_type":"ping","data":{"success":true}}'
    made = signature(secret, "msg_loFOjxBNrRLzqYUf", "1731705121", body)
    assert made == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


@pytest.mark.parametrize("status", [302, 400, 500])
def test_what_is_not_accepted_has_not_arrived(receiver, status):
    receiver.status = status
    with pytest.raises(Exception, match=str(status)):
        Webhook(f"http://127.0.0.1:{receiver.server_port}/", "a plain secret").send("id-1", b"{}")
    assert len(receiver.got) == 1


def test_a_command_gets_it_on_its_standard_input(tmp_path):
    script = tmp_path / "tell.py"
    script.write_text(f"import sys; open({str(tmp_path / 'told')!r}, 'w').write(sys.stdin.read() + sys.argv[1])")
    Command(f"{sys.executable} {script} '; touch {tmp_path / 'owned'}'").send("id-1", b'{"a": 1}')
    assert (tmp_path / "told").read_text() == f'{{"a": 1}}; touch {tmp_path / "owned"}'
    assert not (tmp_path / "owned").exists()
    with pytest.raises(subprocess.CalledProcessError):
        Command(f"{sys.executable} -c 'raise SystemExit(3)'").send("id-1", b"")
