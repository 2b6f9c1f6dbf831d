import subprocess
import sys
from pathlib import Path

import pytest

import toolguard

HERE = Path(__file__).parent


def test_every_export_is_there_and_documented():
    for name in toolguard.__all__:
        assert getattr(toolguard, name).__doc__, name
    assert sorted(toolguard.__all__, key=str) == toolguard.__all__


def test_importing_loads_no_parser_and_no_engine_that_no_policy_needs():
    code = "import sys, toolguard; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in loaded
    assert not {"ada_url", "sqlglot", "bashlex", "re2", "asyncio", "rich"} & set(loaded)


def test_a_type_checker_sees_the_tools_own_types():
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", str(HERE / "typed_usage.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, check=False)
    assert done.returncode == 0, done.stdout


def test_every_public_name_is_found_by_a_plain_import():
    scope = {}
    exec("from toolguard import *", scope)
    assert set(toolguard.__all__) <= set(scope)
