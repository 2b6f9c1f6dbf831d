"""Receipts: one record, or growth, shown without the ledger."""

import json

import pytest
from conftest import leaf, policy, rule
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Checkpoints, Guard, LedgerCorrupt, StoreError
from toolguard.audit.anchor import ToFile, read_notes
from toolguard.audit.prove import check_receipt, prove_growth, prove_record
from toolguard.audit.sign import Signer
from toolguard.cli import main

EVERY = policy([rule(leaf("amount", "gt", 500))])
SIGNER = Signer("acme.example/agents", bytes(range(32)))
OTHER = Signer("acme.example/agents", bytes(32))
N = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(ledger, anchor file) of a guard that kept all parameters and signed a checkpoint now and then."""
    folder = tmp_path_factory.mktemp("prove")
    key = folder / "signing.key"
    key.write_text(str(SIGNER))
    key.chmod(0o600)
    for _ in range(2):
        plan = Checkpoints(signing_key=key, anchors=[ToFile(folder / "anchor.txt")])
        with Guard(EVERY, ledger=folder / "l.db", capture="full", checkpoints=plan) as guard:
            for amount in range(N):
                guard.evaluate("t", {"amount": amount * 50, "note": "hello"})
    return folder / "l.db", folder / "anchor.txt"


def test_every_record_under_the_checkpoint_is_proved(made):
    ledger, _ = made
    for seq in range(1, 2 * (N + 3)):
        proved = check_receipt(json.dumps(prove_record(ledger, seq)), [SIGNER.verifier])
        assert (proved.holds, proved.seq, proved.vouched) == (True, seq, True)
        assert proved.content["seq"] == seq


@pytest.mark.parametrize(("seq", "message"), [(0, "no record 0"), (99, "no record 99"), (2 * (N + 3), "no checkpoint covers")])
def test_what_cannot_be_proved(made, seq, message):
    with pytest.raises(StoreError, match=message):
        prove_record(made[0], seq)


def test_only_what_is_disclosed_is_in_it(made):
    ledger, _ = made
    assert "hello" not in json.dumps(prove_record(ledger, 5))
    receipt = json.dumps(prove_record(ledger, 5, ["amount"]))
    assert "hello" not in receipt
    assert check_receipt(receipt).values == {"params.amount": 150}
    assert check_receipt(json.dumps(prove_record(ledger, 5, None))).values == {"params.amount": 150, "params.note": "hello"}
    with pytest.raises(StoreError, match=r"`other` of record 5 is not kept"):
        prove_record(ledger, 5, ["other"])


def test_who_vouches(made):
    ledger, anchor = made
    receipt, notes = json.dumps(prove_record(ledger, 5)), read_notes(anchor.read_text())
    assert check_receipt(receipt).holds
    assert not check_receipt(receipt).vouched
    assert check_receipt(receipt, notes=notes).vouched
    for proved in (check_receipt(receipt, [OTHER.verifier]), check_receipt(receipt, notes=notes[:1])):
        assert (proved.holds, proved.vouched) == (False, False)
        assert "nobody that was given vouches" in proved.finding


@given(st.data())
def test_a_changed_receipt_proves_nothing_else(made, data):
    """Any byte of it: either it is refused, or it still says the same."""
    text = json.dumps(prove_record(made[0], 5, ["amount"]))
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + text[at + 1 :]
    proved, before = check_receipt(changed, [SIGNER.verifier]), check_receipt(text, [SIGNER.verifier])
    assert not proved.holds or (proved.seq, proved.content) == (before.seq, before.content)
    assert not proved.holds or set(proved.values.items()) <= set(before.values.items())


@pytest.mark.parametrize("text", ["", "{}", "[]", "5", '{"toolguard_receipt": 2}', '{"toolguard_receipt": 1}', "[" * 10_000])
def test_what_is_no_receipt(text):
    assert not check_receipt(text).holds


def test_growth(made):
    ledger, anchor = made
    older, newer = read_notes(anchor.read_text())
    receipt = prove_growth(ledger, older)
    proved = check_receipt(json.dumps(receipt), [SIGNER.verifier])
    assert (proved.holds, proved.seq, proved.size) == (True, N + 2, 2 * (N + 3) - 1)
    assert not check_receipt(json.dumps(receipt | {"consistency": []}), [SIGNER.verifier]).holds
    assert not check_receipt(json.dumps(receipt | {"older": str(newer)}), [SIGNER.verifier]).holds
    other = SIGNER.sign(older.text.replace("acme.example/agents/", "acme.example/agents/x"))
    assert not check_receipt(json.dumps(receipt | {"older": str(other)}), [SIGNER.verifier]).holds


def test_no_growth(made, tmp_path):
    older, newer = read_notes(made[1].read_text())
    with Guard(EVERY, ledger=tmp_path / "l.db") as guard:
        for _ in range(3 * N):
            guard.evaluate("t", {"amount": 1})
    with pytest.raises(LedgerCorrupt, match="does not begin with the"):
        prove_growth(tmp_path / "l.db", older)
    with Guard(EVERY, ledger=tmp_path / "short.db"), pytest.raises(StoreError, match="has no checkpoint of"):
        prove_growth(tmp_path / "short.db", newer)


def test_from_the_command_line(made, tmp_path, capsys):
    ledger, anchor = map(str, made)
    receipt = str(tmp_path / "receipt.json")
    assert main(["prove", ledger, "5", "--disclose", "amount", "--output", receipt]) == 0
    assert main(["verify", receipt]) == 0
    printed = capsys.readouterr().out
    assert "proved: record 5 is among the 45 records of the checkpoint" in printed
    assert "params.amount = 150" in printed
    assert "nobody vouches for it" in printed
    assert main(["verify", receipt, "--verifier", str(SIGNER.verifier)]) == 0
    assert "nobody vouches" not in capsys.readouterr().out
    assert main(["verify", receipt, "--verifier", str(OTHER.verifier), "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["holds"] is False
    (tmp_path / "first.txt").write_text(str(read_notes(made[1].read_text())[0]))
    assert main(["prove", ledger, "--since", str(tmp_path / "first.txt"), "--output", receipt]) == 0
    assert main(["verify", receipt, "--anchor", anchor]) == 0
    assert "the first 22 records are still the first of the 45 records" in capsys.readouterr().out
    assert main(["prove", ledger]) == 2
    assert main(["prove", ledger, "--since", __file__ + "x"]) == 2


def test_keys_that_sign_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "signing.key"
    assert main(["keys", "--sign", str(path), "--name", "acme.example/agents"]) == 0
    verifier = capsys.readouterr().out.strip()
    assert path.stat().st_mode & 0o777 == 0o600
    with Guard(EVERY, ledger=tmp_path / "l.db", checkpoints=Checkpoints(signing_key=path)):
        pass
    assert main(["verify", str(tmp_path / "l.db"), "--verifier", verifier]) == 0
    assert "signed: 2 of 3 records" in capsys.readouterr().out
    assert main(["keys", "--sign", str(path)]) == 2
    assert main(["keys", "--sign", str(tmp_path / "x"), "--name", "a b"]) == 2
    assert main(["keys"]) == 2
    assert main(["keys", str(tmp_path / "y.db"), "--sign", str(tmp_path / "x")]) == 2
