"""The service: who may do what, what a request can look like, and that an answer through it holds as any other."""

import json
import re
import threading
import time
from dataclasses import replace

import pytest
from conftest import Clock
from starlette.testclient import TestClient

from toolguard import Guard, StoreError, Verdict
from toolguard.approvals.escalation import exact_call
from toolguard.approvals.people import CLIENT, OPERATOR, People, PeopleFile, Principal, hash_of_token
from toolguard.audit.sign import Signer
from toolguard.cli import main
from toolguard.gateway.access import LOCKED, MAX_WRONG, SESSION, Access, SingleSignOn
from toolguard.gateway.api import ROUTES
from toolguard.gateway.app import app
from toolguard.gateway.metrics import Metrics
from toolguard.gateway.routes import MAX_BODY
from toolguard.gateway.service import Service
from toolguard.gateway.shown import rows_of
from toolguard.model import Came, Decision, Outcome, ToolCall

SERVICE = Signer("approvals.example", bytes([7]) * 32)
SECRET = "a secret of the proxy"
ASK = {
    "rule_id": "ask",
    "effect": "escalate",
    "conditions": {"field": "amount", "operator": "gt", "value": 200},
    "effect_config": {"escalate_to": "supervisor", "timeout_minutes": 30},
    "citation": {"document_id": "SOP", "section": "2.3", "excerpt": "Above 200 a supervisor is asked."},
}
CAP = {"rule_id": "cap", "effect": "deny", "conditions": {"field": "amount", "operator": "gt", "value": 500}}
HELD = {
    "rule_id": "held",
    "description": "Rows need a look.",
    "phase": "result",
    "effect": "escalate",
    "conditions": {"field": "result.rows", "operator": "exists"},
    "effect_config": {"escalate_to": "supervisor"},
}
NOTE = {"rule_id": "note", "effect": "flag", "conditions": {"field": "amount", "operator": "gt", "value": 100}}


def policy(*rules, **config):
    ask = {**ASK, "effect_config": {**ASK["effect_config"], **config}}
    facts = {"target": {"url": "parameters.url"}}
    return {"policy_id": "p", "scope": {"tool_names": ["pay"]}, "facts": facts, "rules": [ask, CAP, NOTE, *rules]}


KINDS = {
    "lead": Principal("lead", roles=frozenset({"supervisor"})),
    "deputy": Principal("deputy", roles=frozenset({"supervisor"})),
    "intern": Principal("intern", roles=frozenset({"intern"})),
    "program": Principal("program", CLIENT),
    "bot-only": Principal("bot-only", CLIENT, agent_id="bot"),
    "watcher": Principal("watcher", OPERATOR),
}


class Served:
    """A service over a guard, and requests to it in somebody's name."""

    def __init__(self, folder, given, **options):
        self.clock = Clock()
        self.file = PeopleFile(folder / "people.json")
        known = {name: replace(one, token=hash_of_token(f"tg_{name}")) for name, one in KINDS.items()}
        self.file.write(People(known, (SERVICE.verifier,)))
        metrics = Metrics()
        self.guard = Guard(
            given,
            ledger=folder / "l.db",
            approvers=self.file.path,
            now=self.clock,
            on_decision=metrics.decided,
            placement="L1 service",
        )
        self.access = Access(self.file, self.clock, **{"rate": 10**6, **options})
        service = Service(self.guard, self.file, SERVICE, self.access, self.clock)
        self.client = TestClient(app(service, metrics), base_url="http://localhost", follow_redirects=False)

    def ask(self, method, path, who=None, json=None, **options):
        headers = {**({"authorization": f"Bearer tg_{who}"} if who else {}), **options.pop("headers", {})}
        return self.client.request(method, path, json=json, headers=headers, **options)

    def call(self, amount=300, who="program", **envelope):
        body = {"tool_name": "pay", "parameters": {"amount": amount}, "agent_id": "bot", "session_id": "s", **envelope}
        return self.ask("POST", "/evaluate", who, body)

    def waiting(self, amount=300):
        return self.call(amount).json()["escalation_id"]


