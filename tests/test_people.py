"""Who may answer, kept in a file by the command: tokens are shown once and kept as hashes, revocation is at once."""

import json

import pytest

from toolguard.approvals.people import PeopleFile, Principal, hash_of_token
from toolguard.audit.sign import Signer
from toolguard.cli import main

DANA = Signer("dana", bytes([1]) * 32)


@pytest.fixture
def toolguard(tmp_path, capsys):
    """Runs `toolguard approvers ACTION people.json ...`: (exit code, what it printed)."""

    def run(action, *given):
        code = main(["approvers", action, str(tmp_path / "people.json"), *given])
        printed = capsys.readouterr()
        return code, printed.out.strip(), printed.err.strip()

    run.file = PeopleFile(tmp_path / "people.json")
    return run


def test_a_token_is_shown_once_and_kept_as_a_hash(toolguard):
    code, token, _ = toolguard("add", "dana", "--role", "supervisor", "--key", str(DANA.verifier))
    assert code == 0
    assert token.startswith("tg_")
    assert token not in toolguard.file.path.read_text()
    assert toolguard.file().known["dana"].token == hash_of_token(token)
    assert toolguard.file.path.stat().st_mode & 0o777 == 0o600
    assert "supervisor" in toolguard("list")[1]
    assert token not in toolguard("list", "--json")[1]
    assert toolguard.file().known["dana"].keys == (DANA.verifier,)


def test_revoking_takes_the_token_and_keeps_the_name(toolguard):
    _, token, _ = toolguard("add", "dana", "--role", "*")
    assert toolguard("revoke", "dana")[:2] == (0, "dana is revoked")
    assert hash_of_token(token) not in toolguard.file.path.read_text()
    assert toolguard.file().known["dana"].revoked
    assert "revoked" in toolguard("list")[1]
    assert toolguard("revoke", "dana")[0] == 2
    _, other, _ = toolguard("add", "dana", "--role", "*")
    assert other != token
    assert toolguard.file().known["dana"].revoked is None


def test_programs_operators_services_and_those_without_a_token(toolguard):
    toolguard("add", "app", "--client", "--agent-id", "support-bot")
    toolguard("add", "watcher", "--operator")
    assert toolguard("add", "kim", "--role", "lead", "--no-token")[1] == "kim is known"
    for _ in range(2):  # again is not twice
        assert toolguard("add", "--service", str(DANA.verifier))[0] == 0
    people = toolguard.file()
    assert people.services == (DANA.verifier,)
    assert people.known["app"].agent_id == "support-bot"
    assert not any(people.known[name].may_answer_for("lead") for name in ("app", "watcher"))
    assert people.known["kim"].may_answer_for("lead")
    listed = toolguard("list")[1]
    assert "client for support-bot" in listed
    assert "single sign-on" in listed
    assert json.loads(toolguard("list", "--json")[1])["services"] == [str(DANA.verifier)]


@pytest.mark.parametrize(
    "given",
    [
        ("add", "dana"),
        ("add", " dana", "--role", "x"),
        ("add", "d\na", "--role", "x"),
        ("add", "x" * 101, "--role", "x"),
        ("add", "--role", "x"),
        ("add", "app", "--client", "--role", "x"),
        ("add", "app", "--operator", "--agent-id", "x"),
        ("add", "dana", "--role", "x", "--key", "no key"),
        ("add", "--service", "no key"),
        ("add", "known", "--role", "x"),
        ("revoke",),
        ("revoke", "nobody"),
    ],
)
def test_what_is_refused_changes_nothing(toolguard, given):
    toolguard("add", "known", "--role", "x")
    before = toolguard.file.path.read_bytes()
    code, _, said = toolguard(*given)
    assert (code, toolguard.file.path.read_bytes()) == (2, before)
    assert said.startswith("toolguard: ")


def test_a_file_that_is_not_there_or_none(toolguard):
    assert toolguard("list")[0] == 1
    toolguard.file.path.write_text("{}")
    assert toolguard("add", "dana", "--role", "x")[0] == 1
    assert toolguard.file.path.read_text() == "{}"


def test_the_star_is_every_role():
    assert Principal("x", roles=frozenset("*")).may_answer_for(None)
    assert not Principal("x", roles=frozenset({"a"})).may_answer_for(None)
