import subprocess
import sys
from pathlib import Path

import pytest

import toolguard
from toolguard import Guard

HERE = Path(__file__).parent


def test_every_export_is_there_and_documented():
    for name in toolguard.__all__:
        assert getattr(toolguard, name).__doc__, name
    assert sorted(toolguard.__all__, key=str) == toolguard.__all__


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def test_importing_loads_no_parser_and_no_engine_that_no_policy_needs():
    loaded = loaded_by("from toolguard import Guard, guarded")
    assert "pydantic" in loaded
    assert not {"ada_url", "publicsuffixlist", "sqlglot", "bashlex", "re2", "asyncio", "rich", "cryptography"} & loaded


def test_verifying_loads_nothing_that_decides(tmp_path):
    with Guard(pack="payments", ledger=tmp_path / "l.db"):
        pass
    verifying = f"from toolguard.cli import main; main(['verify', {str(tmp_path / 'l.db')!r}])"
    for statement in (f"import toolguard; toolguard.verify({str(tmp_path / 'l.db')!r})", verifying):
        loaded = loaded_by(statement)
        assert "toolguard.audit.verify" in loaded
        assert not {"pydantic", "yaml", "ada_url", "re2", "asyncio", "cryptography", "toolguard.guard"} & loaded
        assert not [name for name in loaded if name.startswith(("toolguard.policy", "toolguard.engine"))]


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="has no attribute `Guardian`"):
        toolguard.Guardian  # noqa: B018
    assert set(toolguard.__all__) <= set(dir(toolguard))


def test_a_type_checker_sees_the_tools_own_types():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", str(HERE / "typed_usage.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stdout


def test_every_public_name_is_found_by_a_plain_import():
    scope = {}
    exec("from toolguard import *", scope)
    assert set(toolguard.__all__) <= set(scope)