@pytest.fixture
def served(tmp_path):
    made = []

    def serve(given=None, **options):
        one = Served(tmp_path, given or policy(), **options)
        one.client.__enter__()
        made.append(one)
        return one

    yield serve
    for one in made:
        one.client.__exit__(None, None, None)
        one.guard.close()


# -- judging -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "status", "word"), [(50, 200, "allowed"), (150, 200, "flagged"), (300, 202, "escalated"), (600, 200, "denied")]
)
def test_an_envelope_is_judged(served, amount, status, word):
    answer = served().call(amount)
    said = answer.json()
    assert (answer.status_code, said["decision"]) == (status, word)
    assert ("poll_url" in said) == (word == "escalated")
    assert said["record"]


def test_the_record_says_where_the_guard_stands(served):
    one = served()
    one.call()
    assert {r.content.get("placement") for r in one.guard.store.scan()} == {"L1 service"}


def test_what_cannot_be_judged_is_denied(served):
    assert served().call("NaN").json()["decision"] == "denied"
    assert served().call(tool_name="other").json()["decision"] == "denied"


REMOVES = {
    "rule_id": "note-goes",
    "effect": "flag",
    "conditions": {"field": "parameters.note", "operator": "exists"},
    "redact": [{"field": "parameters.note"}],
}


def test_a_call_that_an_obligation_changes_is_for_clients_that_carry_it_out(served):
    one = served(policy(REMOVES))
    asked = {"tool_name": "pay", "agent_id": "bot", "parameters": {"amount": 1, "note": "jane@example.com"}}
    denied = one.ask("POST", "/evaluate", "program", asked).json()
    assert (denied["verdict"], "an obligation cannot be carried out" in denied["reason"]) == ("deny", True)
    done = one.ask("POST", "/evaluate", "program", asked, headers={"x-toolguard-obligations": "yes"}).json()
    assert (done["verdict"], done["parameters"]) == ("flag", {"amount": 1, "note": "[redacted]"})
    plain = one.ask("POST", "/evaluate", "program", {**asked, "parameters": {"amount": 1}}).json()
    assert (plain["verdict"], "parameters" in plain) == ("allow", False)


def test_who_decides_about_a_result_sees_it_without_secrets():
    call = ToolCall("read", {"path": "x"}, came=Came({"text": "key AKIAIOSFODNN7EXAMPLE", "rows": 3}))
    rows = {row.name: row for row in rows_of(exact_call(Decision(call, Verdict.ESCALATE)))}
    assert rows["path"].text == "x"
    assert rows["result of the call"].masked
    assert "AKIA" not in rows["result of the call"].text
    assert '"rows": 3' in rows["result of the call"].text


def test_a_result_is_shown_and_goes_on_when_a_person_says_so(served):
    one, came = served(policy(HELD)), []
    call = one.guard.evaluate("pay", {"amount": 50})
    waits = threading.Thread(target=lambda: came.append(one.guard.release(call, Outcome("returned", 0, {"rows": ["r-1"]}))))
    waits.start()
    sign_in(one)
    end = time.monotonic() + 20
    while not (asked := one.guard.pending()) and time.monotonic() < end:
        time.sleep(0.01)
    page = one.client.get(f"/calls/{asked[0].id}").text
    assert "What ran, and what came back" in page
    assert "What would run" not in page
    assert "Rows need a look." in page
    assert "r-1" in page
    assert not came
    assert answer_form(one, asked[0].id).status_code == 303
    waits.join(20)
    assert came[0].value == {"rows": ["r-1"]}


def test_a_client_of_one_agent_asks_for_no_other(served):
    one = served()
    assert one.call(who="bot-only").status_code == 202
    assert one.call(who="bot-only", agent_id=None).json()["escalation_id"] == one.waiting()
    answer = one.call(who="bot-only", agent_id="other")
    assert (answer.status_code, answer.json()) == (403, {"error": "this client may ask for `bot` only"})


