"""What is known of a path, on a disk with links, and that nothing outside is ever called inside."""

import os
import posixpath
import sys

import pytest
from conftest import cases
from hypothesis import given, settings
from hypothesis import strategies as st

from toolguard import Guard, Verdict
from toolguard.classify import path as facts_about
from toolguard.classify.path import CLASSIFIER, MAX_LENGTH, classify
from toolguard.paths import open_beneath, real

CASES = cases("path")
LINKS = {
    "link_in": "src",
    "link_out": "{out}",
    "link_file": "{out}/secret.txt",
    "dangling": "{out}/not_there",
    "loop": "loop",
    "up": "..",
    "key": "{home}/.ssh/id_ed25519",
    "self": ".",
    "root": "/",
    "chain": "link_out",
    "src/env_link": "../.env",
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    root = tmp_path_factory.mktemp("paths").resolve()
    places = {name: root / name for name in ("ws", "out", "home")}
    for folder in ("ws/src", "ws/.git/hooks", "ws-evil", "out", "home/.ssh"):
        (root / folder).mkdir(parents=True)
    for name in ("ws/src/a.py", "ws/.env", "ws-evil/x", "out/secret.txt", "home/.ssh/id_ed25519"):
        (root / name).write_text("x")
    for link, target in LINKS.items():
        (places["ws"] / link).symlink_to(target.format(**places))
    return {name: str(path) for name, path in places.items()}


def known(text, disk):
    return classify(text, workspace=disk["ws"], cwd=disk["ws"], home=disk["home"])


def filled(value, disk):
    for name, path in disk.items():
        value = value.replace(f"{{{name}}}", path) if isinstance(value, str) else value
    return value


@pytest.mark.parametrize("case", CASES, ids=lambda case: ascii(case["path"]))
def test_a_path(case, disk):
    facts = known(filled(case["path"], disk), disk)
    found = {name: getattr(facts, name) for name in case["facts"]}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()} == {
        name: filled(value, disk) for name, value in case["facts"].items()
    }


def test_every_fact_has_a_case():
    assert {name for case in CASES for name in case["facts"]} == set(CLASSIFIER.fact_names)


PARTS = st.sampled_from(
    [*LINKS, "..", ".", "src", "a.py", "x", "", "out", "ws", "secret.txt", ".env", "home", ".ssh", "...", "..x", "ws-evil"]
)


@settings(max_examples=300)
@given(parts=st.lists(PARTS, max_size=8), absolute=st.sampled_from(["", "{ws}/", "{ws}/../", "/"]))
def test_what_is_inside_is_inside_for_the_system_too(disk, parts, absolute):
    text = filled(absolute, disk) + "/".join(parts)
    facts = known(text, disk)
    if facts.inside:
        truth = os.path.realpath(posixpath.join(disk["ws"], text))
        assert posixpath.commonpath([truth, disk["ws"]]) == disk["ws"]
        assert not facts.escapes_by_symlink


@given(st.text(max_size=80))
def test_it_never_raises_and_what_is_ambiguous_is_not_inside(disk, text):
    facts = known(text, disk)
    if facts.ambiguous:
        assert facts.inside is facts.resolved is facts.lexical is None
        assert facts.reasons
        assert facts.why_unknown


def test_links_are_asked_each_time(disk, tmp_path):
    (tmp_path / "x").mkdir()
    link = tmp_path / "x" / "l"
    link.symlink_to(tmp_path / "x")
    assert classify("l", workspace=str(tmp_path / "x")).inside
    link.unlink()
    link.symlink_to(disk["out"])
    assert not classify("l", workspace=str(tmp_path / "x")).inside


def test_without_a_disk_nothing_is_inside(monkeypatch, disk):
    monkeypatch.setattr(facts_about, "_resolve", [lambda _: None])
    assert known("src/a.py", disk).inside is None
    assert known("/etc/shadow", disk).inside is False
    assert known("/etc/shadow", disk).sensitive


def test_without_a_workspace_or_a_beginning(disk):
    assert classify("x").inside is None
    assert classify("x").why_unknown
    assert classify("/etc/hosts").inside is False
    assert classify("x", workspace="relative").inside is None
    assert classify("x" * (MAX_LENGTH + 1), workspace=disk["ws"]).reasons == ("too_long",)


def test_where_links_lead(disk):
    assert real(f"{disk['ws']}/link_out") == disk["out"]
    assert real(f"{disk['ws']}/loop") is None
    assert real(f"{disk['ws']}/nothing/here") == f"{disk['ws']}/nothing/here"
    assert real("/x\x00") is None


# -- opening -----------------------------------------------------------------------------------------------------------------

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="openat is of POSIX")


@LINUX
@pytest.mark.parametrize(
    "path",
    [
        "link_out/secret.txt",
        "link_file",
        "../out/secret.txt",
        "/etc/passwd",
        "self/src/a.py",
        "",
        ".",
        "src/..",
        "a\x00b",
        "up/out/x",
    ],
)
def test_nothing_is_opened_beyond_the_folder(disk, path):
    with pytest.raises(OSError, match=r"below the folder|is a link"):
        open_beneath(disk["ws"], path)


@LINUX
def test_a_file_below_is_opened_as_ever(disk):
    with open_beneath(disk["ws"], "src/new.txt", "w", encoding="utf-8") as file:
        file.write("é")
    with open_beneath(disk["ws"], "./src//new.txt", "rb") as file:
        assert file.read() == "é".encode()
    with open_beneath(disk["ws"], "src/new.txt", "a+") as file:
        file.write("!")
    with pytest.raises(FileNotFoundError):
        open_beneath(disk["ws"], "src/none/x")
    with pytest.raises(FileExistsError):
        open_beneath(disk["ws"], "src/new.txt", "x")


