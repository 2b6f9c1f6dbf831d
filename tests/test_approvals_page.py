"""The example in a real browser: an agent waits, is killed and started again, somebody approves, the tool runs once."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from toolguard import Guard, verify

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "approvals"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

spec = importlib.util.spec_from_file_location("approvals_example", EXAMPLE / "run.py")
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def answers(port):
    try:
        urllib.request.urlopen(f"http://localhost:{port}/login", timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def desk(tmp_path):
    """A folder with people and a page: (folder, token, address)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = example.prepare(tmp_path)
    server = example.serve(tmp_path, port)
    try:
        until(lambda: answers(port))
        yield tmp_path, token, f"http://localhost:{port}"
    finally:
        server.terminate()
        assert server.wait(20) in (0, -signal.SIGTERM)


@pytest.fixture
def agents(desk):
    """Starts the agent of the example in the folder; all are dead at the end."""
    started = []

    def start():
        started.append(example.agent(desk[0], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        dead(one)


def dead(agent):
    agent.kill()
    agent.wait()
    agent.stdout.close()


def page_of(browser, address, token, **options):
    page = browser.new_page(**options)
    page.goto(address)
    page.get_by_label("Your token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("Live:").wait_for()
    return page


def violations(page):
    """What axe finds wrong with the page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    return [f"{each['id']}: {each['help']}" for each in axe.run(page).response["violations"]]


def refunded(folder):
    path = folder / "refunded.txt"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("killed", ["while it waits", "after the answer", "never"])
def test_an_agent_waits_and_its_tool_runs_exactly_once(desk, agents, browser, killed):
    folder, token, address = desk
    page = page_of(browser, address, token)
    assert page.get_by_text("Nothing waits for you.").is_visible()
    agent = agents()
    page.get_by_role("link", name="issue_refund").wait_for()  # it appears by itself
    if killed == "while it waits":
        dead(agent)
        agent = agents()
    elif killed == "after the answer":
        agent.send_signal(signal.SIGSTOP)
    page.get_by_role("link", name="issue_refund").click()
    assert page.get_by_text("A supervisor approves refunds above $200.").is_visible()
    page.get_by_label("A note").fill("called the customer")
    page.get_by_role("button", name="Approve").click()
    page.get_by_text("Nothing waits for you.").wait_for()
    if killed == "after the answer":
        dead(agent)
        agent = agents()
    assert "refunded 300.0 on A-1" in agent.stdout.read()
    assert refunded(folder) == ["A-1 300.0"]
    again = agents()
    page.get_by_role("link", name="issue_refund").wait_for()  # the approval is used up: it is asked anew
    dead(again)
    assert refunded(folder) == ["A-1 300.0"]
    assert verify(folder / "refunds.db").intact


def test_a_refusal_reaches_the_agent(desk, agents, browser):
    folder, token, address = desk
    agent = agents()
    page = page_of(browser, address, token)
    page.get_by_role("link", name="issue_refund").click()
    page.get_by_label("A note").fill("not without a receipt")
    page.get_by_role("button", name="Refuse").click()
    said = agent.stdout.read()
    assert "refused by lead: not without a receipt" in said
    assert refunded(folder) == []
    page.get_by_role("link", name="History").click()
    assert page.get_by_text("not without a receipt").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 360, "height": 740}, {"width": 1280, "height": 900}])
def test_the_pages_are_accessible(desk, agents, browser, scheme, size):
    _, token, address = desk
    agents()
    page = browser.new_page(color_scheme=scheme, viewport=size)
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    found = {"login": violations(page)}
    page.get_by_label("Your token").fill(token)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="issue_refund").wait_for()
    found["queue"] = violations(page)
    page.get_by_role("link", name="issue_refund").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Approve").wait_for()
    found["call"] = violations(page)
    narrow = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("A note").focus()
    page.keyboard.type("by keyboard")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # refuse
    page.get_by_text("Nothing waits for you.").wait_for()
    for name in ("History", "Ledger"):
        page.get_by_role("link", name=name).click()
        found[name] = violations(page)
    assert found == {key: [] for key in found}
    assert narrow
    assert errors == []


def test_hostile_words_stay_words(desk, browser):
    folder, token, address = desk
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with Guard(EXAMPLE / "policy.yaml", ledger=folder / "refunds.db", approvers=folder / "people.json") as guard:
        guard.evaluate("issue_refund", {"amount": 300, hostile: hostile}, agent_id="x<b>")
    page = page_of(browser, address, token)
    page.get_by_role("link", name="issue_refund").click()
    page.get_by_role("button", name="Approve").wait_for()
    assert page.locator("img, main script, b").count() == 0
    assert "owned" not in page.title()
    assert page.get_by_text("onerror").first.is_visible()


class Channel(BaseHTTPRequestHandler):
    got: list = []  # noqa: RUF012 - of the test's one server

    def do_POST(self):
        self.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_the_slack_example_tells_a_channel():
    server = HTTPServer(("127.0.0.1", 0), Channel)
    threading.Thread(target=server.handle_request, daemon=True).start()
    told = {"tool": "<!channel> pay", "escalate_to": "supervisor", "reason": "rule `ask`", "url": "http://localhost/calls/1"}
    subprocess.run(
        [sys.executable, EXAMPLE / "slack.py"],
        input=json.dumps({"data": told}),
        text=True,
        check=True,
        env={**os.environ, "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{server.server_port}/"},
    )
    server.server_close()
    assert Channel.got == [
        {"text": "*&lt;!channel&gt; pay* waits for supervisor: rule `ask`\n<http://localhost/calls/1|Look at it>"}
    ]