AUTHZEN = {
    "subject": {"type": "agent", "id": "bot", "properties": {"session_id": "s"}},
    "action": {"name": "call"},
    "resource": {"type": "tool", "id": "pay", "properties": {"amount": 50}},
}


def test_authzen(served):
    one = served()
    allowed = one.ask("POST", "/access/v1/evaluation", "program", AUTHZEN, headers={"x-request-id": "r-1"})
    assert (allowed.status_code, allowed.json()["decision"], allowed.headers["x-request-id"]) == (200, True, "r-1")
    resource = {**AUTHZEN["resource"], "properties": {"amount": 300}}
    asked = one.ask("POST", "/access/v1/evaluation", "program", {**AUTHZEN, "resource": resource}).json()
    assert (asked["decision"], asked["context"]["verdict"]) == (False, "escalate")
    assert asked["context"]["escalation_id"] == one.waiting()
    other = {**AUTHZEN, "action": {"name": "pay"}, "resource": {"type": "account", "id": "7", "properties": {"amount": 600}}}
    assert one.ask("POST", "/access/v1/evaluation", "program", other).json()["decision"] is False


@pytest.mark.parametrize("key", ["subject", "action", "resource"])
@pytest.mark.parametrize("value", [None, "x", {}, {"id": 5}])
def test_authzen_without_something(served, key, value):
    assert served().ask("POST", "/access/v1/evaluation", "program", {**AUTHZEN, key: value}).status_code == 400


# -- who may what ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_no_route_serves_a_stranger_or_another_kind(served, route):
    one = served()
    path = route.path.replace("{id}", one.waiting())
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic tg_lead"}, {"authorization": "Bearer"}):
        answer = one.ask(route.method, path, json={}, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.json().keys() == {"error"}
    others = {"lead": "person", "program": "client", "watcher": "operator"}
    for name, kind in others.items():
        refused = one.ask(route.method, path, name, {}).status_code == 403
        assert refused == (kind not in route.who)


def test_who_is_revoked_is_out_at_once(served):
    one = served()
    known = one.file()
    one.file.write(replace(known, known={**known.known, "lead": replace(known.known["lead"], revoked=1)}))
    assert one.ask("GET", "/escalations", "lead").status_code == 401


def test_wrong_tokens_lock_their_address_for_a_while(served):
    one = served()
    for _ in range(MAX_WRONG):
        assert one.ask("GET", "/healthz", "nobody").status_code == 401
    locked = one.ask("GET", "/healthz", "lead")
    assert (locked.status_code, locked.headers["retry-after"]) == (429, "60")
    one.clock.now += LOCKED
    assert one.ask("GET", "/healthz", "lead").status_code == 200


def test_a_right_token_forgives_the_wrong_ones(served):
    one = served()
    for _ in range(3):
        for _ in range(MAX_WRONG - 1):
            one.ask("GET", "/healthz", "nobody")
        assert one.ask("GET", "/healthz", "lead").status_code == 200


def test_each_principal_has_its_rate(served):
    one = served(rate=2)
    answers = [one.ask("GET", "/healthz", "lead").status_code for _ in range(6)]
    assert answers == [200] * 4 + [429] * 2
    assert one.ask("GET", "/healthz", "watcher").status_code == 200
    one.clock.now += 10**9
    assert [one.ask("GET", "/healthz", "lead").status_code for _ in range(3)] == [200, 200, 429]


def test_it_is_asked_under_its_own_name_only(served):
    assert served().ask("GET", "/healthz", "lead", headers={"host": "evil.example"}).status_code == 400


# -- what a request looks like -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b'{"tool_name": "pay", "tool_name": "x"}', 400),
        (b'{"tool_name": "pay", "parameters": {"amount": NaN}}', 400),
        (b'{"tool_name": 5}', 400),
        (b'{"tool_name": "pay", "agent_id": ["x"]}', 400),
        (b'{"tool_name": "pay", "unknown": 1}', 400),
        (b'{"tool_name": "pay", "context": [1]}', 400),
        (b'{"tool_name": "pay", "parameters": ' + b"[" * 40 + b"]" * 40 + b"}", 400),
        (b"[" * 10**5, 400),
        (b'{"tool_name": "pay", "parameters": {"amount": 1' + b"0" * 5000 + b"}}", 400),
        (b'{"tool_name": "' + b"x" * MAX_BODY + b'"}', 413),
    ],
)
def test_what_cannot_be_read_is_refused(served, body, status):
    answer = served().ask("POST", "/evaluate", "program", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json().keys()) == (status, {"error"})