# -- the packs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "params", "verdict"),
    [
        ("read_file", {"path": "src/a.py"}, Verdict.ALLOW),
        ("write_file", {"file_path": "src/b.py", "content": "x = 1"}, Verdict.ALLOW),
        ("read_file", {"path": "link_out/secret.txt"}, Verdict.DENY),
        ("read_file", {"path": "src/a.py", "file_path": "/etc/shadow"}, Verdict.DENY),
        ("read_file", {"path": ".env"}, Verdict.DENY),
        ("read_file", {"path": "~/x"}, Verdict.DENY),
        ("read_file", {"path": "loop"}, Verdict.DENY),
        ("read_file", {"path": "package.json"}, Verdict.ALLOW),
        ("write_file", {"path": "package.json", "content": "{}"}, Verdict.ESCALATE),
        ("write_file", {"path": "k.txt", "content": "-----BEGIN RSA PRIVATE KEY-----\nx"}, Verdict.DENY),
        ("edit_file", {"path": "a.md", "edits": [{"new_string": "about BEGIN RSA PRIVATE KEY"}]}, Verdict.ALLOW),
        ("edit_file", {"path": "a.md", "patch": "--- /dev/null\n+++ b/src/x.py\n"}, Verdict.ALLOW),
        ("edit_file", {"path": "a.md", "patch": "*** Update File: /etc/passwd\n"}, Verdict.DENY),
        ("read_file", {"path": {"src/a.py": 1}}, Verdict.DENY),
        ("read_files", {"paths": ["src/a.py", "src/b.py"]}, Verdict.ALLOW),
        ("read_files", {"paths": ["src/a.py", "link_out/secret.txt"]}, Verdict.DENY),
        ("move_file", {"source": "src/a.py", "destination": "src/b.py"}, Verdict.ALLOW),
        ("move_file", {"source": "/etc/passwd", "destination": "src/b.py"}, Verdict.DENY),
        ("apply_patch", {"input": "*** Begin Patch\n*** Update File: src/a.py\n"}, Verdict.ALLOW),
        ("apply_patch", {"input": "nothing to see"}, Verdict.DENY),
        ("glob", {"pattern": "src/**/*.py"}, Verdict.ALLOW),
        ("glob", {"pattern": "{src,../..}/**"}, Verdict.DENY),
        ("glob", {"pattern": "/etc/*"}, Verdict.DENY),
        ("glob", {"pattern": "*.py", "path": ".."}, Verdict.DENY),
        ("grep", {"pattern": "x", "glob": "**/.env"}, Verdict.DENY),
        ("grep", {"pattern": "x", "glob": "*.py"}, Verdict.ALLOW),
        ("glob", {"pattern": "**/*.pem"}, Verdict.DENY),
        ("glob", {"pattern": "src/environment/*.ts"}, Verdict.ALLOW),
        ("grep", {"pattern": "^/etc|\\$HOME"}, Verdict.ALLOW),
        ("list_directory", {}, Verdict.ALLOW),
        ("LS", {}, Verdict.ALLOW),
        ("Write", {"file_path": "package.json", "content": "{}"}, Verdict.ESCALATE),
        ("Read", {"file_path": "package.json"}, Verdict.ALLOW),
        ("read_file", {}, Verdict.DENY),
    ],
)
def test_the_pack_for_files(disk, tool, params, verdict):
    with Guard(pack="filesystem", ledger=":memory:") as guard:
        context = {"workspace": disk["ws"], "cwd": disk["ws"], "home": disk["home"]}
        assert guard.evaluate(tool, params, context=context).verdict == verdict


@pytest.mark.parametrize(
    ("url", "verdict"),
    [
        ("https://api.example.com/v1", Verdict.ALLOW),
        ("http://169.254.169.254/latest/meta-data/", Verdict.DENY),
        ("http://127.0.0.1/", Verdict.DENY),
        ("http://2130706433/", Verdict.DENY),
        ("https://u:p@example.com/", Verdict.DENY),
        ("file:///etc/passwd", Verdict.DENY),
        ("ftp://example.com/x", Verdict.DENY),
        ("https://example.com:2375/", Verdict.ESCALATE),
        (5, Verdict.DENY),
        (None, Verdict.DENY),
    ],
)
def test_the_pack_for_addresses(url, verdict):
    with Guard(pack="egress", ledger=":memory:") as guard:
        assert guard.evaluate("fetch", {"url": url}).verdict == verdict


def test_a_coding_agents_pack_has_its_files_and_addresses(disk):
    context = {"workspace": disk["ws"], "cwd": disk["ws"], "home": disk["home"]}
    with Guard(pack=["coding-agent", "egress"], ledger=":memory:") as guard:
        verdicts = [
            guard.evaluate(tool, params, context=context).verdict.name
            for tool, params in [
                ("Bash", {"command": "git status"}),
                ("Read", {"file_path": "src/a.py"}),
                ("Read", {"file_path": "link_out/secret.txt"}),
                ("WebFetch", {"url": "https://example.com/"}),
                ("WebFetch", {"url": "http://169.254.169.254/"}),
                ("unheard_of", {}),
            ]
        ]
    assert verdicts == ["ALLOW", "ALLOW", "DENY", "ALLOW", "DENY", "DENY"]


def test_a_person_reads_where_it_leads(disk):
    words = list(CLASSIFIER.in_words(known("link_out/secret.txt", disk)))
    assert "it leaves the workspace through a link" in words
    for case in CASES:
        assert all(isinstance(each, str) for each in CLASSIFIER.in_words(known(filled(case["path"], disk), disk)))
