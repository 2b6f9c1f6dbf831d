"""The packs for secrets and personal data, and the example of a stream that is cut in the middle of a key."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolguard import Guard, ToolDenied, Verdict, verify
from toolguard.errors import StreamDenied

KEY, CARD, IBAN, MAIL = "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111", "DE89370400440532013000", "jane@example.com"
EXAMPLE = Path(__file__).parent.parent / "examples" / "streams"
READS = """
policy_id: reads
scope: {tool_names: [read, query]}
rules: [{rule_id: all, conditions: {field: tool_name, operator: exists}, effect: allow}]
"""


@pytest.fixture
def guard():
    with Guard(READS, pack="data-protection", ledger=":memory:") as made:
        yield made


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("nothing", "nothing"),
        (f"key {KEY}", "key [redacted aws-key]"),
        ([{"card": CARD, "mail": MAIL}], [{"card": "****1111", "mail": MAIL}]),
        ({"iban": IBAN}, {"iban": "****3000"}),
        ("password = 'hunter2!'", "password = 'hunter2!'"),  # not certain: code is full of such
        ("postgres://app:s3cr3t@db/app", "postgres://app:[redacted url-password]@db/app"),
    ],
)
def test_what_tools_return_is_shown_without_secrets_and_numbers(guard, value, seen):
    assert guard.wrap(lambda: value, name="read")() == seen


def test_what_is_no_data_goes_on(guard):
    thing = object()
    assert guard.wrap(lambda: thing, name="read")() is thing


def test_the_pack_allows_no_tool(guard):
    with pytest.raises(ToolDenied, match="no policy covers `other`"):
        guard.wrap(lambda: 1, name="other")()


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("see you at noon", Verdict.ALLOW),
        (f"write to {MAIL}", Verdict.ALLOW),
        ("password: Tr0ub4dor&3", Verdict.DENY),
        (f"key {KEY}", Verdict.DENY),
        (f"card {CARD}", Verdict.ESCALATE),
        ({"html": f"<b>{IBAN}</b>"}, Verdict.ESCALATE),
    ],
)
def test_what_is_sent_out_holds_no_secrets_and_numbers_with_a_person_only(guard, body, verdict):
    assert guard.evaluate("send_email", {"to": MAIL, "body": body}).verdict == verdict
    assert guard.evaluate("anything", {"body": body}, group="messaging").verdict == verdict


def test_a_model_says_no_secrets_and_is_told_none(guard):
    text = [f"the key is {KEY[:9]}", f"{KEY[9:]}, and the mail {MAIL}"]
    out = []
    with pytest.raises(StreamDenied, match="output-has-no-secrets"):
        out += (piece for piece in guard.stream(text))
    assert "".join(out) == "the key is "
    assert "".join(guard.stream(text, direction="input")) == f"the key is [redacted aws-key], and the mail {MAIL}"


def test_the_example_cuts_a_stream_in_the_middle_of_a_key(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLE / "run.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    log, said = done.stdout.split("What a model says:")
    assert "signed in: [redacted email]" in log
    assert log.index("calling the store with ") < log.index("(the log was closed)") < log.index("cut: rule `no-secrets`")
    assert "AKIA" not in done.stdout
    assert "ghp_" not in said
    assert verify(tmp_path / "streams.db").intact