def test_only_json_is_read(served):
    body = json.dumps({"tool_name": "pay", "parameters": {}})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert served().ask("POST", "/evaluate", "program", content=body, headers={"content-type": kind}).status_code == 415


def test_what_is_not_there(served):
    one = served()
    assert one.ask("GET", "/nothing", "lead").json() == {"error": "there is nothing there"}
    assert one.ask("DELETE", "/policies", "lead").status_code == 405
    for name in ("0" * 32, "x", "%2e%2e", "%00", "a" * 5000):
        assert one.ask("GET", f"/escalations/{name}", "lead").status_code in (400, 404)


# -- answering -----------------------------------------------------------------------------------------------------------


def test_an_approved_call_may_be_made_once(served):
    one = served()
    name = one.waiting()
    answer = one.ask("POST", f"/escalations/{name}/approve", "lead", {"note": "called"})
    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    assert one.call().json()["decision"] == "allowed"
    assert one.call().json()["decision"] == "escalated"
    said = next(r.content for r in one.guard.store.scan() if r.content["kind"] == "answer")
    assert (said["by"], said["note"], said["where"]) == ("lead", "called", "testclient")


def test_a_refused_call_is_denied(served):
    one = served()
    one.ask("POST", f"/escalations/{one.waiting()}/deny", "lead", {"note": "no"})
    assert one.call().json()["decision_reason"] == "rule `ask`: refused by lead: no"


@pytest.mark.parametrize(
    ("who", "body", "status"),
    [
        ("intern", {}, 403),
        ("lead", {"calls": 2, "minutes": 5}, 409),
        ("lead", {"note": 5}, 400),
        ("lead", {"calls": "2"}, 400),
        ("lead", {"calls": True}, 400),
        ("lead", {"minutes": -1}, 400),
        ("lead", {"approver": "somebody"}, 400),
        ("lead", {"round": 2}, 409),
        ("lead", [], 400),
    ],
)
def test_what_is_no_answer_changes_nothing(served, who, body, status):
    one = served()
    name = one.waiting()
    assert one.ask("POST", f"/escalations/{name}/approve", who, body).status_code == status
    assert one.ask("GET", f"/escalations/{name}", "lead").json()["status"] == "pending"


def test_nobody_answers_twice_or_late(served):
    one = served()
    name = one.waiting()
    assert one.ask("POST", f"/escalations/{name}/deny", "lead", {}).status_code == 200
    assert one.ask("POST", f"/escalations/{name}/approve", "deputy", {}).status_code == 409
    late = one.waiting(301)
    one.clock.now += 30 * 60 * 10**9
    assert one.ask("GET", f"/escalations/{late}", "program").json()["status"] == "expired"
    assert one.ask("POST", f"/escalations/{late}/approve", "lead", {}).status_code == 409
    assert one.call(301).json()["decision"] == "escalated"


def test_a_quorum_and_a_standing_approval(served):
    one = served(policy(quorum=2, standing={"calls": 3, "minutes": 60}))
    name = one.waiting()
    for who in ("lead", "lead", "deputy"):
        last = one.ask("POST", f"/escalations/{name}/approve", who, {"calls": 2, "minutes": 60})
    assert last.json()["status"] == "approved"
    assert [one.call().json()["decision"] for _ in range(3)] == ["allowed", "allowed", "escalated"]


