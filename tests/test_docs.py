"""What README and docs show is run, and what they repeat from the code is the code's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolguard.operators import OPERATORS
from toolguard.policy.fields import IDENTITY, OF_THE_CALL, ROOTS
from toolguard.policy.load import load_policies
from toolguard.policy.schema import descriptions

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "facts").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


SNIPPETS = [(page.name, code) for page in PAGES for code in blocks(page, "python")]


@pytest.mark.parametrize(("page", "code"), SNIPPETS, ids=[page for page, _ in SNIPPETS])
def test_python_snippets_run(page, code, tmp_path):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    if page == "README.md":
        assert done.stdout in (ROOT / page).read_text()
        verify = [sys.executable, "-m", "toolguard", "verify", "refunds.db"]
        assert subprocess.run(verify, capture_output=True, text=True, cwd=tmp_path, check=True).stdout.startswith(
            "intact: 6 records; head 6:"
        )


def test_the_command_in_the_readme_prints_what_it_shows():
    (shown,) = re.findall(r"\$ (echo .*?)\n(.*?)  \.\.\.\n", (ROOT / "README.md").read_text(), re.DOTALL)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(shown[0], shell=True, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.startswith(shown[1])


def test_the_yaml_in_the_docs_loads():
    texts = [text for page in PAGES for text in blocks(page, "yaml")]
    assert texts
    for text in texts:
        load_policies(text)


def test_every_key_operator_and_field_is_documented():
    text = (ROOT / "docs" / "policies.md").read_text()
    for keys in descriptions().values():
        for key in keys:
            assert f"| `{key}` |" in text, key
    for name in OPERATORS:
        assert f"### `{name}`\n" in text
    for name in (*ROOTS, *IDENTITY, *OF_THE_CALL, "envelope_id", "department"):
        assert f"`{name}" in text, name


def test_generated_parts_are_up_to_date():
    assert subprocess.run([sys.executable, ROOT / "docs" / "build.py", "--check"], check=False).returncode == 0


def test_links_lead_somewhere():
    for page in [*PAGES, *(ROOT / "docs" / "decisions").glob("*.md"), ROOT / "examples" / "refunds" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
