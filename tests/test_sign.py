"""Notes and keys in the forms that other tools read: the examples of C2SP and of Go's note package are the judges."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolguard import Checkpoints, Guard
from toolguard.audit.note import Checkpoint, Note
from toolguard.audit.sign import Signer, Verifier

# From the documentation of golang.org/x/mod/sumdb/note: a key pair and a note that it signed.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_key_and_note_of_gos_documentation():
    signer, verifier, note = Signer.parse(GO_SIGNER), Verifier.parse(GO_VERIFIER), Note.parse(GO_NOTE)
    assert (str(signer), str(verifier), str(note)) == (GO_SIGNER, GO_VERIFIER, GO_NOTE)
    assert signer.verifier == verifier
    assert verifier.accepts(note)
    assert str(signer.sign(note.text)) == GO_NOTE  # Ed25519 has no randomness


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.integers(0, 2**62))
def test_a_signed_checkpoint_and_back(seed, root, size):
    signer = Signer("acme.example/agents", seed)
    note = signer.sign(Checkpoint("acme.example/agents/1", size, root).text)
    again = Note.parse(str(note))
    assert again.checkpoint == Checkpoint("acme.example/agents/1", size, root)
    assert signer.verifier.accepts(again)
    assert not Signer("acme.example/agents", bytes(32)).verifier.accepts(again) or seed == bytes(32)


@given(st.integers(0, len(GO_NOTE) - 1), st.characters(codec="utf-8"))
def test_a_changed_note_is_refused(at, other):
    changed = GO_NOTE[:at] + other + GO_NOTE[at + 1 :]
    try:
        accepted = Verifier.parse(GO_VERIFIER).accepts(Note.parse(changed))
    except ValueError:
        accepted = False
    assert accepted is (changed == GO_NOTE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        GO_SIGNER,
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER.replace("Peter", "Paul"),
        GO_VERIFIER[:-4],
        GO_VERIFIER.replace("+A", "+B"),
    ],
)
def test_what_is_no_verifier(text):
    with pytest.raises(ValueError, match="no key that checks"):
        Verifier.parse(text)


@pytest.mark.parametrize("text", ["", GO_VERIFIER, GO_SIGNER.replace("PRIVATE", "PUBLIC"), GO_SIGNER[:-4]])
def test_what_is_no_signer(text):
    with pytest.raises(ValueError, match="no key that signs"):
        Signer.parse(text)


def test_a_signer_whose_name_was_changed():
    with pytest.raises(ValueError, match="does not fit"):
        Signer.parse(GO_SIGNER.replace("Peter", "Paul"))


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", "a\n01\n" + "A" * 43 + "=\n", "a\n-1\n" + "A" * 43 + "=\n", "a\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n"],
)
def test_what_is_no_checkpoint(text):
    with pytest.raises(ValueError, match="no checkpoint"):
        Checkpoint.parse(text)


def test_lines_of_others_behind_the_root_are_passed_over():
    assert Checkpoint.parse("a\n7\n" + "A" * 43 + "=\nmore\n") == Checkpoint("a", 7, bytes(32))


@pytest.mark.parametrize(
    "note", ["", "text\n", "text\n\n— name", "text\n\nname x\n", "text\n\n— name !!\n", "text\n\n— na me AAAA\n"]
)
def test_what_is_no_note(note):
    with pytest.raises(ValueError, match="note"):
        Note.parse(note)


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "key"
    path.write_text(GO_SIGNER)
    path.chmod(0o640)
    with pytest.raises(ValueError, match="chmod 600"):
        Signer.load(path)
    path.chmod(0o600)
    assert Signer.load(path).name == "PeterNeumann"
    assert GO_SIGNER[-20:] not in repr(Signer.load(path))


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from toolguard.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", [["keys", "--sign", "k"], ["verify", "l.db", "--verifier", GO_VERIFIER]])
def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    key = tmp_path / "signing.key"
    key.write_text(GO_SIGNER)
    key.chmod(0o600)
    with Guard(pack="payments", ledger="l.db", checkpoints=Checkpoints(signing_key=key)):
        pass
    done = subprocess.run([sys.executable, "-c", WITHOUT, *command], capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'toolguard-embedded[sign]'" in done.stderr) == (2, True)
    assert not (tmp_path / "k").exists()