def test_a_long_note_is_cut(served):
    one = served()
    assert one.ask("POST", f"/escalations/{one.waiting()}/deny", "lead", {"note": "x" * 10**6}).status_code == 200
    assert len(one.call().json()["decision_reason"]) < 3000
    assert all(len(record.body) < 10_000 for record in one.guard.store.scan())


def test_a_program_sees_how_it_stands_and_not_what_it_is_about(served):
    one = served()
    name = one.waiting()
    assert one.ask("GET", f"/escalations/{name}", "program").json().keys().isdisjoint({"parameters", "facts", "agent_id"})
    assert one.ask("GET", f"/escalations/{name}", "lead").json()["parameters"] == {"amount": "300"}
    other = one.call(agent_id="other").json()["escalation_id"]
    assert one.ask("GET", f"/escalations/{other}", "bot-only").status_code == 404
    assert [each["id"] for each in one.ask("GET", "/escalations", "bot-only").json()["escalations"]] == [name]


def test_a_long_poll_ends_with_the_answer(served):
    one = served()
    name = one.waiting()
    done = []
    poll = threading.Thread(
        target=lambda: done.append(one.ask("GET", f"/escalations/{name}?wait=30", "program").json()["status"])
    )
    poll.start()
    one.ask("POST", f"/escalations/{name}/approve", "lead", {})
    poll.join(10)
    assert done == ["approved"]
    assert one.ask("GET", f"/escalations/{name}?wait=x", "program").status_code == 400
    assert one.ask("GET", f"/escalations/{one.waiting(301)}?wait=1", "program").json()["status"] == "pending"


SECRETS = {
    "password": "hunter2hunter2",
    "Api-Key": "0123456789",
    "note": "with AKIAABCDEFGHIJKLMNOP in it",
    "url": "postgres://user:hush@db/x",
    "deep": {"list": [{"access_token": "0123456789"}]},
    "key": "-----BEGIN RSA PRIVATE KEY-----",
}
HUSHED = ("hunter2", "0123456789", "AKIAABCD", "hush", "BEGIN RSA")


def test_secrets_are_masked_for_who_looks(served):
    one = served()
    one.call(parameters={"amount": 300, **SECRETS})
    seen = one.ask("GET", "/escalations", "lead").text
    assert not [word for word in HUSHED if word in seen]
    assert "in it" in seen


# -- looking after it ----------------------------------------------------------------------------------------------------


def test_policies_reload_health_and_metrics(served, tmp_path):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(policy()))
    one = served(path)
    before = one.ask("GET", "/policies", "watcher").json()
    assert [each["policy_id"] for each in before["policies"]] == ["p"]
    path.write_text(json.dumps({**policy(), "description": "changed"}))
    after = one.ask("POST", "/reload", "watcher").json()
    assert after["revision"] != before["revision"]
    path.write_text("rules: [")
    refused = one.ask("POST", "/reload", "watcher")
    assert (refused.status_code, one.guard.revision) == (422, after["revision"])
    assert one.ask("GET", "/readyz", "program").json()["status"] == "ready"
    one.call(600)
    text = one.ask("GET", "/metrics", "watcher").text
    assert 'toolguard_decisions_total{verdict="deny"} 1.0' in text
    one.file.path.write_text("{}")
    assert one.ask("GET", "/readyz", "program").status_code == 503


def test_a_broken_ledger_is_no_allow_and_tells_nothing(served, tmp_path, monkeypatch):
    one = served()
    one.guard.close()
    assert one.call(50).json()["decision"] == "denied"

    def broken():
        raise StoreError(f"{tmp_path} cannot be read")

    monkeypatch.setattr(one.guard, "pending", broken)
    answer = one.ask("GET", "/escalations", "lead")
    assert (answer.status_code, str(tmp_path) in answer.text) == (503, False)


def test_parameters_and_tokens_are_not_logged(served, caplog):
    one = served()
    one.call(parameters={"amount": 300, **SECRETS})
    one.ask("GET", "/escalations", "nobody")
    one.guard.close()
    one.call(parameters={"amount": 50, **SECRETS})
    assert not [word for word in (*HUSHED, "tg_") if word in caplog.text]


# -- the pages -----------------------------------------------------------------------------------------------------------


def sign_in(one, name="lead"):
    answer = one.client.post("/login", data={"token": f"tg_{name}"})
    assert answer.status_code == 303
    return answer


def csrf_of(page):
    return re.search(r'name="csrf" value="([^"]+)"', page).group(1)


def answer_form(one, name, answer="approve", **fields):
    page = one.client.get(f"/calls/{name}").text
    return one.client.post(f"/calls/{name}", data={"csrf": csrf_of(page), "round": "1", "answer": answer, **fields})


PAGES = ("/", "/queue", "/live", "/calls/" + "0" * 32, "/history", "/ledger")


@pytest.mark.parametrize("path", PAGES)
def test_pages_send_strangers_to_sign_in(served, path):
    answer = served().client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_person_signs_in_answers_and_signs_out(served):
    one = served()
    name = one.waiting()
    cookie = sign_in(one).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert name in one.client.get("/").text
    assert "Above 200 a supervisor is asked." in one.client.get(f"/calls/{name}").text
    assert answer_form(one, name, note="called").status_code == 303
    assert one.call().json()["decision"] == "allowed"
    assert "called" in one.client.get("/history").text
    assert "Nothing is halted" in one.client.get("/ledger").text
    one.client.post("/logout", data={"csrf": csrf_of(one.client.get("/").text)})
    assert one.client.get("/").status_code == 303


@pytest.mark.parametrize("token", ["", "tg_nobody", "tg_program"])
def test_who_cannot_sign_in(served, token):
    one = served()
    assert one.client.post("/login", data={"token": token}).status_code in (401, 403)
    assert one.client.get("/").status_code == 303


@pytest.mark.parametrize(
    ("fields", "headers", "status"),
    [
        ({"csrf": "wrong"}, {}, 403),
        ({"csrf": ""}, {}, 403),
        ({}, {"origin": "https://evil.example"}, 403),
        ({}, {"origin": "null"}, 403),
        ({}, {"sec-fetch-site": "cross-site"}, 403),
        ({}, {"content-type": "text/plain"}, 415),
        ({"answer": "perhaps"}, {}, 400),
        ({"round": "2"}, {}, 409),
        ({"calls": "x"}, {}, 409),
    ],
)
def test_forged_and_broken_forms_change_nothing(served, fields, headers, status):
    one = served()
    name = one.waiting()
    sign_in(one)
    csrf = csrf_of(one.client.get(f"/calls/{name}").text)
    data = {"csrf": csrf, "round": "1", "answer": "approve", **fields}
    assert one.client.post(f"/calls/{name}", data=data, headers=headers).status_code == status
    assert one.ask("GET", f"/escalations/{name}", "lead").json()["status"] == "pending"


def test_another_sessions_form_token_does_not_do(served):
    one = served()
    name = one.waiting()
    sign_in(one)
    stolen = csrf_of(one.client.get(f"/calls/{name}").text)
    one.client.cookies.clear()
    sign_in(one, "deputy")
    assert one.client.post(f"/calls/{name}", data={"csrf": stolen, "round": "1", "answer": "approve"}).status_code == 403


def test_a_session_ends_by_time_and_by_revocation(served):
    one = served()
    sign_in(one)
    one.clock.now += SESSION
    assert one.client.get("/").status_code == 303
    sign_in(one)
    known = one.file()
    one.file.write(replace(known, known={**known.known, "lead": replace(known.known["lead"], revoked=1)}))
    assert one.client.get("/").status_code == 303


def test_html_in_parameters_is_text(served):
    one = served()
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'\u202e"
    call = one.call(parameters={"amount": 300, hostile: hostile, "url": "javascript:alert(1)"}, agent_id=hostile[:-1])
    assert call.status_code == 202, call.text
    sign_in(one)
    for path in ("/", f"/calls/{call.json()['escalation_id']}"):
        page = one.client.get(path)
        assert hostile not in page.text
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "\u202e" not in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]


def test_who_may_not_answer_sees_no_form(served):
    one = served()
    name = one.waiting()
    sign_in(one, "intern")
    page = one.client.get(f"/calls/{name}").text
    assert 'value="approve"' not in page
    assert "You cannot answer this" in page
    assert answer_form_of_anyone(one, name).status_code == 409


def answer_form_of_anyone(one, name):
    csrf = csrf_of(one.client.get("/").text)
    return one.client.post(f"/calls/{name}", data={"csrf": csrf, "round": "1", "answer": "approve"})


def test_the_facts_are_said_in_words(served):
    one = served()
    name = one.call(parameters={"amount": 300, "url": "http://169.254.169.254/x"}).json()["escalation_id"]
    sign_in(one)
    assert "a cloud&#39;s metadata service" in one.client.get(f"/calls/{name}").text


SSO = SingleSignOn("x-forwarded-user", SECRET)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-forwarded-user": "lead", "x-toolguard-proxy": SECRET}, 200),
        ({"x-forwarded-user": "lead"}, 303),
        ({"x-forwarded-user": "lead", "x-toolguard-proxy": "wrong"}, 303),
        ({"x-forwarded-user": "nobody", "x-toolguard-proxy": SECRET}, 303),
        ({"x-forwarded-user": "program", "x-toolguard-proxy": SECRET}, 303),
        ({"x-toolguard-proxy": SECRET}, 303),
    ],
)
def test_a_single_sign_on_is_believed_only_with_its_secret(served, headers, status):
    assert served(single_sign_on=SSO).client.get("/", headers=headers).status_code == status


def test_without_a_single_sign_on_its_headers_are_nothing(served):
    one = served()
    assert one.client.get("/", headers={"x-forwarded-user": "lead", "x-toolguard-proxy": ""}).status_code == 303


def test_its_answers_are_signed_by_a_service_that_the_guard_knows(served):
    one = served()
    name = one.waiting()
    one.file.write(People(one.file().known))
    one.ask("POST", f"/escalations/{name}/approve", "lead", {})
    assert one.call().json()["verdict"] == Verdict.DENY.word


# -- the command -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The options of a service that would start, and files beside them that would not do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short").write_text("short")
    (tmp_path / "broken.yaml").write_text("rules: [")
    PeopleFile(tmp_path / "strangers.json").write(People(KINDS))
    key = tmp_path / "service.key"
    key.write_text(str(SERVICE))
    key.chmod(0o600)
    PeopleFile(tmp_path / "people.json").write(People(KINDS, (SERVICE.verifier,)))
    (tmp_path / "p.json").write_text(json.dumps(policy()))
    return {"policy": "p.json", "ledger": "l.db", "approvers": "people.json", "key": "service.key"}


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (["--host", "0.0.0.0"], 2, "in the clear"),
        (["--sso-header", "X-User"], 2, "needs both"),
        (["--webhook", "http://localhost"], 2, "a webhook is signed"),
        (["--webhook", "http://localhost", "--webhook-secret", "short"], 2, "too short"),
        (["--approvers", "strangers.json"], 2, "approvers add"),
        (["--approvers", "missing.json"], 1, "cannot be read"),
        (["--key", "missing.key"], 2, "missing.key"),
        (["--policy", "broken.yaml"], 6, "broken.yaml"),
    ],
)
def test_a_service_that_could_not_be_trusted_does_not_start(files, capsys, given, code, says):
    options = [word for name, file in files.items() for word in (f"--{name}", file)]
    assert main(["serve", *options, *given]) == code
    assert says in capsys.readouterr().err
